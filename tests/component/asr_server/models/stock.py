"""funasr's own models, opened on a folder and asked about one recording, with no word said."""

import contextlib
import io
import logging
import warnings
from types import SimpleNamespace

import numpy as np

PART = {"disable_update": True}
OPTIONS = {**PART, "device": "cpu", "disable_pbar": True, "ncpu": 1}


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def opened(**models):
    """Open AutoModels by their name, each with its arguments; importing funasr takes seconds."""
    with quiet():
        import funasr

        logging.disable(logging.WARNING)
        made = {name: funasr.AutoModel(**given, **OPTIONS) for name, given in models.items()}
    try:
        yield SimpleNamespace(**made)
    finally:
        logging.disable(logging.NOTSET)


def generate(model, audio, **options):
    """Run a model on one recording, of which it expects floats; return its rows."""
    with quiet():
        return model.generate(input=audio.astype(np.float32) / 32768, **options)
