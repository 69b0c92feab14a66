"""What the loop remembers from one look at a service to the next, and gets back after a restart."""

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from asr_operator.api.autoscaling import Autoscaling, BatchPolicy, Behavior, Objectives
from asr_operator.api.names import ConditionType, Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import InvalidSpec
from asr_operator.api.status import AsrServiceStatus, Condition, render_time
from asr_operator.autoscaler import decide, memory
from asr_operator.cluster import ticks
from asr_operator.state.load import BatchPoint, LoadQuestion, NoLoad
from asr_operator.state.scaling import Change, ScalingDecision

KEY = ("speech", "demo")
TIME = "2026-01-01T11:00:00Z"
GROWN = Change(0.0, "replicas", 1, 2, Reason.CAPACITY_NEEDED)
NOTHING_ASKED = NoLoad(0.0, Reason.NOT_SAMPLED_YET, "wait")
POINT = BatchPoint(0.0, "asr", 1.0, 10.0, 0.1)


class Source:
    """A load that is not known, and a past that may be."""

    def __init__(self, past=()):
        self.past = past
        self.questions = []

    def read(self, key, question):
        assert key == KEY
        self.questions.append(question)
        return NOTHING_ASKED

    def read_history(self, key):
        assert key == KEY
        return self.past


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def loop(source):
    return ticks.Ticks(source)


@pytest.fixture
def told(monkeypatch):
    """What the autoscaler is told; it makes the changes that are put into `told.changes`."""

    class Told(list):
        changes = ()

        def decide(self, load, fleet, spec, before, now):
            self.append(before)
            decision = ScalingDecision("unknown", 1, 1, Reason.STEADY, "", changes=self.changes)
            return decision, replace(before, ticked_at=now)

    told = Told()
    monkeypatch.setattr(decide, "decide", told.decide)
    return told


@pytest.fixture
def auto(demo_spec):
    return demo_spec(autoscaling=Autoscaling("Auto"))


def test_what_is_remembered_goes_on(loop, told, observed, auto, now):
    for seconds in (0, 15, 30):
        loop.take(KEY, observed(auto), now + timedelta(seconds=seconds), may_change=True)
    start = now.timestamp()
    assert [before.ticked_at for before in told] == [-math.inf, start, start + 15]
    assert {before.started_at for before in told} == {start}


def test_a_change_is_remembered_only_when_it_was_carried_out(loop, told, observed, auto, now):
    told.changes = (GROWN,)
    loop.take(KEY, observed(auto), now, may_change=True)
    loop.take(KEY, observed(auto), now, may_change=True)
    loop.keep(KEY)
    loop.take(KEY, observed(auto), now, may_change=True)
    assert [before.ticked_at for before in told] == [-math.inf, -math.inf, now.timestamp()]


def test_changes_come_back_from_the_status_after_a_restart(loop, told, observed, auto, now):
    record = ScalingRecord(TIME, "replicas", 1, 2, "CapacityNeeded")
    loop.take(
        KEY,
        observed(auto, status=AsrServiceStatus(scaling_history=(record,))),
        now,
        may_change=True,
    )
    (before,) = told
    assert [(change.to, change.reason) for change in before.changes] == [(2, "CapacityNeeded")]


def test_the_past_is_learned_from_once_it_is_known(loop, source, told, observed, auto, now):
    source.past = None
    loop.take(KEY, observed(auto), now, may_change=True)
    source.past = (POINT,) * 20
    for seconds in (15, 30):
        loop.take(KEY, observed(auto), now + timedelta(seconds=seconds), may_change=True)
    ignorant, learned, later = told
    assert ignorant.model == memory.restore((), 0.0).model
    assert learned.model != ignorant.model
    assert learned.started_at == now.timestamp()
    assert later.ticked_at == now.timestamp() + 15


def test_while_the_past_is_unknown_the_present_is_remembered(
    loop, source, told, observed, auto, now
):
    """Prometheus may be gone for long: for how long is what the fallback goes by."""
    source.past = None
    for seconds in (0, 15):
        loop.take(KEY, observed(auto), now + timedelta(seconds=seconds), may_change=True)
    assert told[1].ticked_at == now.timestamp()


