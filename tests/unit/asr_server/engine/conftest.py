"""Models without torch: audio is made of constant samples, and a sample's value is its token."""

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest

from asr_server.engine import crew, loop
from asr_server.link import messages
from asr_server.speech import sounds
from asr_server.speech.hints import NO_HINTS
from asr_server.speech.spans import Span
from asr_server.speech.words import Words
from tests.unit.asr_server.engine import callers, streaming_models

POISON, HUGE = 666, 777


class Clock:
    """Time that passes only when somebody says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@dataclass
class FakeDevice:
    released: int = 0

    def compute(self, compute, inputs, *, alone=False):
        return compute(inputs)

    def is_lost(self, error):
        return isinstance(error, SystemError)

    def is_out_of_memory(self, error):
        return isinstance(error, MemoryError)

    def release_memory(self):
        self.released += 1


@dataclass
class FakeModels:
    """Each batch takes `start_s`; `capacity` rows fit in memory; batches are remembered."""

    clock: Clock
    start_s: float = 0.01
    capacity: int = 1000
    has_punctuation: bool = True
    has_online: bool = True
    audio_cost: float = 0.0  # seconds for each padded second
    batches: list = field(default_factory=list)
    lost_at: int | None = None
    poisoned: set = field(default_factory=lambda: {"asr"})  # stages that cannot bear poison
    takes_hotwords: bool = False
    hints: list = field(default_factory=list)  # of all that was recognised
    frames_used: int = 0  # of banks

    @property
    def vad(self):
        return self

    @property
    def recognizer(self):
        return self

    @property
    def punctuation(self):
        return self if self.has_punctuation else None

    @property
    def streaming_vad(self):
        return streaming_models.StreamingVad(self._run)

    @property
    def streaming_recognizer(self):
        return streaming_models.StreamingRecognizer(self._run) if self.has_online else None

    def hear(self, audio):
        self._run("vad", audio)
        return [sounds.Detected(spans_of(row), streaming_models.frames_of(row)) for row in audio]

    def recognize(self, speech, hints):
        audio = [each.audio for each in speech]
        for each in speech:
            if each.bank is not None:
                self.frames_used += streaming_models.check_bank(each.audio, each.bank, before=0)
        self._run("asr", audio)
        self.hints += hints
        if any(HUGE in row for row in audio):
            raise MemoryError("far too much")
        return [
            Words((f"t{row[0]}",), ((10, len(row) // 16),)) if row.any() else Words()
            for row in audio
        ]

    def punctuate(self, tokens):
        self._run("punc", tokens)
        return [" ".join(row) + "." for row in tokens]

    def _run(self, stage, rows):
        self.batches.append((stage, len(rows)))
        longest_s = max(map(len, rows)) / 16_000 if stage != "punc" else 0.0
        self.clock.now += self.start_s + self.audio_cost * len(rows) * longest_s
        if len(self.batches) == self.lost_at:
            raise SystemError("the device is gone")
        if len(rows) > self.capacity:
            raise MemoryError(f"{len(rows)} rows")
        if stage in self.poisoned and any(POISON in row for row in rows):
            raise ValueError("poison in the batch")
        if stage != "punc" and any(callers.STALE in row for row in rows):
            raise AssertionError("settled audio was read")


def spans_of(row):
    """Return the stretches of equal samples that are not silence."""
    edges = [0, *(np.flatnonzero(np.diff(row)) + 1).tolist(), len(row)]
    pairs = [(a, b) for a, b in itertools.pairwise(edges) if b > a and row[a]]
    return [Span(start // 16, end // 16) for start, end in pairs]


class Front:
    """Puts audio into a plain array and drives a loop, turn by turn, without threads."""

    def __init__(self, *, limits, models, clock, seconds, make_crew=crew.Crew):
        self.clock = clock
        self.models = models
        self.device = FakeDevice()
        self.audio = np.zeros(16_000 * seconds, dtype=np.int16)
        self.loop = loop.BatchLoop(models, self.audio, limits, make_crew(self.device, clock), clock)
        self.callers = {}
        self._used = 0
        self._items = 0

    def speak(self, *parts, item_class="file", within_s=5.0, hints=NO_HINTS):
        """Return the request for (value, seconds) parts, each followed by silence of 0.1 s."""
        start = self._used
        for value, seconds in parts:
            self.audio[self._used : self._used + int(seconds * 16_000)] = value
            self._used += int((seconds + 0.1) * 16_000)
        self._items += 1
        return messages.Recognize(
            self._items,
            item_class,
            start,
            self._used - start,
            self.clock.now,
            self.clock.now + within_s,
            hints,
        )

    def call(self, **options):
        """Return a new caller, whose stream has to be opened."""
        self._items += 1
        caller = callers.Caller(self, self._items, **options)
        self.callers[self._items] = caller
        return caller

    def write(self, audio):
        """Put audio into the arena; return its offset."""
        offset = self._used
        self.audio[offset : offset + len(audio)] = audio
        self._used += len(audio) + 1
        return offset

    def turn(self, *arriving):
        """Turn once; return the replies and for how long the engine would wait."""
        turn = self.loop.turn(arriving)
        for reply in turn.replies:
            callers.deliver(self.callers, reply)
        return turn.replies, turn.wait_s

    def run(self, *arriving):
        """Turn until nothing is left to do; return all replies."""
        replies, wait_s = [], 0.0
        while wait_s is not None:
            told, wait_s = self.turn(*arriving)
            replies += told
            arriving = ()
            self.clock.now += wait_s or 0.0
        return replies

    def answers(self, *arriving):
        """Return the answers alone, by item."""
        kinds = messages.Recognized | messages.Failed
        found = [reply for reply in self.run(*arriving) if isinstance(reply, kinds)]
        assert len({answer.item_id for answer in found}) == len(found), "answered twice"
        return {answer.item_id: answer for answer in found}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def device():
    return FakeDevice()


@pytest.fixture
def make_front(clock):
    def make(
        *,
        batch_size=8,
        batch_audio_s=60.0,
        max_wait_ms=5.0,
        seconds=4000,
        make_crew=crew.Crew,
        **models,
    ):
        limits = messages.BatchLimits(batch_size, batch_audio_s, max_wait_ms)
        fake = FakeModels(clock, **models)
        return Front(limits=limits, models=fake, clock=clock, seconds=seconds, make_crew=make_crew)

    return make


@pytest.fixture
def front(make_front):
    return make_front()
