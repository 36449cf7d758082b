"""Stands in for ColossalAI 0.5.0, with the names of its own parameters."""

from recorded import check, names

RECORD = names("colossalai-0.5.0.json")


def launch_from_torch(**settings):
    check(settings, RECORD["launchFromTorch"])