def test_a_service_that_is_gone_is_forgotten(loop, told, observed, auto, now):
    loop.take(KEY, observed(auto), now, may_change=True)
    loop.forget(KEY)
    loop.take(KEY, observed(auto), now, may_change=True)
    assert [before.ticked_at for before in told] == [-math.inf] * 2


def test_nothing_is_decided_while_nothing_may_change(loop, told, observed, auto, now):
    held = loop.take(KEY, observed(auto), now, may_change=False)
    bad = loop.take(KEY, observed(InvalidSpec("bad")), now, may_change=True)
    assert (held.decision, bad.decision, list(told)) == (None, None, [])
    assert held.load.reason == bad.load.reason == Reason.NOT_SAMPLED_YET


def test_the_load_is_asked_for_as_the_spec_says(loop, source, told, observed, demo_spec, now):
    spec = demo_spec(
        objectives=Objectives("p99", 900), autoscaling=Autoscaling("Auto", behavior=Behavior(7, 80))
    )
    loop.take(KEY, observed(spec), now, may_change=True)
    assert source.questions == [LoadQuestion(7.0, 60, 120, 80, 0.99, objective_s=0.9)]


@pytest.mark.parametrize(
    ("scaling", "batching", "applied", "interval_s", "wait_s"),
    [
        ("Auto", "Fixed", "True", 15, 22.5),
        ("Recommend", "Fixed", "True", 15, 22.5),
        ("Off", "Auto", "True", 15, 22.5),
        ("Off", "Fixed", "True", 60, math.inf),
        ("Off", "Fixed", "Unknown", 60, math.inf),
        ("Off", "Fixed", "False", 15, 22.5),
        ("External", "Fixed", None, 60, math.inf),
    ],
)
def test_a_service_is_looked_at_as_often_as_something_may_happen(
    observed, demo_spec, now, scaling, batching, applied, interval_s, wait_s
):
    conditions = (
        (Condition(ConditionType.BATCH_SIZE_APPLIED, applied, "A", "", 1, TIME),) if applied else ()
    )
    spec = demo_spec(batching=BatchPolicy(batching), autoscaling=Autoscaling(scaling))
    seen = observed(spec, status=AsrServiceStatus(conditions=conditions))
    assert ticks.build_question(seen, spec, now).interval_s == interval_s
    assert ticks.decide_wait_s(seen, now) == wait_s


@pytest.mark.parametrize(
    ("scaling", "ages_s", "wait_s"),
    [
        ("Off", [0], 10),
        ("Off", [-5], 10),  # clocks differ
        ("Off", [100], 10),
        ("Off", [600], 60),
        ("Off", [3 * 86400, None, 600], 60),
        ("Off", [None], math.inf),
        ("Auto", [0], 10),
        ("Auto", [600], 22.5),
        ("Auto", [None], 22.5),
    ],
)
def test_a_pod_that_is_being_prepared_is_looked_at_again_soon_and_ever_less_often(
    observed, demo_spec, pod, now, scaling, ages_s, wait_s
):
    since = [None if age is None else render_time(now - timedelta(seconds=age)) for age in ages_s]
    spec = demo_spec(autoscaling=Autoscaling(scaling))
    seen = observed(spec, pods=tuple(pod(preparing_since=each) for each in since))
    assert ticks.decide_wait_s(seen, now) == wait_s


def test_pods_are_new_until_they_have_been_ready_for_a_window(observed, demo_spec, pod, now):
    def ready(name, age_s):
        at = render_time(now - timedelta(seconds=age_s))
        return pod(name=name, is_ready=True, ready_at=at)

    seen = observed(pods=(ready("old", 60), ready("young", 59), pod(name="starting")))
    assert ticks.build_question(seen, demo_spec(), now).new_pods == {"young", "starting"}


def test_a_spec_that_cannot_be_used_is_not_waited_for(observed, now):
    assert ticks.decide_wait_s(observed(InvalidSpec("bad")), now) == math.inf


def test_before_a_server_is_ready_its_silence_is_no_wonder(observed, pod, load):
    silent = NoLoad(0.0, Reason.SERIES_MISSING, "have it scrape the pods")
    starting, ready = observed(pods=(pod(),)), observed(pods=(pod(is_ready=True),))
    assert ticks.explain_silence(silent, starting).reason == Reason.NO_SERVER
    for found, seen in ((silent, ready), (load(), starting), (NOTHING_ASKED, starting)):
        assert ticks.explain_silence(found, seen) is found
