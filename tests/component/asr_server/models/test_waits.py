"""How often the host waits for the device: not for every row, and nowhere inside a batch.

A CPU does not show the waiting, but it shows the operations that a GPU would make wait.
"""

import ast
from collections import Counter
from pathlib import Path

import pytest
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from asr_server.models import staging
from asr_server.speech.pieces import Piece
from asr_server.speech.sounds import Sound

# Their results are values or shapes that the host has to know before it can go on.
WAITING = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_consecutive",
    "unique_dim", "equal", "is_nonzero", "bincount", "repeat_interleave",
}  # fmt: skip
READING = {
    "tolist", "item", "cpu", "numpy", "__array__", "__bool__", "__int__", "__float__", "__index__",
}  # fmt: skip


class Operations(TorchDispatchMode):
    """Counts operations that wait."""

    def __init__(self):
        super().__init__()
        self.waiting = Counter()
        self.all = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.all += 1
        name = function.overloadpacket.__name__
        self.waiting[name] += name in WAITING
        return function(*args, **(kwargs or {}))


class Reads(TorchFunctionMode):
    """Counts how often the host reads a tensor."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        self.counts[name] += name in READING
        return function(*args, **(kwargs or {}))


def count(call, *args):
    """Return the reads of the host, and the operations that wait."""
    with Operations() as operations, Reads() as reads:
        call(*args)
    assert operations.all > 50
    return +reads.counts, +operations.waiting


@pytest.fixture(scope="module", autouse=True)
def _without_banks(models):
    """As on a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        for model in (models.vad, models.recognizer, models.streaming_recognizer.front):
            patch.setattr(model.front, "keeps_banks", False)
        yield


@pytest.fixture(scope="module")
def speech(models, utterances):
    """Six recordings; something is said in the first step of the first."""
    audio = [utterance.audio for utterance in utterances[:20]]
    said = models.streaming_recognizer.advance(online_pieces(models, audio))
    order = sorted(range(len(audio)), key=lambda place: not said[place].tokens)
    assert said[order[0]].tokens
    return [audio[place] for place in order[:6]]


def online_pieces(models, speech):
    start = models.streaming_recognizer.start((5, 10, 5))
    return [Piece(start, row[:9600]) for row in speech]


# Of each batch: probabilities of silence; sums of weights, then (on the host by then) their counts,
# then the symbols; totals, counts and rests of weights, and the symbols; the marks of a round.
CASES = {
    "vad": (lambda m, s: count(m.vad.hear, s), {"cpu": 1, "numpy": 1}),
    "asr": (
        lambda m, s: count(m.recognizer.recognize, [Sound(row) for row in s]),
        {"cpu": 1, "numpy": 1, "tolist": 2},
    ),
    "streaming vad": (
        lambda m, s: count(
            m.streaming_vad.advance, [Piece(m.streaming_vad.start(), row[:9600]) for row in s]
        ),
        {"cpu": 1, "numpy": 1},
    ),
    "asr_online": (
        lambda m, s: count(m.streaming_recognizer.advance, online_pieces(m, s)),
        {"cpu": 1, "tolist": 3},
    ),
    "punc": (
        lambda m, s: count(m.punctuation.punctuate, [["一", "二", "三"]] * len(s)),
        {"tolist": 1},
    ),
}


@pytest.mark.parametrize(("run", "reads"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("rows", [1, 6])
def test_the_host_waits_as_often_for_many_rows_as_for_one(models, speech, run, reads, rows):
    counted, waiting = run(models, speech[:rows])
    assert counted == reads
    assert not waiting


# Samples, and what bounds the rows of the stacks, everywhere but in punc; then the order of rows;
# the lengths in frames for each mask, and in tokens; places of what is remembered, before and
# after; positions, bounds, edges, which rows speak.
COPIES = {"vad": 3, "asr": 7, "streaming vad": 4, "asr_online": 6, "punc": 1}


@pytest.mark.parametrize("stage", CASES)
@pytest.mark.parametrize("rows", [2, 6])
def test_a_batch_is_copied_in_kind_by_kind_and_not_row_by_row(
    models, speech, monkeypatch, stage, rows
):
    copied = []
    put = staging.put

    def count_copy(values, device):
        copied.append(tuple(values.shape))
        return put(values, device)

    monkeypatch.setattr(staging, "put", count_copy)
    CASES[stage][0](models, speech[:rows])
    assert len(copied) == COPIES[stage], copied


def test_host_values_go_to_the_device_by_staging_alone():
    """A tensor that is made on a GPU from a list is copied there, and the host waits for it."""
    found = []
    for path in sorted(Path(staging.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or path.name == "staging.py":
                continue
            name = ast.unparse(node.func)
            if name in ("torch.tensor", "torch.as_tensor") and any(
                each.arg == "device" for each in node.keywords
            ):
                found.append(f"{path.name}:{node.lineno}")
            if name.endswith((".pin_memory", ".cuda")):
                found.append(f"{path.name}:{node.lineno}")
    assert found == []
