"""A real WebSocket port on loopback, with an engine that answers when the test says so."""

import asyncio
import contextlib
import json
import time

import pytest
import websockets

from asr_server.link.messages import Failed, Recognized
from asr_server.metrics import Metrics
from asr_server.service import bounds
from asr_server.service.admission import Admission
from asr_server.service.connection import Surroundings
from asr_server.service.door import Door
from asr_server.service.engine_link import Stored
from asr_server.service.listener import Endpoint, Listener
from asr_server.speech.effects import FinalText, PartialText, SessionLimits, StreamDone

SECOND = b"\x01\x00" * 16000
END = json.dumps({"is_speaking": False})


class FakeEngine:
    """Answers each utterance with its number of samples, once `gate` is open."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.gate.set()
        self.room = True
        self.poison = None
        self.cancelled = 0
        self.streams = []
        self.stream_room = 10**9
        self.hints = []

    def open_stream(self, mode, chunk_size, deliver, hints):
        self.hints.append(hints)
        self.streams.append(FakeStream(self, (mode, chunk_size), deliver))
        return self.streams[-1]

    async def store(self, samples):
        return Stored(0, len(samples)) if self.room else None

    async def recognize(self, stored, item_class, now, deadline, hints):
        self.hints.append(hints)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if stored.samples == self.poison:
            return Failed(1, "poisonous audio")
        return Recognized(1, f"{stored.samples} samples", ())


class FakeStream:
    """A live input whose words the test says; ended, it has one final over all that is left."""

    def __init__(self, engine, opening, deliver):
        self.engine, self.opening, self._deliver = engine, opening, deliver
        self.samples = self.settled = self.utterance = 0
        self.ended = self.cancelled = False

    def feed(self, samples, now):
        stored = min(len(samples), self.engine.stream_room - self.samples)
        self.samples += stored
        return stored

    def end(self, now):
        assert not self.ended
        self.ended = True
        self.task = asyncio.create_task(self._finish())

    def cancel(self):
        self.cancelled = True

    def say(self, *results):
        for result in results:
            if isinstance(result, str):
                result = PartialText(self.utterance, result)
            self._deliver(result)

    def say_final(self, text, end=None):
        end = self.samples if end is None else end
        now = time.monotonic()
        self.say(FinalText(self.utterance, self.settled, end, text, now - 1.0, now - 0.5))
        self.settled, self.utterance = end, self.utterance + 1

    async def _finish(self):
        await self.engine.gate.wait()
        if not self.cancelled:
            if self.samples > self.settled:
                self.say_final(f"{self.samples - self.settled} samples")
            self.say(StreamDone())


class Stage:
    """A listener and what is around it."""

    def __init__(self):
        self.engine = FakeEngine()
        self.metrics = Metrics()
        self.room = float("inf")
        self.door = Door(lambda: self.room, self.metrics.server.waiting_sessions)
        self.admission = Admission(self.metrics.session, 5, 0, self.door)
        self.admission.closed = None
        self.budget = bounds.AudioBudget(16000 * 60)
        self.limits = SessionLimits(utterance_s=40.0, queued_s=40.0, replies=50)
        self.bounds = bounds.Bounds(idle_s=60.0)
        self.max_message_bytes = 2_000_000
        self.decoder = None
        self.tokens = self.tls = self.gathering = None
        self.listener = None

    async def start(self):
        shared = self.engine, self.budget, self.limits, self.metrics.session
        around = Surroundings(*shared, self.decoder, self.gathering)
        self.listener = Listener(self.admission, around, self.bounds, self.tokens)
        endpoint = Endpoint("127.0.0.1", 0, self.max_message_bytes, self.tls)
        port = await self.listener.start(endpoint)
        self.url = f"{'wss' if self.tls else 'ws'}://127.0.0.1:{port}"
        self.sweeper = asyncio.create_task(self.listener.sweep())
        return self

    async def stop(self):
        self.engine.gate.set()
        await self.listener.stop()
        self.sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.sweeper

    def connect(self, **options):
        return websockets.connect(self.url, **{"ping_interval": None, **options})

    def value(self, name, **labels):
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def stage():
    """A stage that is set but not started: tests change its bounds first."""
    stage = Stage()
    yield stage
    if stage.listener is not None:
        await stage.stop()


@pytest.fixture
def eventually():
    """Wait until a condition holds, or fail."""

    async def wait(condition, what="the condition", timeout_s=30.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"{what} did not come true in {timeout_s} s"
            await asyncio.sleep(0.01)

    return wait
