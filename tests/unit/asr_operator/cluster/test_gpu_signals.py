"""Which signal of the GPUs is believed: by order, completeness and sharing."""

import pytest

from asr_operator.api.names import Reason
from asr_operator.cluster import gpu_signals, load_rows
from asr_operator.cluster.answers import Labels, PrometheusError, Row
from asr_operator.cluster.gpu_signals import ENGINE_DUTY, ORDER, GpuLoad
from asr_operator.cluster.load_rows import Answers, ServiceRows
from asr_operator.cluster.queries import NVML_GAUGE, Query, Windows

KEY = ("speech", "demo")
SM, GR, UTIL = ORDER[:3]
SENTINEL = 9.223372036854776e18


def choose(duty=None, nvml=None, cuda="ab", fresh="ab", others=(), new=(), **dcgm):
    """Choose from values by pod: `duty` and `nvml`, and `sm`, `gr` and `util` of DCGM.

    Each pod has a GPU of its own; `others` of another service have that of pod a too.
    """
    tables = {query: {} for query in Query}
    for query, name, values in (
        (Query.DUTY, "", duty or {}),
        (Query.GAUGES, NVML_GAUGE, nvml or {}),
    ):
        tables[query] = load_rows.index_rows(
            query,
            [Row(Labels(*KEY, pod, name=name), (0.0, str(value))) for pod, value in values.items()],
            {},
        )
    tables[Query.PODS] = load_rows.index_rows(
        Query.PODS,
        [Row(Labels(*KEY, pod, "cuda" if pod in cuda else "cpu"), (0.0, "0")) for pod in fresh],
        {},
    )
    rows = [
        dcgm_row(names[name], pod, value)
        for name, values in dcgm.items()
        for pod, value in values.items()
    ]
    rows += [dcgm_row(UTIL, other, 50, gpu="a") for other in others]
    tables[Query.GPU] = gpu_signals.index_gpus(rows)
    answers = Answers(0.0, 0.0, Windows(60, 120), tables)
    return gpu_signals.choose_gpu_load(ServiceRows(KEY, answers), set(fresh), frozenset(new))


names = {"sm": SM, "gr": GR, "util": UTIL}


def dcgm_row(name, pod, value, gpu="", **labels):
    found = {"namespace": "speech", "pod": pod, "gpu": f"GPU-{gpu or pod}", **labels}
    return Row(Labels(name=name, **found), (0.0, str(value)))


BOTH = {"a": 0.5, "b": 0.7}
PERCENT = {"a": 50, "b": 70}


@pytest.mark.parametrize(
    ("given", "signal"),
    [
        ({"sm": BOTH, "gr": BOTH, "util": PERCENT, "nvml": BOTH, "duty": BOTH}, SM),
        ({"gr": BOTH, "util": PERCENT, "nvml": BOTH, "duty": BOTH}, GR),
        ({"util": PERCENT, "nvml": BOTH, "duty": BOTH}, UTIL),
        ({"nvml": BOTH, "duty": BOTH}, NVML_GAUGE),
        ({"duty": BOTH}, ENGINE_DUTY),
        ({"sm": {"a": 0.5}, "gr": BOTH}, GR),
        ({"sm": {"a": 0.5}, "gr": {"b": 0.5}, "nvml": BOTH}, NVML_GAUGE),
        ({"sm": {"a": 0.5}, "gr": {"b": 0.5}}, SM),
        ({"sm": {"a": 0.5, "b": SENTINEL}, "gr": BOTH}, GR),
        ({"sm": {"a": 0.5, "b": "NaN"}, "gr": BOTH}, GR),
        ({"sm": {"a": 0.5, "b": 1.2}, "gr": BOTH}, GR),
        ({"nvml": {"a": "NaN", "b": 0.1}, "duty": BOTH}, ENGINE_DUTY),
        ({"nvml": BOTH, "duty": BOTH, "cuda": ""}, NVML_GAUGE),
        ({"duty": BOTH, "cuda": ""}, None),
        ({}, None),
    ],
)
def test_the_first_complete_signal_counts(given, signal):
    found = choose(**given)
    assert (found.signal, found.is_shared) == (signal, False)
    assert set(found.by_pod.values()) <= {0.5, 0.7}


