import pytest

from asr_operator.kubectl import explanation, overview

GREW = {
    "time": "2026-01-01T11:58:00Z",
    "knob": "replicas",
    "from": 1,
    "to": 2,
    "reason": "LatencyAboveObjective",
    "inputs": {"finalLatencyMs": "812", "objectiveMs": "500", "queueWaitMs": "640"},
}
SHRANK = GREW | {"time": "2026-01-01T11:59:30Z", "from": 2, "to": 1, "reason": "LoadFell"}


@pytest.fixture
def lines(now):
    def lines(seen):
        return explanation.render_explanation(seen, now, 1000).splitlines()

    return lines


def test_changes_are_sentences_with_their_inputs_newest_first(lines, seen):
    shown = lines(seen(scalingHistory=[GREW, SHRANK | {"inputs": {"demandPeak": "0.2"}}]))

    assert shown[-2:] == [
        "  30 s ago   Lowered replicas from 2 to 1: less is enough for 0.2 audio seconds per"
        " second. (demand peak 0.2)",
        "  2 min ago  Raised replicas from 1 to 2: finals took 812 ms, more than 500, and 640 ms"
        " of it went by in the queue. (final latency 812 ms, objective 500 ms, queue wait 640 ms)",
    ]


def test_change_of_a_newer_operator_tells_its_reason_as_it_is(lines, seen):
    odd = {"reason": "MoonIsFull", "inputs": None, "knob": "batchSize"}

    assert lines(seen(scalingHistory=[GREW | odd]))[-1].endswith(
        "Raised the batch size from 1 to 2: MoonIsFull."
    )


def test_conditions_of_the_loop_say_what_is_decided_now(lines, seen):
    shown = lines(
        seen(
            {
                "SloMet": ("False", "Unattainable", "Nothing helps."),
                "ScalingActive": ("True", "Steady", "2 servers suit the load."),
            },
            {"autoscaling": {"mode": "Auto"}, "batching": {"mode": "Auto"}},
        )
    )

    assert shown == [
        "speech/demo: 2 replicas, batch size 16.",
        "  modes      autoscaling Auto, batching Auto.",
        "  now        2 servers suit the load.",
        "  objective  Nothing helps.",
        "  delivery   Every ready server reports it.",
        "  changes    none on record.",
    ]


def test_the_schedule_in_force_is_named_with_its_bounds(lines, seen):
    until = "2026-01-01T17:00:00Z"
    bounds = {"minReplicas": 4, "maxReplicas": 20, "schedules": ["office"], "until": until}

    shown = lines(seen(bounds=bounds))

    assert f"  bounds    between 4 and 20 while office is in force, until {until}." in shown


def test_service_that_no_operator_has_looked_at_says_where_to_look(lines, unseen):
    assert lines(unseen) == [f"speech/demo: {overview.UNSEEN}"]


def test_batch_size_that_was_never_told_is_no_number(lines, seen):
    assert lines(seen(batchSize={}))[0] == "speech/demo: 2 replicas, batch size not told yet."
