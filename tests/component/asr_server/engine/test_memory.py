"""A process that really has no memory left, and what it can compute then and afterwards.

RLIMIT_DATA makes allocations fail, as a GPU's do; the memory limit of a container kills instead.
"""

import json
import os
import subprocess
import sys

import pytest

# What was freed stays in the heap: tensors find room there, what oneDNN compiles does not.
HEAP = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 25)}

# Convolves batches of new shapes while no byte more is to be had, then again when there is.
SCRIPT = """
import json, logging, resource
import torch
from asr_server.engine import recovery, torch_device

logging.disable(logging.CRITICAL)
device = torch_device.TorchDevice("cpu", 1)
layer = torch.nn.Conv1d(128, 128, 3, padding=1)
too_large = []

def convolve(rows):
    return layer(torch.stack(rows)).mean((1, 2)).tolist()

def run(batch):
    answers = recovery.run_batch(convolve, batch, device, too_large.append)
    return [not isinstance(answer, recovery.Poison) for answer in answers]

def allow(more):
    limit = resource.RLIM_INFINITY
    if more is not None:
        with open("/proc/self/status") as status:
            used = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
        limit = used * 1024 + more
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))

with torch.inference_mode():
    small = [[torch.randn(128, frames)] * 4 for frames in range(20, 160, 7)]
    large = [torch.randn(128, 20_000)] * 8  # 10 MB each
    run(small.pop())
    spare = [bytearray(1 << 16) for _ in range(512)]
    del spare
    allow(0)
    scarce = [run(batch) for batch in small]
    allow(200 << 20)
    squeezed = run(large)
    allow(None)
    print(json.dumps({
        "scarce": scarce, "squeezed": squeezed, "too_large": too_large,
        "afterwards": [run(batch) for batch in small],
        "onednn": torch.backends.mkldnn.enabled,
    }))
"""


@pytest.mark.slow
def test_what_did_not_fit_is_halved_and_nothing_is_refused_afterwards():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | HEAP,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert all(map(all, found["scarce"]))
    assert all(found["squeezed"])
    assert 8 in found["too_large"]
    assert all(map(all, found["afterwards"]))
    assert found["onednn"] is True
