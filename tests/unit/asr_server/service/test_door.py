"""Who waits at the door, for how long, and in which order they come in."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Gauge

from asr_server.service import door as doors

pytestmark = pytest.mark.looptime


class Guest:
    """Somebody who stays until the test has it hang up."""

    def __init__(self):
        self.hung_up = asyncio.Event()

    async def wait_closed(self):
        await self.hung_up.wait()


class House:
    """A door, with as many places as the test says; who entered has one at once, or later."""

    def __init__(self, places, counts_late_s=0.0):
        self.places = places
        self.inside = 0
        self.counts_late_s = counts_late_s
        self.registry = CollectorRegistry()
        waiting = Gauge("waiting", "Newcomers.", registry=self.registry)
        self.door = doors.Door(lambda: self.places - self.inside, waiting)
        self.entered = []

    async def visit(self, name, guest=None):
        guest = guest or Guest()
        if not await self.door.enter(guest):
            return False
        self.entered.append((name, asyncio.get_running_loop().time()))
        asyncio.get_running_loop().call_later(self.counts_late_s, self._count, guest)
        return True

    def _count(self, guest):
        self.inside += 1
        self.door.forget(guest)

    async def watch(self):
        while True:
            await asyncio.sleep(0.25)
            self.door.let_in()

    @property
    def waiting(self):
        return self.registry.get_sample_value("waiting")


async def visit_all(house, names, apart_s=0.0):
    """Let visitors come one after the other; return who was let in, when all are through."""
    watching = asyncio.create_task(house.watch())
    visits = []
    for name in names:
        visits.append(asyncio.create_task(house.visit(name)))
        await asyncio.sleep(apart_s)
    outcomes = await asyncio.gather(*visits)
    watching.cancel()
    return [name for name, entered in zip(names, outcomes, strict=True) if entered]


async def test_where_there_is_room_nobody_waits():
    house = House(places=float("inf"))
    assert await visit_all(house, range(500)) == list(range(500))
    assert asyncio.get_running_loop().time() == 0.0


@pytest.mark.parametrize("counts_late_s", [0.0, 0.3, doors.NEW_S])
async def test_a_crowd_does_not_get_more_places_than_there_are(counts_late_s):
    house = House(places=10, counts_late_s=counts_late_s)
    assert await visit_all(house, range(40), apart_s=0.01) == list(range(10))
    assert house.inside == 10
    assert asyncio.get_running_loop().time() == pytest.approx(0.4 + doors.WAIT_S, abs=0.1)


async def test_a_place_that_becomes_free_is_for_who_waits_longest():
    house = House(places=1)
    asyncio.get_running_loop().call_later(1.1, lambda: setattr(house, "places", 3))
    assert await visit_all(house, "abcd", apart_s=0.5) == ["a", "b", "c"]
    assert house.entered == [("a", 0.0), ("b", 1.25), ("c", 1.25)]


async def test_who_comes_later_does_not_pass_who_waits():
    house = House(places=0)
    first = asyncio.create_task(house.visit("first"))
    await asyncio.sleep(1.0)
    house.places = 1
    second = asyncio.create_task(house.visit("second"))
    await asyncio.sleep(0)
    assert house.waiting == 2
    house.door.let_in()
    assert await first
    assert not await second
    assert house.waiting == 0


async def test_time_that_is_up_takes_no_place():
    house = House(places=0)
    visits = [asyncio.create_task(house.visit(number)) for number in range(3)]
    await asyncio.sleep(doors.WAIT_S)
    house.places = 1
    house.door.let_in()  # in the turn in which the time is up
    assert sum(await asyncio.gather(*visits)) <= 1
    assert await house.visit("late") or house.entered


async def test_who_hangs_up_is_forgotten():
    house = House(places=0)
    visit = asyncio.create_task(house.visit("a"))
    await asyncio.sleep(0)
    visit.cancel()
    await asyncio.sleep(0)
    house.places = 1
    assert house.waiting == 0
    assert await house.visit("b")


async def test_who_hangs_up_while_it_waits_takes_no_place():
    house, guest = House(places=0), Guest()
    visits = [asyncio.create_task(house.visit("a", guest)), asyncio.create_task(house.visit("b"))]
    await asyncio.sleep(0.5)
    guest.hung_up.set()
    assert not await visits[0]
    assert asyncio.get_running_loop().time() == 0.5
    house.places = 1
    house.door.let_in()
    assert await visits[1]
    assert house.waiting == 0


async def test_short_visits_one_after_the_other_have_all_places_all_the_time():
    """Who has begun, or is gone, is not expected any more."""
    house = House(places=4)

    async def stay(guest, seconds):
        if not await house.visit(guest, guest):
            return False
        await asyncio.sleep(seconds)
        house.inside -= 1
        house.door.let_in()
        return True

    stays = [asyncio.create_task(stay(Guest(), 0.5)) for _ in range(28)]
    assert all(await asyncio.gather(*stays))
    assert asyncio.get_running_loop().time() == pytest.approx(3.5)


async def test_a_closed_door_keeps_nobody_waiting():
    house = House(places=0)
    visits = [asyncio.create_task(house.visit(number)) for number in range(3)]
    await asyncio.sleep(0)
    house.door.close()
    assert await asyncio.gather(*visits) == [False] * 3
    assert asyncio.get_running_loop().time() == 0.0


async def test_only_so_many_wait():
    house = House(places=0)
    for _ in range(doors.MOST_WAITING):
        house.visits = asyncio.create_task(house.visit(0))
    await asyncio.sleep(0)
    assert not await house.visit("one too many")
    assert asyncio.get_running_loop().time() == 0.0
    house.door.close()
