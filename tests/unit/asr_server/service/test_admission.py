"""Who is let in, who is refused, and that both are counted."""

import contextlib

import pytest
from prometheus_client import CollectorRegistry

from asr_server.metrics import SessionMetrics
from asr_server.service.admission import ADDRESS, DRAINING, FULL, LOADING, OVERLOADED, Admission


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def admission(registry):
    admission = Admission(SessionMetrics(registry), 3, 2)
    admission.closed = None
    return admission


@pytest.mark.parametrize(
    ("inside", "address", "refusal"),
    [
        ([], "a", None),
        (["a"], "a", None),
        (["a", "a"], "a", ADDRESS),
        (["a", "a"], "b", None),
        (["a", "a", "b"], "b", FULL),
        (["a", "a", "b"], "c", FULL),
    ],
)
def test_places_are_limited_in_all_and_per_address(admission, inside, address, refusal):
    with contextlib.ExitStack() as stack:
        for other in inside:
            stack.enter_context(admission.count(other))
        assert admission.refuse(address) is refusal
    assert (admission.sessions, admission.refuse("a")) == (0, None)


@pytest.mark.parametrize("closed", [LOADING, DRAINING])
def test_a_closed_server_refuses_everyone_and_counts_why(admission, registry, closed):
    admission.closed = closed
    assert admission.refuse("a") is closed
    labels = {"reason": closed.reason}
    assert registry.get_sample_value("asr_refused_sessions_total", labels) == 1


def test_no_limit_per_address_is_the_default_of_zero(registry):
    admission = Admission(SessionMetrics(registry), 3, 0)
    admission.closed = None
    with admission.count("a"), admission.count("a"):
        assert admission.refuse("a") is None


class Doorstep:
    """A door behind which there is room or not, or at which something happens meanwhile."""

    def __init__(self, *, room, meanwhile=lambda: None):
        self.room = room
        self.meanwhile = meanwhile
        self.closed = 0

    async def enter(self):
        self.meanwhile()
        return self.room

    def close(self):
        self.closed += 1


def stand_before(registry, door, max_sessions=1):
    admission = Admission(SessionMetrics(registry), max_sessions, 0, door)
    admission.closed = None
    return admission


@pytest.mark.parametrize(("room", "refusal"), [(True, None), (False, OVERLOADED)])
async def test_who_does_not_get_through_the_door_is_refused(registry, room, refusal):
    admission = stand_before(registry, Doorstep(room=room))
    assert await admission.admit("a") is refusal
    labels = {"reason": "overloaded"}
    assert registry.get_sample_value("asr_refused_sessions_total", labels) == (not room)


async def test_nobody_waits_for_a_place_that_is_not_there(registry):
    admission = stand_before(registry, Doorstep(room=True, meanwhile=pytest.fail))
    with admission.count("a"):
        assert await admission.admit("a") is FULL


@pytest.mark.parametrize("room", [True, False])
async def test_what_happened_while_one_waited_counts(registry, room):
    door = Doorstep(room=room, meanwhile=lambda: admission.close(DRAINING))
    admission = stand_before(registry, door)
    assert await admission.admit("a") is DRAINING
    assert door.closed == 1
    assert registry.get_sample_value("asr_refused_sessions_total", {"reason": "draining"}) == 1
    assert registry.get_sample_value("asr_refused_sessions_total", {"reason": "overloaded"}) == 0


def test_a_lowered_limit_keeps_those_who_are_in(admission, registry):
    with admission.count("a"), admission.count("b"):
        admission.limit(1)
        assert (admission.sessions, admission.refuse("c")) == (2, FULL)
        assert admission.used_ratio() == 2.0
    assert admission.refuse("c") is None
    assert registry.get_sample_value("asr_session_limit") == 1


def test_a_new_server_is_closed_until_its_models_are_loaded(registry):
    assert Admission(SessionMetrics(registry), 1, 0).refuse("a") is LOADING
