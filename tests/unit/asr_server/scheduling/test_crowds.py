"""No cliff: what those have who are in, and who is let in, in virtual time (crowds.py)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_server.scheduling.capacity import Capacity
from tests.unit.asr_server.scheduling.crowds import CORES, Server

HOLDS = 280  # streams at a time that have all in time, on idle cores
MOST_LATE_S = 2.0
NEIGHBOUR = 0.3  # of the cores


def tried(cores=CORES, busy=(), seed=1):
    """Return a server that has met its limit, as it is after a search for it."""
    server = Server(cores, busy, seed=seed)
    holds = HOLDS * cores / CORES
    for number, share in enumerate((0.25, 0.5, 0.9, 1.8, 1.1)):
        server.expect_crowd(round(share * holds), at=25.0 * number)
    server.run(125.0)
    return server, 125.0, round(2 * holds)


@pytest.mark.parametrize(
    "cores", [CORES, 0.7 * CORES, 0.25 * CORES, pytest.param(10 * CORES, marks=pytest.mark.slow)]
)
def test_a_crowd_of_twice_what_holds_is_in_time_and_let_in_and_so_is_the_next(cores):
    server, start, crowd = tried(cores)
    for number in range(3):
        at = start + 30.0 * number
        clients = server.expect_crowd(crowd, at)
        server.run(at + 30.0)
        assert server.p95_s(at, at + 30.0) <= 0.5
        assert all(client.waited_s is not None for client in clients)


@pytest.mark.parametrize("begins_s", [0.0, 3.0, 8.0, 15.0])
def test_a_busy_neighbour_makes_no_cliff(begins_s):
    begins = 125.0 + begins_s
    server, start, crowd = tried(busy=((begins, begins + 10.0, NEIGHBOUR),))
    for at in (start, start + 35.0):
        server.expect_crowd(crowd, at)
        server.run(at + 35.0)
        assert server.p95_s(at, at + 35.0) <= MOST_LATE_S


def test_a_new_server_is_in_time_while_it_learns():
    server = Server()
    server.expect_crowd(2 * HOLDS, at=0.0)
    server.run(40.0)
    assert server.p95_s(0.0, 40.0) <= 0.5
    waited = [each.waited_s for each in server.clients if each.waited_s is not None]
    assert len(waited) >= 0.9 * 2 * HOLDS
    server.expect_crowd(2 * HOLDS, at=40.0)
    server.run(80.0)
    assert server.p95_s(40.0, 80.0) <= 0.5


@pytest.mark.parametrize("size", [64, 128, 250])
def test_a_crowd_that_is_carried_is_let_in_within_seconds_once_half_of_it_was_carried(size):
    server = Server(capacity=Capacity(max(64.0, 1.5 * size / 2)))
    clients = server.expect_crowd(size, at=0.0)
    server.run(10.0)
    assert max(client.waited_s for client in clients) <= 4.0


@pytest.mark.parametrize(
    "stays_s",
    [pytest.param(12.0, marks=pytest.mark.slow), pytest.param(60.0, marks=pytest.mark.slow), 600.0],
)
def test_twice_the_load_for_minutes_neither_swings_nor_is_late(stays_s):
    """A neighbour comes after 200 s and goes."""
    server = Server(busy=((200.0, 210.0, NEIGHBOUR),))
    at = 0.0
    while at < 300.0:
        at += server.draw.expovariate(2 * HOLDS / stays_s)
        server.expect(at, stays_s * server.draw.uniform(0.7, 1.3), patience_s=300.0)
    if stays_s == 600.0:  # they would fill the server too late to be of interest
        for _ in range(HOLDS):
            server.expect(server.draw.uniform(0.0, 120.0), stays_s, patience_s=300.0)
    server.run(300.0)
    assert server.p95_s(30.0, 300.0) <= MOST_LATE_S
    settled = server.streams(150.0, 200.0)
    assert min(settled) >= 0.7 * HOLDS
    assert max(settled) <= 1.5 * HOLDS
    assert min(settled) >= 0.75 * max(settled)
    assert min(server.streams(225.0, 300.0)) >= 0.6 * HOLDS


def test_a_machine_that_gives_less_from_now_on_is_understood():
    server = Server(busy=((60.0, 1e9, 0.4),))
    at = 0.0
    while at < 150.0:
        at += server.draw.expovariate(2 * HOLDS / 12.0)
        server.expect(at, 12.0 * server.draw.uniform(0.7, 1.3), patience_s=60.0)
    server.run(150.0)
    assert server.p95_s(65.0, 150.0) <= MOST_LATE_S
    assert server.p95_s(100.0, 150.0) <= 0.5
    settled = server.streams(100.0, 150.0)
    assert min(settled) >= 0.75 * max(settled)


def test_a_server_that_is_empty_again_refuses_nobody():
    """It was overloaded again and again, and each time those who spoke left."""
    server, start, crowd = tried()
    for number in range(3):
        server.expect_crowd(crowd, start + 25.0 * number, stays_s=8.0, patience_s=5.0)
    at = start + 85.0
    server.run(at)
    clients = server.expect_crowd(HOLDS // 2, at)
    server.run(at + 10.0)
    assert max(client.waited_s for client in clients) <= 0.5


@pytest.mark.slow
def test_a_server_that_stood_long_in_an_overload_is_not_filled_as_before():
    """Half of the machine goes; who speaks half a minute keeps it late for as long."""
    server, at = Server(busy=((60.0, 1e9, 0.5),)), 0.0
    while at < 200.0:
        at += server.draw.expovariate(2 * HOLDS / 30.0)
        server.expect(at, 30.0 * server.draw.uniform(0.7, 1.3), patience_s=60.0)
    server.run(200.0)
    assert server.p95_s(110.0, 200.0) <= MOST_LATE_S


@pytest.mark.parametrize("few", [1, 3, 20])
def test_a_machine_that_stands_still_for_a_moment_beside_a_few_says_little(few):
    server, start, _ = tried(busy=((150.0, 153.0, 1.0),))
    server.expect_crowd(few, start, stays_s=35.0)
    server.run(170.0)
    clients = server.expect_crowd(HOLDS // 2, at=170.0)
    server.run(190.0)
    assert all(client.waited_s is not None for client in clients)


@settings(max_examples=6, deadline=None)
@given(
    st.integers(1, 1000),
    st.floats(0.4, 2.0),
    st.lists(
        st.tuples(st.floats(0.0, 40.0), st.floats(1.0, 15.0), st.floats(0.0, 0.3)), max_size=3
    ),
)
def test_whoever_knocks_for_a_minute_is_let_in(seed, cores, others):
    busy = tuple((begins, begins + lasts, share) for begins, lasts, share in others)
    server = Server(cores, busy, seed=seed)
    clients = server.expect_crowd(round(2 * HOLDS * cores / CORES), 0.0, patience_s=60.0)
    server.run(80.0)
    assert all(client.waited_s is not None for client in clients)
    assert server.p95_s(0.0, 80.0) <= 2 * MOST_LATE_S
