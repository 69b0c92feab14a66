"""The selector that reads many sockets of live audio at a time: who waits, and for how long."""

import selectors
import socket
import time

import pytest

from asr_server.service.gathering import SEVERAL, Gathering

LONG_S, SHORT_S = 30.0, 0.05


class Pair:
    """A socket in the selector, and the one that makes it ready."""

    def __init__(self, selector, *, patient):
        self.inner, self.outer = socket.socketpair()
        selector.register(self.inner, selectors.EVENT_READ, self)
        selector.set_patient(self.inner.fileno(), patient=patient)

    def wake(self):
        self.outer.send(b".")

    def close(self):
        self.inner.close()
        self.outer.close()


class Stage:
    """A selector with sockets."""

    def __init__(self, gather_s):
        self.selector = Gathering(gather_s)
        self.pairs = []

    def pair(self, *, patient=True):
        self.pairs.append(Pair(self.selector, patient=patient))
        return self.pairs[-1]

    def look(self, timeout=LONG_S):
        """Return which sockets were ready, without what was sent, and how long it took."""
        began_at = time.monotonic()
        found = [key.data for key, _ in self.selector.select(timeout)]
        for pair in found:
            pair.inner.recv(100)
        return found, time.monotonic() - began_at

    def find_several(self):
        """Have the selector see that audio comes often."""
        for _ in range(SEVERAL):
            self.pair().wake()
        assert len(self.look()[0]) == SEVERAL


@pytest.fixture
def build():
    stages = []

    def build_stage(gather_s):
        stages.append(Stage(gather_s))
        return stages[-1]

    yield build_stage
    for stage in stages:
        stage.selector.close()
        for pair in stage.pairs:
            pair.close()


def test_a_socket_is_found_at_once_while_audio_comes_seldom(build):
    stage = build(LONG_S)
    pair = stage.pair()
    for _ in range(3):
        pair.wake()
        found, took_s = stage.look()
        assert found == [pair]
        assert took_s < LONG_S / 2


def test_sockets_that_may_wait_are_read_together_once_several_were(build):
    stage = build(SHORT_S)
    stage.find_several()
    pair = stage.pair()
    pair.wake()
    found, took_s = stage.look()
    assert found == [pair]
    assert took_s >= SHORT_S / 2
    pair.wake()  # alone: audio does not come often any more
    assert stage.look()[0] == [pair]


def test_what_may_not_wait_is_found_at_once_with_all_that_is_ready(build):
    stage = build(LONG_S)
    stage.find_several()
    patient, urgent = stage.pair(), stage.pair(patient=False)
    patient.wake()
    urgent.wake()
    found, took_s = stage.look()
    assert set(found) == {patient, urgent}
    assert took_s < LONG_S / 2


def test_they_wait_on_after_what_may_not_wait(build):
    stage = build(LONG_S)
    stage.find_several()
    patient, urgent = stage.pair(), stage.pair(patient=False)
    urgent.wake()
    assert stage.look()[0] == [urgent]
    patient.wake()
    found, took_s = stage.look(SHORT_S)
    assert found == [patient]
    assert took_s >= SHORT_S / 2


def test_a_timer_is_not_late_and_what_came_meanwhile_is_found_with_it(build):
    stage = build(LONG_S)
    stage.find_several()
    pair = stage.pair()
    pair.wake()
    found, took_s = stage.look(SHORT_S)
    assert found == [pair]
    assert took_s < LONG_S / 2


def test_a_turn_with_work_left_does_not_wait(build):
    stage = build(LONG_S)
    stage.find_several()
    assert stage.look(0) == ([], pytest.approx(0, abs=LONG_S / 2))


def test_after_a_wait_for_nothing_the_next_look_is_as_long_as_asked(build):
    stage = build(0.001)
    stage.find_several()
    assert stage.look()[0] == []
    pair = stage.pair(patient=False)
    pair.wake()
    assert stage.look()[0] == [pair]


@pytest.mark.parametrize("change", ["no more patient", "registered anew"])
def test_a_socket_is_urgent_again(build, change):
    stage = build(LONG_S)
    stage.find_several()
    pair = stage.pair()
    if change == "registered anew":
        stage.selector.unregister(pair.inner)
        stage.selector.register(pair.inner, selectors.EVENT_READ, pair)
    else:
        stage.selector.set_patient(pair.inner.fileno(), patient=False)
    pair.wake()
    found, took_s = stage.look()
    assert found == [pair]
    assert took_s < LONG_S / 2


@pytest.mark.parametrize("patient", [False, True])
def test_other_events_of_a_socket_are_looked_for_as_well(build, patient):
    stage = build(SHORT_S)
    pair = stage.pair(patient=patient)
    stage.find_several()
    stage.selector.modify(pair.inner, selectors.EVENT_READ | selectors.EVENT_WRITE, pair)
    (key, events), *_ = stage.selector.select(LONG_S)
    assert (key.data, events) == (pair, selectors.EVENT_WRITE)


def test_a_socket_that_is_not_there_cannot_wait(build):
    stage = build(LONG_S)
    pair = stage.pair()
    fd = pair.inner.fileno()
    stage.selector.unregister(pair.inner)
    stage.selector.set_patient(fd, patient=True)
    stage.selector.set_patient(fd, patient=False)
    with pytest.raises(KeyError):
        stage.selector.get_key(fd)
