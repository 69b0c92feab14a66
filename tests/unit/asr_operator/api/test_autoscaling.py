import pytest

from asr_operator.api import autoscaling
from asr_operator.api.autoscaling import (
    Autoscaling,
    BatchPolicy,
    BatchTuning,
    Behavior,
    DemandWindows,
    Fallback,
    Objectives,
    ScaleDown,
    ScaleUp,
)
from asr_operator.api.fields import FieldError, Section


def test_every_field_of_the_objectives_is_read():
    fields = {"finalLatency": {"quantile": "p99", "milliseconds": 750}, "gpuUtilization": ".85"}
    found = autoscaling.parse_objectives(Section("spec.objectives", fields))
    assert found == Objectives("p99", 750, 0.85)
    assert (found.final_latency_s, found.quantile_ratio) == (0.75, 0.99)


def test_every_field_of_batching_is_read():
    fields = {
        "mode": "Auto",
        "size": 3,
        "minSize": 2,
        "maxSize": 4,
        "audioSeconds": 5,
        "maxWaitMilliseconds": 6,
    }
    found = autoscaling.parse_batch_policy(Section("spec.batching", fields))
    assert found == BatchPolicy("Auto", 3, 2, 4, 5, 6)


def test_every_field_of_autoscaling_is_read():
    fields = {
        "mode": "Recommend",
        "minReplicas": 2,
        "maxReplicas": 3,
        "behavior": {
            "intervalSeconds": 1,
            "staleSeconds": 2,
            "demand": {"windowSeconds": 3, "peakSeconds": 4},
            "scaleUp": {
                "stabilizationWindowSeconds": 5,
                "maxPercent": 6,
                "maxPods": 7,
                "periodSeconds": 8,
            },
            "scaleDown": {"stabilizationWindowSeconds": 9, "maxPercent": 10, "periodSeconds": 11},
            "batch": {"intervalSeconds": 12, "minSamples": 13, "settleSeconds": 14},
            "fallback": {"afterSeconds": 15, "replicas": 16},
        },
    }
    found = autoscaling.parse_autoscaling(Section("spec.autoscaling", fields))
    assert found == Autoscaling(
        "Recommend",
        2,
        3,
        Behavior(
            1,
            2,
            DemandWindows(3, 4),
            ScaleUp(5, 6, 7, 8),
            ScaleDown(9, 10, 11),
            BatchTuning(12, 13, 14),
            Fallback(15, 16),
        ),
    )


def test_without_a_field_nothing_is_scaled():
    empty = Section("spec", {})
    assert autoscaling.parse_objectives(empty) == Objectives()
    assert autoscaling.parse_batch_policy(empty) == BatchPolicy(mode="Fixed")
    assert autoscaling.parse_autoscaling(empty) == Autoscaling(mode="Off")


@pytest.mark.parametrize("size", [1, 65])
def test_a_fixed_size_may_lie_outside_the_bounds_of_tuning(size):
    fields = {"size": size, "minSize": 2, "maxSize": 64}
    assert autoscaling.parse_batch_policy(Section("spec.batching", fields)).size == size


@pytest.mark.parametrize(
    ("parse", "fields", "message"),
    [
        (autoscaling.parse_objectives, {"gpuUtilization": "0"}, "gpuUtilization"),
        (autoscaling.parse_objectives, {"gpuUtilization": "1.1"}, "gpuUtilization"),
        (autoscaling.parse_objectives, {"gpuUtilization": "nan"}, "gpuUtilization"),
        (autoscaling.parse_objectives, {"gpuUtilization": "much"}, "gpuUtilization"),
        (autoscaling.parse_objectives, {"finalLatency": {"quantile": "p75"}}, "quantile"),
        (autoscaling.parse_objectives, {"finalLatency": {"milliseconds": 0}}, "milliseconds"),
        (autoscaling.parse_batch_policy, {"mode": "auto"}, "mode"),
        (autoscaling.parse_batch_policy, {"mode": "Auto", "minSize": 17}, "minSize <= size"),
        (autoscaling.parse_batch_policy, {"mode": "Auto", "maxSize": 15}, "size <= maxSize"),
        (autoscaling.parse_batch_policy, {"mode": "Auto", "minSize": 0}, "minSize"),
        (autoscaling.parse_autoscaling, {"mode": "On"}, "mode"),
        (autoscaling.parse_autoscaling, {"minReplicas": 0}, "1 <= minReplicas"),
        (autoscaling.parse_autoscaling, {"minReplicas": 11}, "minReplicas <= maxReplicas"),
    ],
)
def test_a_bad_field_is_named(parse, fields, message):
    with pytest.raises(FieldError, match=message):
        parse(Section("spec.part", fields))