@pytest.mark.parametrize(
    ("given", "signal", "by_pod"),
    [
        ({"sm": {"a": 0.5}, "nvml": BOTH, "new": "b"}, SM, {"a": 0.5}),
        ({"sm": BOTH, "nvml": BOTH, "new": "b"}, SM, BOTH),
        ({"sm": {"b": 0.7}, "nvml": BOTH, "new": "b"}, NVML_GAUGE, BOTH),
        ({"sm": {"a": 0.5}, "nvml": BOTH, "new": "ab"}, NVML_GAUGE, BOTH),
        ({"sm": {"a": 0.5}, "nvml": BOTH, "new": "c"}, NVML_GAUGE, BOTH),
        ({"gr": {"a": 0.5}, "duty": BOTH, "new": "b"}, GR, {"a": 0.5}),
        ({"sm": BOTH, "duty": {"a": 0.5}, "new": "b", "others": ["t"]}, ENGINE_DUTY, {"a": 0.5}),
    ],
    ids=["not named yet", "named", "only it is named", "all new", "gone", "no SM", "shared"],
)
def test_new_pods_are_not_waited_for(given, signal, by_pod):
    found = choose(**given)
    assert (found.signal, found.by_pod) == (signal, by_pod)


def test_pods_that_are_not_scraped_are_not_waited_for():
    assert choose(sm={"a": 0.5}, fresh="a", cuda="ab") == GpuLoad(SM, by_pod={"a": 0.5})
    assert choose(sm=BOTH, fresh="a").by_pod == {"a": 0.5}


def test_of_a_shared_gpu_only_the_engine_says_what_is_its_own():
    found = choose(sm=BOTH, nvml=BOTH, duty={"a": 0.2, "b": 1.3}, others=["train-0"])
    assert found == GpuLoad(ENGINE_DUTY, is_shared=True, by_pod={"a": 0.2, "b": 1.0})
    assert choose(sm=BOTH, others=["train-0"]) == GpuLoad(None, is_shared=True)


def test_pods_without_a_gpu_do_not_count():
    assert choose(sm={"a": 0.5}, cuda="a", duty=BOTH) == GpuLoad(SM, by_pod={"a": 0.5})


def index(*rows):
    return {
        owner: [(row.labels.name, row.value) for row in found]
        for owner, found in gpu_signals.index_gpus(rows).items()
    }


def test_a_series_belongs_to_the_pod_that_dcgm_named():
    exporter = {"namespace": "gpu", "pod": "dcgm-exporter-1"}
    named = {"exported_namespace": "speech", "exported_pod": "a"}
    found = index(
        Row(Labels(name=SM, gpu="1", **exporter, **named), (0.0, "0.5")),
        Row(Labels(name=SM, gpu="2", namespace="speech", pod="b"), (0.0, "0.7")),
        Row(Labels(name=SM, gpu="3", **exporter), (0.0, "0.9")),
    )
    assert found == {
        ("speech", "a"): [(SM, 0.5)],
        ("speech", "b"): [(SM, 0.7)],
        ("gpu", "dcgm-exporter-1"): [(SM, 0.9)],
    }


def test_slices_of_one_gpu_are_not_shared_and_one_slice_of_two_pods_is():
    slices = [dcgm_row(GR, pod, 0.5, gpu="x", gpu_slice=pod) for pod in "ab"]
    assert "shared" not in str(index(*slices))
    same = [dcgm_row(GR, pod, 0.5, gpu="x", gpu_slice="3") for pod in "ab"]
    assert index(*same)["speech", "b"] == [(GR, 0.5), ("shared", 1.0)]


def test_several_gpus_of_a_pod_are_their_mean():
    rows = [dcgm_row(SM, "a", value, gpu=str(value)) for value in (0.2, 0.6, SENTINEL)]
    tables = {query: {} for query in Query} | {Query.GPU: gpu_signals.index_gpus(rows)}
    answers = Answers(0.0, 0.0, Windows(60, 120), tables)
    found = gpu_signals.choose_gpu_load(ServiceRows(KEY, answers), {"a"})
    assert found == GpuLoad(SM, by_pod={"a": pytest.approx(0.4)})


def test_what_is_no_number_is_an_error():
    with pytest.raises(PrometheusError, match="gpu: could not convert") as raised:
        index(dcgm_row(SM, "a", "much"))
    assert raised.value.reason == Reason.ANSWER_MALFORMED
