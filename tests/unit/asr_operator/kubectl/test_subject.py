import pytest

from asr_operator.kubectl import subject

GPU = "No node has a free GPU: add nodes."


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, []),
        ({"Ready": ("False", "Starting", "Wait.")}, []),
        ({"Ready": ("False", "ScaledToZero", "Raise it.")}, []),
        ({"CapacityAvailable": ("False", "InsufficientGpu", GPU)}, ["CapacityAvailable"]),
        (
            {
                "Ready": ("False", "InsufficientGpu", f"0 of 2 replicas are ready. {GPU}"),
                "CapacityAvailable": ("False", "InsufficientGpu", GPU),
            },
            ["CapacityAvailable"],
        ),
        ({"Progressing": ("False", "ProgressDeadlineExceeded", "Look.")}, ["Progressing"]),
        ({"ScalingLimited": ("False", "NotLimited", "Fine.")}, []),
        ({"ScalingLimited": ("True", "MaxReplicasReached", "Raise it.")}, ["ScalingLimited"]),
        ({"MetricsAvailable": ("Unknown", "NotSampledYet", "Wait.")}, []),
        ({"SomethingNew": ("False", "Unheard", "Of.")}, []),
    ],
)
def test_condition_needs_attention_when_somebody_can_do_something(seen, conditions, expected):
    assert [each.type for each in subject.find_attention(seen(conditions))] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"autoscaling": {"mode": "External"}}, []),
        ({"autoscaling": {"mode": "Auto"}}, ["MetricsAvailable"]),
        ({"batching": {"mode": "Auto"}}, ["MetricsAvailable"]),
    ],
)
def test_missing_prometheus_needs_attention_where_the_load_decides(seen, spec, expected):
    missing = {"MetricsAvailable": ("False", "PrometheusNotConfigured", "Name one.")}

    assert [each.type for each in subject.find_attention(seen(missing, spec))] == expected
