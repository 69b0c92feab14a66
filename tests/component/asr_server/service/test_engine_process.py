"""An engine process that loads, dies, babbles or never starts, and what becomes of its work."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from asr_server.link.arena import Arena
from asr_server.link.messages import BatchLimits, Failed, Recognized, SheddingLimits
from asr_server.metrics import Metrics
from asr_server.service import engine_process, silence
from asr_server.service.engine_link import EngineLink
from asr_server.service.engine_process import EngineError, EngineProcess
from asr_server.speech.effects import StreamDone
from asr_server.speech.hints import NO_HINTS, Hints

SCRIPT = str(Path(__file__).with_name("scripted_engine.py"))
GOOD = 1
POISON, DIE_ONCE, HOLD, TELL_LIMIT, BABBLE_ONCE, HANG, HANG_ONCE = range(66, 73)
TELL_HOTWORDS = 73
SAMPLES = 4096
LONGEST_BATCH_S = 60.0

pytestmark = pytest.mark.timeout(120)


class Engine:
    """A link with a supervised scripted engine behind it."""

    def __init__(self, mode, folder):
        self.folder, self.metrics, self.reports = folder, Metrics(), []
        self.link = EngineLink(
            Arena.create(64 * SAMPLES), BatchLimits(4, LONGEST_BATCH_S, 0.0), self.reports.append
        )
        self.loaded = asyncio.Event()
        command = (sys.executable, SCRIPT, mode, str(folder))
        process = EngineProcess(command, self.link, self.metrics.engine, self.loaded.set)
        self.task = asyncio.create_task(process.run())

    @property
    def starts(self):
        return len(list(self.folder.glob("start-*")))

    @property
    def pid(self):
        return int(next(self.folder.glob("start-*")).name.split("-")[2])

    @property
    def restarts(self):
        return self.metrics.registry.get_sample_value("asr_engine_restarts_total")

    async def recognize(self, first, samples=SAMPLES, hints=NO_HINTS):
        audio = np.ones(samples, np.int16)
        audio[0] = first
        stored = await self.link.store(audio)
        return stored and await self.link.recognize(stored, "file", 0.0, 1.0, hints)

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, EngineError):
            await self.task


@pytest.fixture
async def start(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_process, "BACKOFF_S", (0.0,))
    engines = []

    def start(mode="serve"):
        engines.append(Engine(mode, tmp_path))
        return engines[0]

    yield start
    for engine in engines:
        await engine.stop()
        engine.link.arena.close()


def texts(answers):
    return [found.text if isinstance(found, Recognized) else found.reason for found in answers]


async def test_work_that_came_before_the_engine_waits_for_it(start):
    engine = start()
    answers = await asyncio.gather(*(engine.recognize(GOOD, n) for n in (1, 2, 5000)))
    assert texts(answers) == ["1", "2", "5000"]
    assert engine.loaded.is_set()
    assert engine.link.arena.free_samples == engine.link.arena.samples


async def test_reports_of_the_engine_are_passed_on(start, eventually):
    engine = start()
    await engine.recognize(GOOD)
    await eventually(lambda: engine.reports)
    assert engine.reports[0].stage == "asr"


async def test_hotwords_of_the_service_follow_those_of_the_session(start, eventually):
    engine = start()
    own = Hints(hotwords=("b", "a"))
    assert texts([await engine.recognize(TELL_HOTWORDS, hints=own)]) == ["b a"]
    engine.link.hotwords = ("a", "c")
    assert texts([await engine.recognize(TELL_HOTWORDS, hints=own)]) == ["b a c"]
    said = []
    engine.link.open_stream("2pass", (5, 10, 5), said.append, own).end(0.0)
    await eventually(lambda: StreamDone() in said)
    assert [found.text for found in said if hasattr(found, "text")] == ["0 samples b a c"]


async def test_limits_reach_the_engine_at_once_and_every_later_one_too(start):
    engine = start()
    assert texts([await engine.recognize(TELL_LIMIT)]) == ["4"]
    engine.link.configure(BatchLimits(9, 60.0, 0.0), SheddingLimits())
    assert texts([await engine.recognize(TELL_LIMIT)]) == ["9"]
    await engine.recognize(DIE_ONCE)
    assert texts([await engine.recognize(TELL_LIMIT)]) == ["9"]


async def test_when_the_engine_dies_its_work_is_done_by_the_next_and_answered_once(start):
    engine = start()
    work = [engine.recognize(first) for first in (GOOD, DIE_ONCE, GOOD, GOOD)]
    answers = await asyncio.gather(*work)
    assert texts(answers) == [str(SAMPLES), str(SAMPLES + DIE_ONCE - 1), str(SAMPLES), str(SAMPLES)]
    assert (engine.starts, engine.restarts) == (2, 1)


async def test_an_item_that_kills_the_engine_twice_fails_alone(start):
    engine = start()
    work = [engine.recognize(first) for first in (GOOD, POISON, GOOD)]
    answers = await asyncio.gather(*work)
    assert texts(answers)[::2] == [str(SAMPLES)] * 2
    assert isinstance(answers[1], Failed)
    assert "died twice over this audio" in answers[1].reason
    assert (engine.starts, engine.restarts) == (3, 2)


async def test_a_stream_that_kills_every_engine_fails_alone(start):
    engine = start()
    await engine.loaded.wait()
    told = [[] for _ in range(6)]
    streams = [engine.link.open_stream("2pass", (5, 10, 5), said.append) for said in told]
    for number, stream in enumerate(streams):
        first = POISON if number == 3 else GOOD
        stream.feed(np.full(SAMPLES, first, np.int16), 0.0)
    file = asyncio.create_task(engine.recognize(GOOD))
    for stream in streams:
        stream.end(0.0)
    assert texts([await file]) == [str(SAMPLES)]
    for said in told[:3] + told[4:]:
        assert [getattr(each, "text", None) for each in said] == [f"{SAMPLES} samples", None]
    assert "died twice over this audio" in told[3][0].reason
    assert engine.starts <= 6
    assert engine.link.arena.free_samples == engine.link.arena.samples


async def test_an_engine_that_talks_nonsense_is_replaced(start):
    engine = start()
    assert texts([await engine.recognize(BABBLE_ONCE)]) == [str(SAMPLES + BABBLE_ONCE - 1)]
    assert engine.starts == 2


@pytest.fixture
def impatient(monkeypatch):
    """An engine may be silent for a moment only."""
    monkeypatch.setattr(engine_process, "WATCH_S", 0.02)
    monkeypatch.setattr(silence, "SILENT_S", 1.0 - LONGEST_BATCH_S)


@pytest.mark.usefixtures("impatient")
async def test_when_the_engine_hangs_its_work_is_done_by_the_next_and_answered_once(start):
    engine = start()
    work = [engine.recognize(first) for first in (GOOD, HANG_ONCE, GOOD)]
    answers = await asyncio.gather(*work)
    assert texts(answers) == [str(SAMPLES), str(SAMPLES + HANG_ONCE - 1), str(SAMPLES)]
    assert (engine.starts, engine.restarts) == (2, 1)


@pytest.mark.usefixtures("impatient")
async def test_an_item_over_which_the_engine_hangs_twice_fails_alone(start):
    engine = start()
    answers = await asyncio.gather(*[engine.recognize(first) for first in (GOOD, HANG, GOOD)])
    assert texts(answers)[::2] == [str(SAMPLES)] * 2
    assert isinstance(answers[1], Failed)


async def test_an_engine_whose_process_stops_is_replaced_long_before_a_batch_would_be_late(
    start, monkeypatch
):
    monkeypatch.setattr(engine_process, "WATCH_S", 0.02)
    monkeypatch.setattr(silence, "FROZEN_S", 1.0)
    engine = start("beat")
    work = [engine.recognize(first) for first in (GOOD, HANG_ONCE, GOOD)]
    answers = await asyncio.gather(*work)
    assert texts(answers) == [str(SAMPLES), str(SAMPLES + HANG_ONCE - 1), str(SAMPLES)]
    assert (engine.starts, engine.restarts) == (2, 1)


def freeze(seconds):
    """Let nothing of the front run."""
    time.sleep(seconds)


async def test_an_engine_is_not_killed_because_the_front_was_frozen(
    start, eventually, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine_process, "WATCH_S", 0.02)
    monkeypatch.setattr(silence, "SILENT_S", 2.0 - LONGEST_BATCH_S)
    engine = start()
    await engine.loaded.wait()
    held = asyncio.create_task(engine.recognize(HOLD))
    await eventually(lambda: (tmp_path / "item-1").exists())
    freeze(2.5)
    assert engine.link.stalled
    await eventually(lambda: not engine.link.stalled)
    assert (engine.link.connected, engine.starts) == (True, 1)
    held.cancel()
    await asyncio.wait([held])


async def test_a_cancelled_item_is_dropped_and_its_room_is_free(start, eventually, tmp_path):
    engine = start()
    await engine.loaded.wait()
    held = asyncio.create_task(engine.recognize(HOLD))
    await eventually(lambda: (tmp_path / "item-1").exists())
    held.cancel()
    await asyncio.wait([held])
    await eventually(lambda: (tmp_path / "cancel-1").exists())
    assert engine.link.arena.free_samples == engine.link.arena.samples


async def test_audio_without_room_is_refused_at_once(start):
    engine = start()
    await engine.loaded.wait()
    held = asyncio.create_task(engine.recognize(HOLD, 40 * SAMPLES))
    await asyncio.sleep(0)
    assert await engine.link.store(np.zeros(40 * SAMPLES, np.int16)) is None
    held.cancel()
    await asyncio.wait([held])
    assert texts([await engine.recognize(GOOD, 40 * SAMPLES)]) == [str(40 * SAMPLES)]


async def test_a_first_engine_that_cannot_load_ends_the_run_with_its_reason(start):
    with pytest.raises(EngineError, match="no model here: put one there"):
        await start("fail").task


async def test_a_first_engine_that_vanishes_ends_the_run_too(start):
    with pytest.raises(EngineError, match="ended before its models were loaded"):
        await start("vanish").task


async def test_a_first_engine_that_hangs_while_it_loads_ends_the_run_with_what_to_look_at(
    start, monkeypatch
):
    monkeypatch.setattr(engine_process, "LOAD_S", 0.5)
    monkeypatch.setattr(engine_process, "EXIT_S", 0.1)
    with pytest.raises(EngineError, match=r"not loaded within .*: the device or the volume"):
        await start("load").task


@pytest.fixture
async def spared(monkeypatch):
    """The processes that were to be killed, and were not, as if they waited for a device."""
    spared = set()
    with monkeypatch.context() as patch:
        patch.setattr(engine_process, "EXIT_S", 0.1)
        patch.setattr(engine_process, "KILLED_S", 0.2)
        patch.setattr(asyncio.subprocess.Process, "kill", lambda each: spared.add(each))
        yield spared
    for process in spared:
        process.kill()
        await process.wait()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("mode", "first"), [("deaf", GOOD), ("serve", HANG_ONCE)])
async def test_an_engine_that_cannot_be_killed_is_left_and_replaced(
    start, spared, caplog, mode, first
):
    engine = start(mode)
    assert texts([await engine.recognize(first)]) == [str(SAMPLES + first - 1)]
    assert engine.starts == 2
    assert "cannot be killed" in caplog.text
    assert len(spared) == 1


async def test_the_run_can_be_ended_while_the_engine_hangs_and_much_waits_for_it(
    start, monkeypatch
):
    monkeypatch.setattr(engine_process, "EXIT_S", 0.1)
    engine = start()
    await engine.loaded.wait()
    os.kill(engine.pid, signal.SIGSTOP)
    for _ in range(10_000):
        engine.link.configure(engine.link.limits, engine.link.shedding)
    engine.task.cancel()
    ended, _ = await asyncio.wait([engine.task], timeout=30.0)
    assert ended


async def test_an_engine_that_cannot_be_had_again_fails_what_waits_and_ends_the_run(start):
    engine = start("once")
    answers = await asyncio.gather(engine.recognize(POISON), engine.recognize(GOOD))
    assert all("no model here" in text for text in texts(answers))
    with pytest.raises(EngineError):
        await engine.task
    assert engine.starts == 1 + engine_process.MAX_FAILED_STARTS
    assert "no model here" in texts([await engine.recognize(GOOD)])[0]
    assert engine.link.arena.free_samples == engine.link.arena.samples


async def test_the_end_of_the_run_is_the_end_of_the_engine(start, eventually):
    engine = start()
    await engine.loaded.wait()
    pid = engine.pid
    await engine.stop()
    await eventually(lambda: not Path(f"/proc/{pid}").exists())
