"""For how many more streams there is room: late engine, late front, as many as are carried."""

import math
from types import SimpleNamespace

import pytest

from asr_server.metrics import Metrics
from asr_server.scheduling.capacity import FEW_STREAMS
from asr_server.service.pressure import Pressure

LOOK_S = 0.25


class Place:
    """A pressure, and a link whose figures the test says."""

    def __init__(self, streams=0):
        self.link = SimpleNamespace(
            connected=True,
            shedding=SimpleNamespace(late_ms=100.0),
            shedding_step=0,
            streams=SimpleNamespace(open_streams=streams),
        )
        self.metrics = Metrics()
        self.pressure = Pressure(self.link, self.metrics.server)
        self.now = 0.0

    def look(self, seconds, lag_s=0.0):
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            self.pressure.look(lag_s, self.now)
        return self.pressure.find_room()

    def limit(self):
        return self.metrics.registry.get_sample_value("asr_stream_limit")


@pytest.mark.parametrize(
    ("step", "late_ms", "lags", "room"),
    [
        (0, 100.0, [0.0], FEW_STREAMS - 10),
        (1, 100.0, [0.0], FEW_STREAMS - 10),
        (3, 100.0, [0.0], FEW_STREAMS / 2 - 10),
        (4, 100.0, [0.0], 0),
        (0, 100.0, [0.3], FEW_STREAMS - 10),  # once is no load
        (0, 100.0, [0.3, 0.3], 0),
        (0, 100.0, [0.3, 0.3, 0.1], FEW_STREAMS - 10),
        (4, 0.0, [0.3, 0.3], math.inf),  # who does not want it
    ],
)
def test_nobody_is_let_in_while_those_who_are_in_are_late(step, late_ms, lags, room):
    place = Place(streams=10)
    place.link.shedding_step, place.link.shedding.late_ms = step, late_ms
    for lag_s in lags:
        place.look(LOOK_S, lag_s)
    assert place.pressure.find_room() == room


def test_what_is_carried_makes_room_and_an_overload_takes_it():
    place = Place(streams=60)
    assert place.limit() == FEW_STREAMS
    assert place.look(4.0) == 30
    assert place.limit() == 90
    place.link.streams.open_streams = 90
    place.link.shedding_step = 4
    place.look(2.0)
    place.link.shedding_step = 0
    assert place.look(LOOK_S) == 72 - 90
    place.link.streams.open_streams = 50
    assert place.pressure.find_room() == 22
    place.link.shedding.late_ms = 0.0  # who does not want it any more
    assert place.pressure.find_room() == place.limit() == math.inf


def test_an_engine_that_is_gone_teaches_nothing():
    place = Place(streams=60)
    place.link.connected, place.link.shedding_step = False, 4
    place.look(10.0)
    place.link.connected, place.link.shedding_step = True, 0
    place.look(1.0)
    assert place.limit() == FEW_STREAMS


def test_where_nothing_is_shed_nothing_is_proved():
    place = Place(streams=400)
    place.link.shedding.late_ms = 0.0
    place.look(10.0)
    place.link.shedding.late_ms = 100.0
    place.look(1.0)
    assert place.limit() == FEW_STREAMS
    place.look(4.0)
    assert place.limit() == 600
