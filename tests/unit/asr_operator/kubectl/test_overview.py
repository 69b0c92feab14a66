import pytest

from asr_operator.kubectl import overview

BOUNDS = {
    "minReplicas": 4,
    "maxReplicas": 20,
    "schedules": ["office", "launch"],
    "until": "2026-01-01T17:00:00Z",
}
AUTO = {"autoscaling": {"mode": "Auto", "minReplicas": 1, "maxReplicas": 8}}
LOAD = {
    "time": "2026-01-01T11:59:00Z",
    "demand": "3.2",
    "finalLatencyMilliseconds": 312,
    "queueWaitMilliseconds": 20,
    "engineDuty": "0.64",
}
CHANGES = [
    {"time": "2026-01-01T11:40:00Z", "knob": "replicas", "from": 1, "to": 4, "reason": "Load"},
    {"time": "2026-01-01T11:50:00Z", "knob": "batchSize", "from": 8, "to": 16, "reason": "Load"},
    {"time": "2026-01-01T11:57:00Z", "knob": "replicas", "from": 4, "to": 2, "reason": "Load"},
]


@pytest.fixture
def lines(now):
    def lines(seen):
        return overview.render_overview(seen, now, 1000).splitlines()

    return lines


def entry(lines, label):
    """Return all that stands beside a label."""
    (found,) = [line for line in lines if line.startswith(f"  {label} ")]
    return found.removeprefix(f"  {label} ").strip()


def test_healthy_service_is_told_in_four_lines(lines, seen):
    assert lines(seen()) == [
        "speech/demo: ready, 2 of 2 replicas are ready.",
        "  address     ws://demo.speech.svc:10095",
        "  replicas    2 of 2 servers ready; spec.replicas says 2 (mode Off).",
        "  batch size  at most 16 utterances, in force (mode Fixed).",
    ]


def test_address_says_that_clients_need_a_token(lines, seen):
    told = lines(seen(spec={"service": {"auth": {"secretName": "clients"}}}))
    assert entry(told, "address") == "ws://demo.speech.svc:10095 (with a token)"


@pytest.mark.parametrize(
    ("spec", "status", "text"),
    [
        (
            {},
            {"replicas": 1, "readyReplicas": 0},
            "0 of 1 server ready; spec.replicas says 2 (mode Off).",
        ),
        (
            AUTO,
            {},
            "2 of 2 servers ready; tuned between 1 and 8, whatever spec.replicas says (mode Auto).",
        ),
        (
            {"autoscaling": {"mode": "Recommend"}},
            {"recommendation": {"replicas": 5}},
            "2 of 2 servers ready; spec.replicas says 2, mode Auto would run 5 (mode Recommend).",
        ),
        (
            {"autoscaling": {"mode": "Recommend"}},
            {},
            "2 of 2 servers ready; spec.replicas says 2 (mode Recommend).",
        ),
        (
            {"autoscaling": {"mode": "External"}},
            {},
            "2 of 2 servers ready; spec.replicas says 2; an external autoscaler may write it"
            " (mode External).",
        ),
        (
            AUTO,
            {"scalingHistory": CHANGES},
            "2 of 2 servers ready; tuned between 1 and 8, whatever spec.replicas says (mode Auto)."
            " Last changed 3 min ago, from 4 to 2.",
        ),
        (
            AUTO,
            {"bounds": BOUNDS},
            "2 of 2 servers ready; tuned between 4 and 20 while office and launch are in force,"
            " until 2026-01-01T17:00:00Z, whatever spec.replicas says (mode Auto).",
        ),
        (
            AUTO,
            {"bounds": BOUNDS | {"schedules": []}},
            "2 of 2 servers ready; tuned between 4 and 20 while no schedule is in force,"
            " until 2026-01-01T17:00:00Z, whatever spec.replicas says (mode Auto).",
        ),
    ],
)
def test_replicas_say_who_decides_them(lines, seen, spec, status, text):
    assert entry(lines(seen(spec=spec, **status)), "replicas") == text


