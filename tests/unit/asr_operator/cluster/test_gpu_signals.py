"""Which signal of the GPUs is believed: by order, completeness and sharing."""

import pytest

from asr_operator.cluster import gpu_signals, load_rows
from asr_operator.cluster.answers import Labels, Row
from asr_operator.cluster.gpu_signals import ENGINE_DUTY, ORDER, GpuLoad
from asr_operator.cluster.load_rows import Answers, ServiceRows
from asr_operator.cluster.queries import GPU_DEVICE, GPU_SHARED, NVML_GAUGE, Query, Windows

KEY = ("speech", "demo")
SM, GR, UTIL = ORDER[:3]
SENTINEL = 9.223372036854776e18


def choose(duty=None, nvml=None, shared=(), cuda="ab", fresh="ab", **dcgm):
    """Choose from values by pod: `duty` and `nvml`, and `sm`, `gr` and `util` of DCGM."""
    given = [(Query.DUTY, "", duty or {}), (Query.GAUGES, NVML_GAUGE, nvml or {})]
    names = {"sm": SM, "gr": GR, "util": UTIL}
    given += [(Query.GPU, names[name], values) for name, values in dcgm.items()]
    given += [(Query.GPU, GPU_DEVICE, dict.fromkeys(cuda, 1.0))]
    given += [(Query.GPU, GPU_SHARED, dict.fromkeys(shared, 1.0))]
    tables = {query: {KEY: []} for query in Query}
    for query, metric, values in given:
        rows = [
            Row(Labels("speech", "demo", pod, metric=metric), (0.0, str(value)))
            for pod, value in values.items()
        ]
        tables[query][KEY] += load_rows.index_rows(query, rows).get(KEY, [])
    rows = ServiceRows(KEY, Answers(0.0, 0.0, Windows(60, 120), tables))
    return gpu_signals.choose_gpu_load(rows, set(fresh))


BOTH = {"a": 0.5, "b": 0.7}


@pytest.mark.parametrize(
    ("given", "signal"),
    [
        ({"sm": BOTH, "gr": BOTH, "util": BOTH, "nvml": BOTH, "duty": BOTH}, SM),
        ({"gr": BOTH, "util": BOTH, "nvml": BOTH, "duty": BOTH}, GR),
        ({"util": BOTH, "nvml": BOTH, "duty": BOTH}, UTIL),
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


def test_pods_that_are_not_scraped_are_not_waited_for():
    assert choose(sm={"a": 0.5}, fresh="a", cuda="ab") == GpuLoad(SM, by_pod={"a": 0.5})
    assert choose(sm=BOTH, fresh="a").by_pod == {"a": 0.5}


def test_of_a_shared_gpu_only_the_engine_says_what_is_its_own():
    found = choose(sm=BOTH, nvml=BOTH, duty={"a": 0.2, "b": 1.3}, shared="a")
    assert found == GpuLoad(ENGINE_DUTY, is_shared=True, by_pod={"a": 0.2, "b": 1.0})
    assert choose(sm=BOTH, shared="a") == GpuLoad(None, is_shared=True)


def test_pods_without_a_gpu_do_not_count():
    assert choose(sm={"a": 0.5}, cuda="a", duty=BOTH) == GpuLoad(SM, by_pod={"a": 0.5})
