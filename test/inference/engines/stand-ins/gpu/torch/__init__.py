"""Stands in for PyTorch on a machine with GPUs; only what its allocator says is there."""

import threading  # noqa: F401: PyTorch has imported it as well

from . import cuda  # noqa: F401
