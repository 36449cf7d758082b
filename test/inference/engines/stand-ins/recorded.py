"""The names that the real packages have, as the tests' records hold them: a stand-in takes no other."""

import json
import os


def names(file):
    with open(os.path.join(os.path.dirname(__file__), "..", "recorded", file)) as record:
        return json.load(record)


def check(given, allowed):
    unknown = set(given) - set(allowed)
    if unknown:
        raise TypeError(f"there is no {', '.join(sorted(unknown))}")
