"""A stream costs after two hours what it costs after seconds: the same operations, as large; and
those of a batch are not more where more streams are in it.
"""

from collections import Counter

import msgspec
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from asr_server.models import fbank, ragged, streaming_paraformer
from asr_server.speech.pieces import Piece

TWO_HOURS_S = 7200
MOST_OPERATIONS = 180  # of a batch; views, which cost a GPU nothing, are counted


class Operations(TorchDispatchMode):
    """Writes down each operation and the shapes that go into it."""

    def __init__(self):
        super().__init__()
        self.done = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        flat = [part for arg in args for part in (arg if isinstance(arg, list) else [arg])]
        shapes = [tuple(part.shape) for part in flat if hasattr(part, "shape")]
        self.done.append((str(function), shapes))
        return function(*args, **(kwargs or {}))


def list_operations(call, *args):
    with torch.inference_mode(), Operations() as operations:
        call(*args)
    return operations.done


def test_a_step_of_an_old_utterance_costs_what_one_of_a_new_does(models, utterances):
    """The decoder knows no positions; how many tokens there are is the encoder's word."""
    recognizer, size = models.streaming_recognizer, (5, 10, 5)
    audio = np.resize(utterances[0].audio, 9600 * 6)
    memory = recognizer.advance([Piece(recognizer.start(size), audio)])[0].state.memory
    old = msgspec.structs.replace(memory, steps=memory.steps + TWO_HOURS_S * 1000 // 60)
    features = torch.zeros(2, 10, 560)
    first, second = ([streaming_paraformer.Chunk(m, size, 10, last=False)] for m in (memory, old))
    done = list_operations(recognizer.network.encode, first * 2, features)
    assert list_operations(recognizer.network.encode, first + second, features) == done
    assert len(done) > 100


def test_a_piece_of_an_old_stream_costs_what_one_of_a_new_does(models, utterances):
    vad, audio = models.streaming_vad, utterances[0].audio
    begun = vad.advance([Piece(vad.start(), audio[:16000])])[0]
    assert begun.open_since is not None
    state, steps = begun.state, TWO_HOURS_S * 100
    heard = msgspec.structs.replace(
        state.heard, frames=state.heard.frames + steps, start=state.heard.start + steps
    )
    carry = msgspec.structs.replace(state.carry, steps=state.carry.steps + steps)
    aged = msgspec.structs.replace(state, carry=carry, heard=heard)
    young, old = (Piece(s, audio[16000:16960]) for s in (state, aged))
    done = list_operations(vad.advance, [young, young])
    assert list_operations(vad.advance, [young, old]) == done
    first, second = vad.advance([young, old])
    assert second.open_since - first.open_since == TWO_HOURS_S * 1000
    assert second.certain_ms - first.certain_ms == TWO_HOURS_S * 1000


@pytest.mark.parametrize("keeps_banks", [True, False], ids=["with banks", "without"])
@pytest.mark.parametrize("lengths", [[960], [960, 1920, 480]], ids=["equal", "unequal"])
def test_a_batch_of_many_streams_is_as_many_operations_as_one_of_few(
    models, utterances, monkeypatch, lengths, keeps_banks
):
    vad, audio = models.streaming_vad, utterances[0].audio
    monkeypatch.setattr(vad.front.front, "keeps_banks", keeps_banks)
    monkeypatch.setattr(fbank, "_CPU_BLOCK_FRAMES", 1 << 16)  # as on a GPU
    held = vad.advance([Piece(vad.start(), audio[:16000])] * 128)  # the store has grown
    done = {}
    for rows in (8, 64):
        pieces = [Piece(vad.start(), audio[row * 160 :][:16000]) for row in range(rows)]
        states = [after.state for after in vad.advance(pieces)]
        more = [lengths[row % len(lengths)] for row in range(rows)]
        pieces = [Piece(s, audio[16000:][:count]) for s, count in zip(states, more, strict=True)]
        done[rows] = [name for name, _ in list_operations(vad.advance, pieces)]
    assert len(held) == 128
    assert done[64] == done[8]
    assert 50 < len(done[64]) < MOST_OPERATIONS


def test_a_batch_of_many_utterances_is_as_many_operations_as_one_of_few(
    models, utterances, monkeypatch
):
    """Of several ages: in each some have been heard for one step, others for longer."""
    recognizer, audio = models.streaming_recognizer, utterances[0].audio
    monkeypatch.setattr(recognizer.front.front, "keeps_banks", False)  # as on a GPU
    monkeypatch.setattr(ragged, "copy_ranges", ragged.copy_packed)
    monkeypatch.setattr(fbank, "_CPU_BLOCK_FRAMES", 1 << 16)
    start = recognizer.start((5, 10, 5))
    aged = [
        recognizer.advance([Piece(start, audio[: 9600 * steps])])[0].state for steps in (1, 2, 3, 5)
    ]
    done = {}
    for rows in (8, 64):
        pieces = [Piece(aged[row % 4], audio[row * 160 :][:9600]) for row in range(rows)]
        done[rows] = Counter(name for name, _ in list_operations(recognizer.advance, pieces))
        del done[rows]["aten.new_empty.default"]  # memory of each row: no work for a GPU
    assert done[64] == done[8]
    assert done[64].total() > 100
