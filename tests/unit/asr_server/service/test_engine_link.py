"""What the link remembers of its engine."""

import pytest

from asr_server.link.arena import Arena
from asr_server.link.messages import BatchLimits, Overload
from asr_server.service.engine_link import EngineLink


@pytest.fixture
def reports():
    return []


@pytest.fixture
def link(reports):
    arena = Arena.create(32_000)
    yield EngineLink(arena, BatchLimits(16, 120.0, 20.0), reports.append)
    arena.close()


def test_the_step_of_an_engine_is_known_until_it_dies(link, reports):
    link.handle(Overload(4, partials=3))
    assert link.shedding_step == 4
    link.disconnect()
    assert link.shedding_step == 0
    assert reports == [Overload(4, partials=3), Overload(0)]
