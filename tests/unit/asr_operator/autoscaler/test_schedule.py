"""When windows are in force: days, nights, changes of the clocks; and which bounds then hold."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.api.autoscaling import Autoscaling, ScalingSpec
from asr_operator.api.names import Reason
from asr_operator.api.schedules import DAYS, Bounds, Schedule
from asr_operator.autoscaler import decide, memory, schedule
from asr_operator.state.load import NoLoad
from asr_operator.state.scaling import Fleet

OFFICE = Schedule("office", "08:00", "18:00", "Europe/Berlin", DAYS[:5], 4, 20)
NIGHT = Schedule("night", "22:00", "06:00", "UTC", ("Fri",), max_replicas=2)
ALL_DAY = Schedule("sunday", "00:00", "00:00", "Asia/Shanghai", ("Sun",), min_replicas=3)
EARLY = Schedule("early", "02:30", "05:00", "Europe/Berlin", min_replicas=3)
SHORT = Schedule("short", "02:30", "03:15", "Europe/Berlin", min_replicas=3)
UNTIL_GAP = Schedule("before", "00:00", "02:30", "Europe/Berlin", min_replicas=3)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("window", "moment", "expected"),
    [
        # 2026-11-26 is a Thursday; Berlin is an hour ahead in winter, two in summer
        (OFFICE, "2026-11-26T06:59:59", False),
        (OFFICE, "2026-11-26T07:00:00", True),
        (OFFICE, "2026-11-26T16:59:59", True),
        (OFFICE, "2026-11-26T17:00:00", False),
        (OFFICE, "2026-07-23T06:00:00", True),
        (OFFICE, "2026-07-23T05:59:59", False),
        (OFFICE, "2026-11-28T12:00:00", False),
        # over midnight: the day is the one on which it begins
        (NIGHT, "2026-11-27T21:59:59", False),
        (NIGHT, "2026-11-27T22:00:00", True),
        (NIGHT, "2026-11-28T05:59:59", True),
        (NIGHT, "2026-11-28T06:00:00", False),
        (NIGHT, "2026-11-27T05:00:00", False),
        (NIGHT, "2026-11-28T22:00:00", False),
        # a whole day, by the clocks of its zone
        (ALL_DAY, "2026-11-28T15:59:59", False),
        (ALL_DAY, "2026-11-28T16:00:00", True),
        (ALL_DAY, "2026-11-29T15:59:59", True),
        (ALL_DAY, "2026-11-29T16:00:00", False),
        # 2026-03-29, 02:00 becomes 03:00 in Berlin (01:00 in UTC): 02:30 is half an hour after that
        (EARLY, "2026-03-29T01:29:59", False),
        (EARLY, "2026-03-29T01:30:00", True),
        (EARLY, "2026-03-29T02:59:59", True),
        (EARLY, "2026-03-29T03:00:00", False),
        (UNTIL_GAP, "2026-03-29T01:29:59", True),
        (UNTIL_GAP, "2026-03-29T01:30:00", False),
        (SHORT, "2026-03-29T01:15:00", False),
        (SHORT, "2026-03-29T01:30:00", False),
        # 2026-10-25, 03:00 becomes 02:00 in Berlin (01:00 in UTC): 02:30 is the first one
        (EARLY, "2026-10-25T00:29:59", False),
        (EARLY, "2026-10-25T00:30:00", True),
        (EARLY, "2026-10-25T01:00:00", True),
        (EARLY, "2026-10-25T03:59:59", True),
        (EARLY, "2026-10-25T04:00:00", False),
        (UNTIL_GAP, "2026-10-25T00:29:59", True),
        (UNTIL_GAP, "2026-10-25T00:30:00", False),
        (UNTIL_GAP, "2026-10-25T01:15:00", False),
    ],
)
def test_a_window_is_in_force_by_the_clocks_of_its_zone(window, moment, expected):
    assert schedule.is_in_force(window, at(moment)) is expected


def window(name, least=None, most=None):
    return Schedule(name, "00:00", "00:00", min_replicas=least, max_replicas=most)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([], (2, 10, None)),
        ([window("a", 4)], (4, 10, None)),
        ([window("a", 1)], (1, 10, None)),
        ([window("a", most=5)], (2, 5, "a")),
        ([window("a", 4, 20)], (4, 20, "a")),
        ([window("a", 4, 20), window("b", 6)], (6, 20, "a")),
        ([window("a", 4, 20), window("b", most=8)], (4, 8, "b")),
        ([window("a", 8, 20), window("b", most=5)], (8, 8, "a")),
        ([window("a", most=5), window("b", 8)], (8, 8, "b")),
        ([window("a", most=1)], (2, 2, "a")),
        ([window("a", 3, 3), window("b", 7, 9)], (7, 7, "b")),
    ],
)
def test_windows_in_force_together_make_one_pair_of_bounds(windows, expected):
    autoscaling = Autoscaling("Auto", 2, 10, schedules=tuple(windows))
    found = schedule.find_bounds(autoscaling, at("2026-11-26T12:00:00"))
    assert (found.min_replicas, found.max_replicas, found.limiting) == expected
    assert found.schedules == tuple(each.name for each in windows)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-26T12:00:00", Bounds(4, 20, ("office",), "office", at("2026-11-26T17:00:00"))),
        ("2026-11-26T18:00:00", Bounds(1, 10, (), None, at("2026-11-27T07:00:00"))),
        ("2026-11-27T23:00:00", Bounds(1, 2, ("night",), "night", at("2026-11-28T06:00:00"))),
        ("2026-11-28T06:00:00", Bounds(1, 10, (), None, at("2026-11-30T07:00:00"))),
    ],
)
def test_the_bounds_say_until_when_they_hold(moment, expected):
    autoscaling = Autoscaling("Auto", schedules=(OFFICE, NIGHT))
    assert schedule.find_bounds(autoscaling, at(moment)) == expected


def test_a_spec_without_schedules_is_left_as_it_is():
    spec = ScalingSpec(autoscaling=Autoscaling("Auto", 2, 5))
    assert schedule.put_in_force(spec, at("2026-11-26T12:00:00")) is spec


ZONES = sorted(available_timezones())  # the search of a folder
hours = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
moments = st.integers(1_700_000_000, 1_900_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@st.composite
def windows(draw):
    bounds = sorted(draw(st.tuples(st.integers(1, 30), st.integers(1, 30))))
    chosen = draw(st.sampled_from([(True, False), (False, True), (True, True)]))
    return Schedule(
        draw(st.uuids().map(str)),
        draw(hours),
        draw(hours),
        draw(st.sampled_from(ZONES)),
        tuple(draw(st.lists(st.sampled_from(DAYS), min_size=1, unique=True))),
        *(bound if is_set else None for bound, is_set in zip(bounds, chosen, strict=True)),
    )


@pytest.mark.slow
@given(st.lists(windows(), min_size=1, max_size=5), moments)
def test_bounds_never_contradict_and_hold_until_they_say(found, moment):
    autoscaling = Autoscaling("Auto", 2, 10, schedules=tuple(found))
    now = moment.timestamp()
    bounds = schedule.find_bounds(autoscaling, now)
    assert 1 <= bounds.min_replicas <= bounds.max_replicas
    assert bounds.until is not None
    assert now < bounds.until <= now + timedelta(days=9).total_seconds()
    for share in (0.25, 0.5, 0.999):
        later = schedule.find_bounds(autoscaling, now + share * (bounds.until - now))
        assert later == bounds


@given(windows(), moments)
def test_away_from_changes_of_the_clocks_the_clock_on_the_wall_decides(found, moment):
    local = moment.astimezone(ZoneInfo(found.time_zone))
    offsets = {
        (local + timedelta(days=days)).astimezone(UTC).astimezone(local.tzinfo).utcoffset()
        for days in (-2, -1, 0, 1, 2)
    }
    if len(offsets) > 1:
        return
    clock = local.strftime("%H:%M")
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if found.from_ < found.to:
        expected = today in found.days and found.from_ <= clock < found.to
    else:
        expected = (today in found.days and clock >= found.from_) or (
            yesterday in found.days and clock < found.to
        )
    assert schedule.is_in_force(found, moment.timestamp()) is expected


def test_a_window_that_begins_raises_replicas_at_once_and_is_named(
    decided, make_fleet, make_sample, make_spec
):
    spec = make_spec(schedules=(window("launch", 6, 20),))
    decision = decided(make_sample(), make_fleet(2), spec)
    (change,) = decision.changes
    assert (change.reason, change.to) == (Reason.BOUNDS_SCHEDULED, 6)
    assert dict(change.inputs) == {"schedule": "launch", "minReplicas": "6", "maxReplicas": "20"}
    assert "outside the bounds while launch is in force, 6 to 20" in decision.message
    assert decision.bounds.schedules == ("launch",)


def test_a_window_lowers_the_limit_and_says_whose_limit_it_is(
    decided, make_fleet, make_sample, make_spec
):
    spec = make_spec(schedules=(window("night", most=2),))
    decision = decided(make_sample(demand=900.0), make_fleet(2), spec)
    assert decision.replicas == 2
    assert decision.limited.reason == Reason.MAX_REPLICAS_REACHED
    assert "than the schedule night allows, 2. Raise that bound" in decision.limited.message


def test_recommendations_keep_to_the_bounds_in_force(decided, make_sample, make_spec):
    spec = make_spec("Recommend", schedules=(window("launch", 6, 20),))
    decision = decided(make_sample(), spec=spec)
    assert (decision.replicas, decision.recommended_replicas) == (2, 6)


@given(st.lists(windows(), max_size=4), moments, st.integers(0, 40))
def test_no_decision_is_outside_the_bounds_in_force(found, moment, desired):
    now = moment.timestamp()
    autoscaling = Autoscaling("Auto", 1, 30, schedules=tuple(found))
    bounds = schedule.find_bounds(autoscaling, now)
    fleet = Fleet(desired, tuple(f"pod-{number}" for number in range(desired)), batch_size=16)
    load = NoLoad(now, Reason.PROMETHEUS_UNREACHABLE, "down")
    spec = ScalingSpec(autoscaling=autoscaling)
    decision, _ = decide.decide(load, fleet, spec, memory.restore((), now), now)
    assert bounds.min_replicas <= decision.replicas <= bounds.max_replicas
    changed = decision.replicas != desired
    assert len(decision.changes) == changed
    if changed:
        is_scheduled = decision.changes[0].reason == Reason.BOUNDS_SCHEDULED
        assert is_scheduled == bool(bounds.schedules)
