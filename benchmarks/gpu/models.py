"""The models that are measured on a device: those of the demo, and Paraformer-large."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from asr_server.models import loading
from benchmarks.server import large_model


@contextlib.contextmanager
def large(*, small: bool) -> Iterator[Path]:
    """Give the demo models with recognisers of Paraformer-large's size, with random weights.

    Both are large, that of whole utterances and the streaming one; VAD and punctuation are those
    of the demo. `small` ones are as wide, with one block each.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "large"
        shutil.copytree(loading.demo_directory(), made)
        (made / "manifest.json").unlink()
        for name in ("asr", "asr_online"):
            shutil.rmtree(made / name)
            large_model.write(made / name, blocks=1 if small else None, like=name)
        yield made
