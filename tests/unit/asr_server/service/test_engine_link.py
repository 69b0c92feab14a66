"""What the link remembers of its engine."""

import asyncio

import numpy as np
import pytest

from asr_server.link.arena import Arena
from asr_server.link.messages import Alive, BatchLimits, Overload
from asr_server.service.engine_link import PIECE_SAMPLES, EngineLink
from asr_server.service.silence import FROZEN_S


@pytest.fixture
def reports():
    return []


@pytest.fixture
def link(reports):
    arena = Arena.create(8 * PIECE_SAMPLES)
    yield EngineLink(arena, BatchLimits(16, 120.0, 20.0), reports.append)
    arena.close()


def test_the_step_of_an_engine_is_known_until_it_dies(link, reports):
    link.handle(Overload(4, partials=3))
    assert link.shedding_step == 4
    link.disconnect()
    assert link.shedding_step == 0
    assert reports == [Overload(4, partials=3), Overload(0)]


class Channel:
    """Takes what is sent to an engine that says nothing."""

    def send(self, message):
        self.send_all([message])

    def send_all(self, batch):
        for _ in batch:
            pass


@pytest.mark.looptime
@pytest.mark.parametrize(("hangs_up", "stalled"), [(True, False), (False, True)])
async def test_an_engine_that_owes_nothing_is_not_stalled(link, hangs_up, stalled):
    link.connect(Channel())
    stream = link.open_stream("2pass", (5, 10, 5), lambda _: None)
    stream.feed(np.ones(960, np.int16), 0.0)
    if hangs_up:
        stream.cancel()
    await asyncio.sleep(1000)
    assert link.stalled is stalled


@pytest.mark.looptime
async def test_an_engine_whose_process_says_no_more_that_it_runs_is_stalled(link):
    link.connect(Channel())
    await asyncio.sleep(1000)
    assert not link.stalled  # it has never said so
    link.handle(Alive())
    await asyncio.sleep(FROZEN_S - 1)
    assert not link.stalled
    await asyncio.sleep(2)
    assert link.stalled
    link.give_time(5)
    assert not link.stalled
    await asyncio.sleep(5)
    assert link.stalled
    link.handle(Alive())
    assert not link.stalled
    await asyncio.sleep(FROZEN_S + 1)
    link.disconnect()
    assert not link.stalled
    link.connect(Channel())
    assert not link.stalled


@pytest.mark.looptime
async def test_that_its_process_runs_excuses_no_batch_that_does_not_end(link):
    link.connect(Channel())
    link.open_stream("2pass", (5, 10, 5), lambda _: None).feed(np.ones(960, np.int16), 0.0)
    for _ in range(200):
        link.handle(Alive())
        await asyncio.sleep(1)
    assert link.stalled


async def test_long_audio_comes_and_goes_in_pieces_between_which_the_loop_turns(link):
    turns = 0

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    stored = await link.store(np.ones(4 * PIECE_SAMPLES, dtype=np.int16))
    assert stored is not None
    assert turns >= 4
    answer = asyncio.create_task(link.recognize(stored, "file", 0.0, 1.0))
    await asyncio.sleep(0)
    link.fail_all("it ends")
    assert (await answer).reason == "it ends"
    assert link.arena.free_samples < link.arena.samples
    for _ in range(4):
        await asyncio.sleep(0)
    assert link.arena.free_samples == link.arena.samples
    counting.cancel()


async def test_those_who_store_take_turns(link):
    order = []

    async def store(name, pieces):
        await link.store(np.ones(pieces * PIECE_SAMPLES, dtype=np.int16))
        order.append(name)

    await asyncio.gather(store("long", 5), store("short", 1))
    assert order == ["short", "long"]
