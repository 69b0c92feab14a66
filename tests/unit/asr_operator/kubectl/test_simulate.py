"""What can be simulated and what not; and that the operator's own rules decide."""

from datetime import UTC, datetime

import pytest

from asr_operator.api import spec
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.kubectl import service_times, simulate
from asr_operator.kubectl.simulate import Load, SimulateError
from asr_operator.simulation.workload import Call

BEGIN = datetime(2026, 11, 26, 7, 50, tzinfo=UTC).timestamp()
NO_HISTORY = ()


def with_spec(seen, mode="Auto", batching="Auto", replicas=1, **autoscaling):
    return seen(
        spec={
            "runtime": {"device": "cpu", "maxSessions": 10},
            "autoscaling": {"mode": mode, **autoscaling},
            "batching": {"mode": batching},
            "replicas": replicas,
        }
    )


@pytest.mark.parametrize(
    ("mode", "batching", "says"),
    [
        ("External", "Auto", "in mode External another autoscaler decides the replicas"),
        ("External", "Fixed", "in mode External another autoscaler decides the replicas"),
        ("Off", "Fixed", "with autoscaling Off and batching Fixed nothing is ever decided"),
    ],
)
def test_what_cannot_be_simulated_says_why_and_what_to_change(seen, mode, batching, says):
    with pytest.raises(SimulateError) as refused:
        simulate.read_spec(with_spec(seen, mode, batching))
    assert str(refused.value).startswith("speech/demo ")
    assert says in str(refused.value)
    assert "in the file" in str(refused.value)


def test_a_spec_that_cannot_be_used_says_which_field(seen):
    with pytest.raises(SimulateError, match=r"spec\.autoscaling: 1 <= minReplicas"):
        simulate.read_spec(with_spec(seen, minReplicas=3, maxReplicas=2))


@pytest.mark.parametrize(
    ("mode", "replicas", "given", "bounds"),
    [
        ("Auto", 1, {"minReplicas": 2, "maxReplicas": 5}, ("Auto", 2, 5)),
        ("Auto", 1, {"maxReplicas": 1000}, ("Auto", 1, 64)),
        ("Recommend", 1, {"minReplicas": 2, "maxReplicas": 5}, ("Auto", 2, 5)),
        ("Off", 3, {}, ("Off", 3, 3)),
        ("Off", 0, {}, ("Off", 1, 1)),
    ],
)
def test_the_bounds_are_those_of_the_service(seen, mode, replicas, given, bounds):
    found = simulate.read_spec(with_spec(seen, mode, replicas=replicas, **given)).autoscaling
    assert (found.mode, found.min_replicas, found.max_replicas) == bounds


def test_the_bounds_of_schedules_stay_within_what_there_is_room_for(seen):
    window = {"name": "launch", "from": "08:00", "to": "09:00", "minReplicas": 90}
    parsed = simulate.read_spec(with_spec(seen, maxReplicas=200, schedules=[window]))
    (found,) = parsed.autoscaling.schedules
    assert (found.min_replicas, found.max_replicas) == (simulate.MOST_REPLICAS, None)


def test_schedules_do_not_change_replicas_that_are_fixed(seen):
    window = {"name": "launch", "from": "00:00", "to": "00:00", "minReplicas": 9, "maxReplicas": 9}
    parsed = simulate.read_spec(with_spec(seen, "Off", replicas=3, schedules=[window]))
    assert parsed.autoscaling.schedules == ()
    found = run(parsed, [Call(0.0, 5.0)])
    assert {row.desired for row in found.rows} == {3}


def run(parsed: spec.AsrServiceSpec, calls, duration_s=1200.0):
    times = service_times.choose_service_times(
        service_times.Wish(), parsed, NO_HISTORY, ServiceModel()
    )
    load = Load(calls, BEGIN, duration_s, "from a test", ServiceModel())
    return simulate.run_simulation(parsed, 0, load, times, seed=1)


def test_sessions_that_have_no_place_bring_more_servers(seen):
    calls = [Call(300.0 + place, 400.0) for place in range(30)]
    found = run(simulate.read_spec(with_spec(seen)), calls)
    grown = [change for change in found.changes if change.knob == "replicas"]
    assert grown[0].reason == "SessionsNeeded"
    assert grown[0].at == pytest.approx(BEGIN + 330, abs=60)
    assert max(row.ready for row in found.rows) >= 3


def test_a_schedule_holds_by_the_calendar(seen):
    window = {"name": "day", "from": "08:00", "to": "08:05", "minReplicas": 4}
    found = run(simulate.read_spec(with_spec(seen, schedules=[window])), [Call(0.0, 5.0)])
    desired = {row.at: row.desired for row in found.rows}
    assert {many for at, many in desired.items() if at < 600} == {1}
    assert {many for at, many in desired.items() if 630 <= at < 900} == {4}
    assert found.changes[-1].reason in ("BoundsScheduled", "LoadFell")
    (raised,) = [each for each in found.changes if each.reason == "BoundsScheduled"]
    assert raised.at == BEGIN + 600


def test_the_same_seed_gives_the_same_outcome(seen):
    parsed = simulate.read_spec(with_spec(seen))
    calls = [Call(20.0 * place, 30.0) for place in range(30)]
    assert run(parsed, calls, 700.0) == run(parsed, calls, 700.0)
