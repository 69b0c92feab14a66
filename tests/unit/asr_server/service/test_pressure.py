"""When new sessions are refused: late engine, late front, or as many streams as are carried."""

from types import SimpleNamespace

import pytest

from asr_server.metrics import Metrics
from asr_server.service.pressure import Pressure
from asr_server.service.progress import Progress

LOOK_S = 0.25


class Place:
    """A pressure, and a link whose figures the test says."""

    def __init__(self, streams=0):
        self.progress = Progress(streams, streams, 0.0, 0.0)
        self.link = SimpleNamespace(
            connected=True,
            shedding=SimpleNamespace(late_ms=100.0),
            shedding_step=0,
            streams=SimpleNamespace(open_streams=streams, take_progress=lambda: self.progress),
        )
        self.metrics = Metrics()
        self.pressure = Pressure(self.link, self.metrics.server)
        self.now = 0.0

    def look(self, seconds, lag_s=0.0):
        for _ in range(round(seconds / LOOK_S)):
            self.now += LOOK_S
            self.pressure.look(lag_s, self.now)
        return self.pressure.is_high()

    def limit(self):
        return self.metrics.server.stream_limit.collect()[0].samples[0].value


@pytest.mark.parametrize(
    ("step", "late_ms", "lags", "high"),
    [
        (0, 100.0, [0.0], False),
        (3, 100.0, [0.0], False),
        (4, 100.0, [0.0], True),
        (0, 100.0, [0.3], False),  # once is no load
        (0, 100.0, [0.3, 0.3], True),
        (0, 100.0, [0.3, 0.3, 0.1], False),
        (4, 0.0, [0.3, 0.3], False),  # who does not want it
    ],
)
def test_nobody_is_let_in_while_those_who_are_in_are_late(step, late_ms, lags, high):
    place = Place()
    place.link.shedding_step, place.link.shedding.late_ms = step, late_ms
    for lag_s in lags:
        place.look(LOOK_S, lag_s)
    assert place.pressure.is_high() == high


def test_an_overload_teaches_how_many_streams_are_carried():
    place = Place(streams=400)
    assert place.limit() == float("inf")
    place.look(2.5)
    place.link.shedding_step = 4
    place.progress = Progress(400, 400, 800.0, 640.0)
    place.look(4.5)
    assert place.limit() == pytest.approx(304)
    place.link.shedding_step = 0
    assert place.look(LOOK_S)
    place.link.streams.open_streams = 250
    assert not place.look(LOOK_S)
    place.link.streams.open_streams = 400
    assert place.pressure.is_high()
    place.link.shedding.late_ms = 0.0  # who does not want it any more
    assert not place.pressure.is_high()


def test_an_engine_that_is_gone_teaches_nothing():
    place = Place(streams=400)
    place.link.connected, place.link.shedding_step = False, 4
    place.look(10.0)
    place.link.connected, place.link.shedding_step = True, 0
    place.look(1.0)
    assert place.limit() == float("inf")
