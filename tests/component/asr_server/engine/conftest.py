"""The engine as the front meets it: a process, a channel and an arena, driven without a front."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from asr_server.link import arena, channel, messages

WAIT_S = 60.0
ANSWERS = messages.Recognized | messages.Failed
OF_STREAMS = messages.Partial | messages.Final | messages.Settled
ENDS = messages.StreamEnded | messages.StreamFailed


@dataclass
class Heard:
    """What the engine has said of one stream."""

    samples: int
    texts: dict = field(default_factory=dict)
    finals: list = field(default_factory=list)
    settled: int = 0
    end: object = None

    def take(self, message):
        assert self.end is None
        match message:
            case messages.Partial():
                self.texts[message.utterance] = self.texts.get(message.utterance, "") + message.text
            case messages.Final():
                self.finals.append(message)
            case messages.Settled():
                assert message.position > self.settled
                self.settled = message.position
            case _:
                self.end = message

    def text(self, mode):
        """Return all that a client of this mode would show in the end."""
        begun = self.texts if mode == "online" else {}
        return "".join(begun.get(final.utterance, "") + final.text for final in self.finals)


class EngineProcess:
    """One engine, its end of the channel, and what it has reported."""

    def __init__(self, *, model="demo", threads=1, batch_size=32, batch_audio_s=120.0):
        self.arena = arena.Arena.create(16_000 * 900)
        self.reports = []
        self._items = 0
        self._answers = {}
        self._streams = {}
        self._runner = asyncio.Runner()
        ours, theirs = socket.socketpair()
        options = {
            "fd": theirs.fileno(), "arena-fd": self.arena.fd, "arena-samples": self.arena.samples,
            "model": model, "device": "cpu", "dtype": "float32", "threads": threads,
            "batch-size": batch_size, "batch-audio-s": batch_audio_s, "max-wait-ms": 20,
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "asr_server.engine"]
            + [f"--{name}={value}" for name, value in options.items()],
            pass_fds=[theirs.fileno(), self.arena.fd],
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )
        theirs.close()
        self._front = self._runner.run(channel.FrontChannel.open(ours))

    def send(self, *sent):
        async def write():
            for message in sent:
                self._front.send(message)

        self._runner.run(write())

    def receive(self):
        """Return the next message but that the process runs."""
        while isinstance(message := self.receive_any(), messages.Alive):
            pass
        return message

    def receive_any(self):
        """Return the next message."""
        return self._runner.run(asyncio.wait_for(self._front.receive(), WAIT_S))

    def put(self, audio, item_class="file"):
        """Put audio into the arena; return the request for it."""
        offset = self.arena.allocate(len(audio))
        self.arena.write(offset, audio)
        self._items += 1
        now = time.monotonic()
        return messages.Recognize(self._items, item_class, offset, len(audio), now, now + 2.0)

    def answer(self, *requests):
        """Send requests and return their answers in order; reports are kept."""
        self.send(*requests)
        while not all(request.item_id in self._answers for request in requests):
            message = self.receive()
            if isinstance(message, ANSWERS):
                self._answers[message.item_id] = message
            else:
                self.reports.append(message)
            assert message is not None, "the engine has ended"
        for request in requests:
            self.arena.release(request.offset)
        return [self._answers.pop(request.item_id) for request in requests]

    def listen(self, *recordings, mode, frame_samples=960):
        """Speak recordings at once, frame by frame; return what was heard of each."""
        first = self._items + 1
        self._items += len(recordings)
        heard = {first + n: Heard(len(audio)) for n, audio in enumerate(recordings)}
        for stream_id, audio in zip(heard, recordings, strict=True):
            self.send(messages.OpenStream(stream_id, mode, (5, 10, 5)))
            self._streams[stream_id] = self.arena.allocate(max(1, len(audio)))
            self.arena.write(self._streams[stream_id], audio)
        for start in range(0, max(map(len, recordings)), frame_samples):
            feeds = [
                messages.Feed(
                    stream_id,
                    self._streams[stream_id] + start,
                    min(frame_samples, len(audio) - start),
                    time.monotonic(),
                )
                for stream_id, audio in zip(heard, recordings, strict=True)
                if start < len(audio)
            ]
            self.send(*feeds)
        self.send(*[messages.EndStream(stream_id, time.monotonic()) for stream_id in heard])
        while not all(stream.end for stream in heard.values()):
            message = self.receive()
            if isinstance(message, OF_STREAMS | ENDS):
                heard[message.stream_id].take(message)
            else:
                self.reports.append(message)
            assert message is not None, "the engine has ended"
        for stream_id in heard:
            self.arena.release(self._streams.pop(stream_id))
        return list(heard.values())

    def batch_sizes(self, stage):
        """Return the sizes of the batches reported since the last call."""
        ran = [report for report in self.reports if isinstance(report, messages.BatchRan)]
        self.reports = []
        return [report.size for report in ran if report.stage == stage]

    def close_channel(self):
        """Close the channel; return the status that the process ends with."""
        self._runner.run(self._front.close())
        return self.process.wait(WAIT_S)

    def close(self):
        """Leave nothing behind, whatever has happened."""
        self.process.kill()
        self.process.wait(WAIT_S)
        self._runner.run(self._front.close())
        self._runner.close()
        self.arena.close()


@pytest.fixture(scope="session")
def silence():
    return np.zeros(48_000, dtype=np.int16)


@pytest.fixture(scope="session")
def engine():
    """A loaded engine with two workers that all tests share: a start takes seconds."""
    with contextlib.closing(EngineProcess(threads=2)) as started:
        loaded = started.receive()
        assert isinstance(loaded, messages.Loaded), loaded
        yield started


@pytest.fixture
def ending_engine():
    """A loaded engine that nobody else uses."""
    with contextlib.closing(EngineProcess()) as started:
        assert isinstance(started.receive(), messages.Loaded)
        yield started


@pytest.fixture
def failing_engine(tmp_path):
    """An engine whose model folder does not exist."""
    with contextlib.closing(EngineProcess(model=tmp_path / "absent")) as started:
        yield started
