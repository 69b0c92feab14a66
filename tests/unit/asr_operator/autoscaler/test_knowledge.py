import math
from dataclasses import replace

import pytest

from asr_operator.api.names import Reason
from asr_operator.autoscaler import knowledge
from asr_operator.state.load import NoLoad, PodLoad

STALE_S = 90.0
GOOD = PodLoad("pod-0", 5.0, 3.0, session_limit=10.0, demand_audio_ratio=9.0, duty_ratio=0.5)


def judge(sample, fleet, now):
    return knowledge.judge_knowledge(sample, fleet, now, STALE_S)


def test_a_service_with_something_arriving_is_loaded(make_sample, make_fleet, now):
    known = judge(make_sample(), make_fleet(), now)
    assert (known.state, known.problem, known.demand) == ("loaded", None, 24.0)
    assert (known.sessions, known.duty_ratio, known.gpu_ratio) == (20.0, 0.5, None)


def test_a_service_that_only_refuses_is_loaded(idle_sample, make_fleet, now):
    assert judge(idle_sample(refused_per_s=0.1), make_fleet(), now).state == "loaded"


def test_a_service_whose_servers_all_have_nothing_to_do_is_idle(idle_sample, make_fleet, now):
    known = judge(idle_sample(), make_fleet(), now)
    assert (known.state, known.is_complete, known.demand, known.peak) == ("idle", True, 0.0, 0.0)


def test_open_sessions_that_say_nothing_are_counted_while_idle(idle_sample, make_fleet, now):
    sample = replace(idle_sample(), pods=(replace(GOOD, sessions=7.0),))
    known = judge(sample, make_fleet(1), now)
    assert (known.state, known.sessions) == ("idle", 7.0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"demand_audio_ratio": None}, Reason.SERIES_MISSING),
        ({"demand_audio_ratio": math.nan}, Reason.SERIES_MISSING),
        ({"demand_audio_ratio": math.inf}, Reason.SERIES_MISSING),
        ({"pods": ()}, Reason.SERIES_MISSING),
        ({"pods": (PodLoad("another", 5.0, sessions=1.0),)}, Reason.SERIES_MISSING),
        ({"at": 999_900.0}, Reason.SERIES_STALE),
    ],
    ids=["no demand", "NaN", "infinite", "no pods", "pods of others", "stale sample"],
)
def test_what_is_missing_is_unknown_and_never_zero(make_sample, make_fleet, now, fields, reason):
    known = judge(make_sample(**fields), make_fleet(), now)
    assert known.state == "unknown"
    assert known.problem.reason == reason


def test_no_sample_is_unknown_for_the_reason_given(make_fleet, now):
    known = judge(NoLoad(now, Reason.PROMETHEUS_TIMED_OUT, "It is slow."), make_fleet(), now)
    assert (known.state, known.problem.reason) == ("unknown", Reason.PROMETHEUS_TIMED_OUT)
    assert known.problem.message == "It is slow."


def test_nothing_is_known_while_no_server_is_ready(make_sample, make_fleet, now):
    known = judge(make_sample(), make_fleet(0, desired=2, unready=2), now)
    assert (known.state, known.problem.reason) == ("unknown", Reason.NO_SERVER)


SILENT = {
    "absent": (),
    "no value": (replace(GOOD, pod="pod-1", sessions=None),),
    "no demand": (replace(GOOD, pod="pod-1", demand_audio_ratio=None),),
    "stale": (replace(GOOD, pod="pod-1", age_s=91.0),),
}
LYING = {
    "a duty above what can be": replace(GOOD, pod="pod-1", duty_ratio=1.6),
    "a negative duty": replace(GOOD, pod="pod-1", duty_ratio=-0.1),
    "a duty that is no number": replace(GOOD, pod="pod-1", duty_ratio=math.nan),
    "negative sessions": replace(GOOD, pod="pod-1", sessions=-1.0),
    "sessions that are no number": replace(GOOD, pod="pod-1", sessions=math.nan),
    "a sentinel for the GPU": replace(GOOD, pod="pod-1", gpu_ratio=9223372036854775794.0),
    "an endless demand": replace(GOOD, pod="pod-1", demand_audio_ratio=1e18),
}


@pytest.mark.parametrize("pods", SILENT.values(), ids=SILENT)
def test_a_silent_pod_is_left_out_and_named(make_sample, make_fleet, now, pods):
    known = judge(make_sample(pods=(GOOD, *pods)), make_fleet(2), now)
    assert (known.state, known.is_complete, known.sessions) == ("loaded", False, 3.0)
    assert known.problem.reason == Reason.SERIES_MISSING
    assert "pod-1" in known.problem.message


@pytest.mark.parametrize("pod", LYING.values(), ids=LYING)
def test_a_lying_pod_is_left_out_and_named(make_sample, make_fleet, now, pod):
    known = judge(make_sample(pods=(GOOD, pod)), make_fleet(2), now)
    assert (known.is_complete, known.sessions, known.duty_ratio) == (False, 3.0, 0.5)
    assert known.problem.reason == Reason.SERIES_IMPLAUSIBLE
    assert "pod-1" in known.problem.message


def test_the_demand_of_a_lying_pod_does_not_count(make_sample, make_fleet, now):
    liar = replace(GOOD, pod="pod-1", duty_ratio=7.0, demand_audio_ratio=90.0)
    sample = make_sample(pods=(GOOD, liar), demand_audio_ratio=100.0, demand_peak_ratio=500.0)
    known = judge(sample, make_fleet(2), now)
    assert (known.demand, known.peak) == (10.0, 10.0)


def test_a_silent_pod_may_be_the_one_that_is_busy(idle_sample, make_fleet, now):
    assert judge(idle_sample(pods=1), make_fleet(2), now).state == "unknown"


def test_a_pod_that_is_not_ready_is_not_missed(make_sample, make_fleet, now):
    assert judge(make_sample(pods=1), make_fleet(1, desired=2, unready=1), now).is_complete


@pytest.mark.parametrize("peak", [None, 1.0, math.nan, 1e9])
def test_the_peak_is_at_least_the_demand(make_sample, make_fleet, now, peak):
    known = judge(make_sample(demand_peak_ratio=peak), make_fleet(), now)
    assert known.peak == known.demand


def test_many_silent_pods_are_counted_not_listed(make_sample, make_fleet, now):
    known = judge(make_sample(pods=1), make_fleet(9), now)
    assert "pods pod-1, pod-2, pod-3 and 5 more" in known.problem.message
