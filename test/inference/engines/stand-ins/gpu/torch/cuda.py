"""Stands in for torch.cuda: an allocator with the figures that a test sets, under the keys of the real one."""

import collections
import os
import types

GIB = 1024**3

# Set by tests: whether the process uses GPUs, and for each GPU its bytes and counts.
initialized = False
devices = []
fault = None

_pid = os.getpid()


def use(*gpus):
    """Each GPU as (reserved, allocated, inactive split) in bytes."""
    global initialized
    devices[:] = [dict(zip(("reserved_bytes", "allocated_bytes", "inactive_split_bytes"), gpu)) for gpu in gpus]
    initialized = True


def is_initialized():
    # As in PyTorch: a forked child cannot use the GPUs of its parent.
    return initialized and os.getpid() == _pid


def device_count():
    return len(devices)


def get_device_properties(device):
    return types.SimpleNamespace(name="NVIDIA A100 80GB PCIe", uuid="%08x-0000-1111-2222-333333333333" % device)


def get_allocator_backend():
    return "native"


def memory_stats_as_nested_dict(device):
    if fault is not None:
        raise fault
    own = devices[device]
    stats = {}
    for kind in ("allocation", "segment", "active", "inactive_split", "allocated_bytes", "reserved_bytes", "active_bytes", "inactive_split_bytes", "requested_bytes"):
        of_all = {"current": own.get(kind, 0), "peak": own.get(kind, 0), "allocated": own.get(kind, 0), "freed": 0}
        stats[kind] = {"all": of_all, "large_pool": dict(of_all), "small_pool": {"current": 0, "peak": 0, "allocated": 0, "freed": 0}}
    for kind in ("oversize_allocations", "oversize_segments"):
        stats[kind] = {"current": 0, "peak": 0, "allocated": 0, "freed": 0}
    return dict(stats, num_alloc_retries=own.get("retries", 0), num_ooms=own.get("ooms", 0), max_split_size=-1, num_sync_all_streams=0, num_device_alloc=1, num_device_free=0)


def memory_stats(device=None):
    """Flat and sorted, made as the real one makes it, so that it also takes about as long."""
    result = []

    def flatten(prefix, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                flatten(prefix + "." + key if prefix else key, inner)
        else:
            result.append((prefix, value))

    flatten("", memory_stats_as_nested_dict(device))
    result.sort()
    return collections.OrderedDict(result)
