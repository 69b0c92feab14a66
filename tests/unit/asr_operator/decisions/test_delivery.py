"""Who is told of a live configuration, when again, and when it counts as applied."""

from dataclasses import replace
from datetime import timedelta

import pytest

from asr_operator.api import status
from asr_operator.decisions import delivery


@pytest.fixture
def at(now):
    """A time some seconds from now, as text."""
    return lambda seconds: status.render_time(now + timedelta(seconds=seconds))


@pytest.fixture
def tick(blind, load):
    """A tick at which pods reported these generations, a second before it."""

    def make(age_s=1.0, size=16, **generations):
        pods = {
            name: {"config_generation": found, "batch_size_limit": size, "age_s": age_s}
            for name, found in generations.items()
        }
        return replace(blind, load=load(pods))

    return make


@pytest.fixture
def told(observed, config, pod, now):
    """The names of the pods that are told of generation 3, which was written a minute ago."""

    def run(tick, at, generation=3, **fields):
        pods = tuple(pod(**{"name": name, **values}) for name, values in fields.items())
        seen = observed(config=config(16, generation, written_at=at(-60)), pods=pods)
        notes = delivery.decide_config_notes(seen, tick, now)
        for note in notes:
            assert dict(note.annotations) == {
                "asr-operator.dev/config-generation": str(generation),
                "asr-operator.dev/config-told-at": "2026-01-01T12:00:00Z",
            }
        return [note.pod for note in notes]

    return run


def test_every_running_pod_is_told_once(told, tick, at):
    assert told(tick(), at, a={}, b={"is_running": False}, c={"told_generation": 2}) == ["a", "c"]
    assert told(tick(), at, a={"told_generation": 3, "told_at": at(-600)}) == []


def test_the_pods_of_a_new_service_need_not_be_told(told, tick, at):
    assert told(tick(), at, generation=1, a={}) == []


def test_a_pod_that_has_it_need_not_be_told(told, tick, at):
    assert told(tick(a=3), at, a={}) == []


@pytest.mark.parametrize(
    ("told_s", "report_age_s", "again"),
    [
        (-5, 1, False),
        (-9, 1, False),
        (-50, 1, True),
        (-31, 1, True),
        (-29, 1, False),
        (-50, 46, False),
    ],
    ids=[
        "it was told just now",
        "it was told a moment ago",
        "it was told ten seconds after the change",
        "it was told half a minute after the change, and as long ago",
        "it was told half a minute after the change, and not as long ago",
        "it reported before it could know",
    ],
)
def test_a_pod_that_lags_is_told_again_ever_more_rarely(
    told, tick, at, told_s, report_age_s, again
):
    known = {"told_generation": 3, "told_at": at(told_s)}
    assert told(tick(a=2, age_s=report_age_s), at, a=known) == (["a"] if again else [])


def test_a_pod_that_reports_nothing_is_not_told_again(told, tick, at):
    known = {"told_generation": 3, "told_at": at(-3000)}
    assert told(tick(), at, a=known) == []


def test_nobody_is_told_of_a_configuration_that_is_not_there(observed, pod, tick, now):
    assert delivery.decide_config_notes(observed(pods=(pod(),)), tick(), now) == ()


@pytest.mark.parametrize(
    ("pods", "reported", "generation"),
    [
        ([], {}, 0),
        ([{"is_running": False}], {}, 0),
        ([{}], {}, 1),
        ([{"told_generation": 4}, {"name": "b"}], {}, 4),
        ([{"told_generation": 4}, {"name": "b"}], {"b": 6}, 6),
        ([{}], {"of-another-fleet": 9}, 1),
    ],
)
def test_what_servers_know_is_found(observed, pod, tick, pods, reported, generation):
    seen = observed(pods=tuple(pod(**{"name": "a", **fields}) for fields in pods))
    assert delivery.find_told_generation(seen, tick(**reported)) == generation


@pytest.mark.parametrize(
    ("ready", "reported", "verdict"),
    [
        ([], {}, "Unknown/NoServer"),
        (["a", "b"], {"a": 3, "b": 3}, "True/BatchSizeReported"),
        (["a", "b"], {"a": 3, "b": 2}, "False/BatchSizePending"),
        (["a", "b", "c"], {"a": 3, "b": 2}, "False/BatchSizePending"),
        (["a", "b"], {"a": 3}, "Unknown/SeriesMissing"),
        (["a", "b"], {"a": 3, "b": None}, "Unknown/SeriesMissing"),
        (["a"], {"a": 3, "of-another-fleet": 2}, "True/BatchSizeReported"),
    ],
)
def test_it_is_applied_when_every_ready_pod_reports_it(
    observed, config, pod, tick, ready, reported, verdict
):
    pods = tuple(pod(name=name, is_ready=True) for name in ready)
    seen = observed(config=config(16, 3), pods=(*pods, pod(name="loading")))
    found = delivery.judge_delivery(seen, tick(**reported))
    assert f"{found.status}/{found.reason}" == verdict


def test_without_prometheus_it_is_not_known_whether_it_is_applied(observed, config, pod, blind):
    seen = observed(config=config(16, 3), pods=(pod(is_ready=True),))
    found = delivery.judge_delivery(seen, blind)
    assert (found.status, found.reason) == ("Unknown", "PrometheusNotConfigured")


def test_the_applied_size_is_the_one_that_all_ready_pods_report(observed, pod, tick, blind):
    seen = observed(pods=(pod(name="a", is_ready=True), pod(name="b", is_ready=True)))
    assert delivery.find_applied_size(seen, tick(size=8, a=3, b=3)) == 8
    assert delivery.find_applied_size(seen, tick(size=8, a=3)) is None
    assert delivery.find_applied_size(seen, blind) is None
    assert delivery.find_applied_size(observed(), tick()) is None
