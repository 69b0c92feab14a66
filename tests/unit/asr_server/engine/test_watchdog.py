import queue
import time

import pytest

from asr_server.engine import crew, watchdog
from tests.unit.asr_server.engine.test_crew import begin, make_stage


@pytest.fixture
def ended():
    return []


@pytest.fixture
def dog(clock, ended):
    return watchdog.Watchdog(clock, ended.append)


@pytest.mark.parametrize(("audio_s", "after_s"), [(0.0, 60.0), (120.0, 180.0)])
def test_a_batch_may_take_a_minute_and_the_length_of_its_audio(dog, clock, ended, audio_s, after_s):
    with dog.watch("a batch of 1 for asr", audio_s):
        clock.now += after_s
        dog.check()
        assert ended == []
        clock.now += 0.1
        dog.check()
        assert ended == [watchdog.HUNG_STATUS]


def test_the_time_in_which_all_was_frozen_does_not_count(dog, clock, ended):
    dog.check()
    with dog.watch("a batch of 1 for asr", 0.0):
        clock.now += 1000.0
        for _ in range(59):
            dog.check()
            clock.now += watchdog.CHECK_S
        assert ended == []
        for _ in range(3):
            dog.check()
            clock.now += watchdog.CHECK_S
    assert watchdog.HUNG_STATUS in ended


def test_a_batch_that_has_ended_is_not_waited_for(dog, clock, ended):
    with pytest.raises(ValueError, match="poison"), dog.watch("a batch of 1 for asr", 1.0):
        raise ValueError("poison")
    clock.now += 1000.0
    dog.check()
    assert ended == []


def test_batches_are_watched_while_they_are_computed(device, clock, dog, ended, caplog):
    def hang(inputs):
        clock.now += 100.0
        dog.check()
        return inputs

    workers = crew.Crew(device, clock, watchdog=dog)
    workers.begin(begin(make_stage(hang), 1, 2)[0])
    assert ended == [watchdog.HUNG_STATUS]
    assert caplog.messages == ["a batch of 2 for asr has not ended in 100 s: the engine ends"]


def test_a_hang_ends_the_process(monkeypatch):
    monkeypatch.setattr(watchdog, "CHECK_S", 0.01)
    monkeypatch.setattr(watchdog, "MOST_S", 0.02)
    statuses = queue.Queue()
    dog = watchdog.Watchdog(time.monotonic, statuses.put)
    dog.start()
    with dog.watch("a batch of 1 for asr", 0.0):
        assert statuses.get(timeout=30.0) == watchdog.HUNG_STATUS


def test_it_says_that_the_process_runs_for_as_long_as_it_does(monkeypatch):
    monkeypatch.setattr(watchdog, "CHECK_S", 0.01)
    beats = queue.Queue()
    watchdog.Watchdog(time.monotonic, beat=lambda: beats.put("alive")).start()
    assert [beats.get(timeout=30) for _ in range(3)] == ["alive"] * 3
