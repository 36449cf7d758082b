"""Stands in for PyTorch: just what the servers call, and nothing is computed."""

import contextlib

float32, bfloat16, float16 = "float32", "bfloat16", "float16"


def manual_seed(seed):
    assert isinstance(seed, int)


@contextlib.contextmanager
def inference_mode():
    yield


class cuda:
    @staticmethod
    def set_device(index):
        assert isinstance(index, int)
