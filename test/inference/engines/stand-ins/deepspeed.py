"""Stands in for DeepSpeed 0.19.6, with the names of its own settings."""

from recorded import check, names

RECORD = names("deepspeed-0.19.6.json")


class InferenceEngine:
    def __init__(self, model):
        self.module = model


def init_inference(model, **settings):
    check(settings, RECORD["initInference"])
    check(settings["config"], RECORD["config"])
    check(settings["config"]["tensor_parallel"], RECORD["tensorParallel"])
    return InferenceEngine(model)
