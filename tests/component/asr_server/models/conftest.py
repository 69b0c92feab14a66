"""The demo models, loaded once, on one thread: two that share a busy core wait for each other."""

import pytest
import torch

from asr_server.models import loading


@pytest.fixture(scope="session")
def models():
    torch.set_num_threads(1)
    return loading.load_models(loading.demo_directory(), device="cpu", dtype="float32")
