"""What loading the models costs a process that has just started."""

import subprocess
import sys

import pytest

LOAD = """
import sys
from asr_server.models import loading
loading.load_models(loading.demo_directory(), device="cpu", dtype="float32")
print("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_loading_does_not_import_the_compiler_of_torch():
    """It would take a second and 160 MB in every engine, for nothing."""
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
