"""The whole way of a client's audio and back, without sockets and processes.

Session, streams and arena, the engine's loop, and models without torch. The engine works, dies and
answers when the test says so.
"""

import itertools
import json

import numpy as np

from asr_server.engine import crew, loop, overload
from asr_server.link import arena, messages
from asr_server.scheduling import shedding
from asr_server.service.streams import Streams
from asr_server.speech import effects
from asr_server.speech.messages import render_partial
from asr_server.speech.session import Session

LIMITS = messages.BatchLimits(batch_size=8, batch_audio_s=60.0, max_wait_ms=5.0)
ROOM_SAMPLES = 16_000 * 120
NEVER_CALM_S = float("inf")


class WholeWay:
    """One client with one live input after the other. Needs a running event loop."""

    def __init__(self, models, device, clock):
        self._models, self._device, self._clock = models, device, clock
        self._memory = arena.Arena.create(ROOM_SAMPLES)
        self._heard_by_engine = arena.attach(self._memory.fd, self._memory.samples)
        self._session = Session(effects.SessionLimits(600.0, 600.0, 1000))
        self.streams = Streams(self._memory, itertools.count(1), _nothing, _nothing)
        self._open = {}
        self._inbox = []
        self._step = shedding.Step.NOTHING
        self.told = []
        self.start_engine()

    def start_engine(self):
        """Begin an engine that knows nothing."""
        self._inbox = []
        team = crew.Crew(self._device, self._clock)
        self._loop = loop.BatchLoop(self._models, self._heard_by_engine, LIMITS, team, self._clock)
        self.shed(self._step)
        self.streams.connect(self)

    def kill_engine(self, *, after_turns=0):
        """End the engine; what it found in its last turns is never heard of."""
        for _ in range(after_turns):
            self._loop.turn(self._take_inbox())
        self.streams.disconnect()

    def shed(self, step):
        """Let the engine stand on this step of the ladder."""
        self._step = step
        limits = messages.SheddingLimits(late_ms=1000.0, partial_interval_ms=1500.0)
        self._loop._overload._ladder = shedding.Ladder(step, patience_s=NEVER_CALM_S)
        self._loop._overload.configure(limits)

    def say(self, part):
        """Let the client send a message."""
        if isinstance(part, bytes):
            self._apply(self._session.receive_audio(part))
        else:
            self._apply(self._session.receive_text(json.dumps(part), self._clock.now))

    def work(self, turns):
        """Let the engine turn so often, or until nothing is left to do."""
        for _ in range(turns):
            turn = self._loop.turn(self._take_inbox())
            for reply in turn.replies:
                if hasattr(reply, "stream_id"):
                    self.streams.handle(reply)
            is_waiting = turn.wait_s is not None and turn.wait_s < overload.WATCH_S
            if not (self._inbox or is_waiting):
                break
            self._clock.now += turn.wait_s if is_waiting else 0.0

    def close(self):
        self._memory.close()

    # What `Streams` needs of a channel.
    def send(self, message):
        self._inbox.append(message)

    def send_all(self, batch):
        self._inbox += batch

    def _take_inbox(self):
        inbox, self._inbox = self._inbox, []
        return inbox

    def _apply(self, due):
        for effect in due:
            match effect:
                case effects.Listen(number, mode, chunk_size, hints):
                    self._open[number] = self.streams.open(
                        mode,
                        chunk_size,
                        lambda said, number=number: self._hear(number, said),
                        hints,
                    )
                case effects.Hear(number, _, samples):
                    stored = self._open[number].feed(samples, self._clock.now)
                    assert stored == len(samples)
                case effects.Hush(number):
                    self._open[number].end(self._clock.now)
                case effects.Reply(message):
                    self.told.append(json.loads(message))
                case effects.Increment(mode, name, _, text):
                    self.told.append(json.loads(render_partial(mode, name, text)))
                case _:
                    raise AssertionError(effect)

    def _hear(self, number, said):
        self._apply(self._session.take_result(number, said, self._clock.now))


def _nothing():
    pass


def as_bytes(audio):
    """Return what a client sends of samples."""
    return audio.astype(np.int16).tobytes()
