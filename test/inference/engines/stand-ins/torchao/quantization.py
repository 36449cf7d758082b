"""Stands in for torchao 0.18.0, with the names of its own settings."""

from recorded import check, names
from transformers import note

RECORD = names("torchao-0.18.0.json")


class PerRow:
    pass


def settings_class(name):
    class Settings:
        def __init__(self, **settings):
            check(settings, RECORD["configs"][name])
            self.name = name

    return Settings


Float8DynamicActivationFloat8WeightConfig = settings_class("Float8DynamicActivationFloat8WeightConfig")
Float8WeightOnlyConfig = settings_class("Float8WeightOnlyConfig")
Int8WeightOnlyConfig = settings_class("Int8WeightOnlyConfig")
Int4WeightOnlyConfig = settings_class("Int4WeightOnlyConfig")


def quantize_(model, config):
    check(["model", "config"], RECORD["quantize"])
    note(quantised=config.name)
