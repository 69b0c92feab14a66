"""Who is let in, who is refused, and that both are counted."""

import asyncio
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
            stack.enter_context(admission.count(other, object()))
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
    with admission.count("a", 1), admission.count("a", 2):
        assert admission.refuse("a") is None


class Doorstep:
    """A door behind which there is room or not, or at which something happens meanwhile."""

    def __init__(self, *, room, meanwhile=lambda: None):
        self.room = room
        self.meanwhile = meanwhile
        self.closed = 0
        self.forgotten = []

    async def enter(self, guest):
        self.meanwhile()
        return self.room

    def forget(self, guest):
        self.forgotten.append(guest)

    def let_in(self):
        assert self.forgotten

    def close(self):
        self.closed += 1


class Queue(Doorstep):
    """A door at which all wait until they are called."""

    def __init__(self):
        super().__init__(room=True)
        self.calls = asyncio.Event()

    async def enter(self, guest):
        await self.calls.wait()
        return True


def stand_before(registry, door, max_sessions=1, per_address=0):
    admission = Admission(SessionMetrics(registry), max_sessions, per_address, door)
    admission.closed = None
    return admission


@pytest.mark.parametrize(("room", "refusal"), [(True, None), (False, OVERLOADED)])
async def test_who_does_not_get_through_the_door_is_refused(registry, room, refusal):
    admission = stand_before(registry, Doorstep(room=room))
    assert await admission.admit("a", 2) is refusal
    labels = {"reason": "overloaded"}
    assert registry.get_sample_value("asr_refused_sessions_total", labels) == (not room)


async def test_nobody_waits_for_a_place_that_is_not_there(registry):
    admission = stand_before(registry, Doorstep(room=True, meanwhile=pytest.fail))
    with admission.count("a", 1):
        assert await admission.admit("a", 2) is FULL


@pytest.mark.parametrize(
    ("knocks", "outcomes"),
    [
        ("aaab", [None, None, ADDRESS, None]),
        ("aabbcd", [None, None, None, None, FULL, FULL]),
    ],
)
async def test_no_more_wait_than_there_are_places(registry, knocks, outcomes):
    door = Queue()
    admission = stand_before(registry, door, max_sessions=4, per_address=2)
    waiting = [asyncio.create_task(admission.admit(knock, 1)) for knock in knocks]
    await asyncio.sleep(0)
    assert [each.done() for each in waiting] == [each is not None for each in outcomes]
    door.calls.set()
    assert await asyncio.gather(*waiting) == outcomes
    assert await admission.admit("a", 1) is None  # nobody waits any more


async def test_who_is_refused_behind_the_door_or_leaves_takes_no_place_of_it(registry):
    door = Doorstep(room=True, meanwhile=lambda: admission.limit(0))
    admission = stand_before(registry, door)
    assert await admission.admit("a", "guest") is FULL
    assert door.forgotten == ["guest"]
    with admission.count("a", "inside"):
        admission.note_input("inside")
        assert door.forgotten == ["guest", "inside"]
    assert door.forgotten == ["guest", "inside", "inside"]


@pytest.mark.parametrize("room", [True, False])
async def test_what_happened_while_one_waited_counts(registry, room):
    door = Doorstep(room=room, meanwhile=lambda: admission.close(DRAINING))
    admission = stand_before(registry, door)
    assert await admission.admit("a", 2) is DRAINING
    assert door.closed == 1
    assert registry.get_sample_value("asr_refused_sessions_total", {"reason": "draining"}) == 1
    assert registry.get_sample_value("asr_refused_sessions_total", {"reason": "overloaded"}) == 0


def test_a_lowered_limit_keeps_those_who_are_in(admission, registry):
    with admission.count("a", 1), admission.count("b", 2):
        admission.limit(1)
        assert (admission.sessions, admission.refuse("c")) == (2, FULL)
        assert admission.used_ratio() == 2.0
    assert admission.refuse("c") is None
    assert registry.get_sample_value("asr_session_limit") == 1


def test_a_new_server_is_closed_until_its_models_are_loaded(registry):
    assert Admission(SessionMetrics(registry), 1, 0).refuse("a") is LOADING