@pytest.mark.parametrize(
    ("applied", "spec", "status", "text"),
    [
        ("True", {}, {"batchSize": {}}, "No server has been told yet."),
        (
            "True",
            {},
            {"batchSize": {"desired": 1}},
            "at most 1 utterance, in force (mode Fixed).",
        ),
        (
            "False",
            {},
            {},
            "at most 16 utterances, not yet in force on every server (mode Fixed).",
        ),
        ("Unknown", {}, {}, "at most 16 utterances, unknown whether in force (mode Fixed)."),
        (
            "True",
            {"batching": {"mode": "Auto", "minSize": 2, "maxSize": 32}},
            {"scalingHistory": CHANGES},
            "at most 16 utterances, in force; tuned between 2 and 32 (mode Auto)."
            " Last changed 10 min ago, from 8 to 16.",
        ),
    ],
)
def test_batch_size_says_whether_it_is_in_force(lines, seen, applied, spec, status, text):
    told = {"BatchSizeApplied": (applied, "Reason", "Some servers are slow.")}

    assert entry(lines(seen(told, spec, **status)), "batch size") == text


@pytest.mark.parametrize(
    ("load", "sessions", "text"),
    [
        (
            LOAD,
            7,
            "7 sessions open, 3.2 s of audio arrived per second, p95 of final latency 312 ms"
            " (objective 500 ms), of queue wait 20 ms, engines busy 0.64 of the time; 60 s ago.",
        ),
        (
            LOAD | {"refusedPerSecond": "0.5", "gpuUtilization": "0.9", "engineDuty": None},
            None,
            "3.2 s of audio arrived per second, p95 of final latency 312 ms (objective 500 ms),"
            " of queue wait 20 ms, GPUs busy 0.9 of the time, 0.5 sessions refused per second;"
            " 60 s ago.",
        ),
        (
            {"time": LOAD["time"], "gpuUtilization": "0.9", "gpuSignal": "DCGM_FI_DEV_GPU_UTIL"},
            None,
            "GPUs busy 0.9 of the time (by DCGM_FI_DEV_GPU_UTIL); 60 s ago.",
        ),
        (
            {"time": LOAD["time"], "gpuUtilization": "0.4", "gpuSignal": "x", "gpusShared": True},
            None,
            "GPUs that other pods share busy 0.4 of the time for it (by x); 60 s ago.",
        ),
        ({"time": LOAD["time"], "refusedPerSecond": "0"}, 0, "0 sessions open; 60 s ago."),
        ({"time": LOAD["time"]}, None, "nothing is known; 60 s ago."),
    ],
)
def test_load_tells_what_is_known_and_nothing_else(lines, seen, load, sessions, text):
    assert entry(lines(seen(load=load, sessions=sessions)), "load") == text


def test_service_without_a_measured_load_has_no_such_line(lines, seen):
    assert not [line for line in lines(seen()) if line.startswith("  load")]


def test_condition_that_needs_attention_says_for_how_long_and_what_to_do(lines, seen):
    metrics = ("False", "PrometheusTimedOut", "Prometheus is slow. See whether it has enough CPU.")

    assert entry(lines(seen({"MetricsAvailable": metrics})), "attention") == (
        "MetricsAvailable is False for 5 min: Prometheus is slow. See whether it has enough CPU."
    )


def test_title_says_that_the_last_change_of_the_spec_was_not_looked_at(lines, seen):
    assert lines(seen(metadata={"generation": 4}))[0] == (
        "speech/demo: ready, 2 of 2 replicas are ready."
        " The last change of the spec has not been looked at yet."
    )


def test_title_says_that_the_service_is_paused(lines, seen):
    paused = {"annotations": {"asr-operator.dev/pause": "true"}}

    assert lines(seen(metadata=paused))[0].endswith("Nothing is changed while it is paused.")


def test_title_says_that_the_service_is_not_ready(lines, seen):
    starting = {"Ready": ("False", "Starting", "0 of 2 replicas are ready: wait.")}

    assert lines(seen(starting))[0] == "speech/demo: not ready, 0 of 2 replicas are ready: wait."


def test_service_that_no_operator_has_looked_at_says_where_to_look(lines, unseen):
    assert lines(unseen) == [f"speech/demo: {overview.UNSEEN}"]


def test_spec_that_cannot_be_used_says_which_field(lines, seen):
    shown = lines(seen(spec={"replicas": "two"}))

    assert entry(shown, "spec") == "spec.replicas must be an integer of at least 0. Correct it."
    assert not [line for line in shown if line.startswith("  replicas")]
