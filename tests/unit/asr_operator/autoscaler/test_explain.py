import pytest

from asr_operator.api.names import Reason
from asr_operator.autoscaler import explain
from asr_operator.state.scaling import Change

INPUTS = (
    ("batchMs", "78"),
    ("batchSize", "4"),
    ("costMs", "6.5"),
    ("demandPeak", "300"),
    ("finalLatencyMs", "2600"),
    ("gpu", "0.9"),
    ("objectiveMs", "2000"),
    ("queueWaitMs", "2400"),
    ("maxReplicas", "20"),
    ("minReplicas", "4"),
    ("ready", "2"),
    ("schedule", "office-hours"),
    ("servedPerReplica", "107.8"),
    ("sessions", "170"),
    ("sizeBound", "0.4"),
)
SENTENCES = {
    Reason.CAPACITY_NEEDED: "300 audio seconds arrive per second, and one server serves 107.8",
    Reason.SESSIONS_NEEDED: "170 sessions are open on 2 servers",
    Reason.GPU_ABOVE_OBJECTIVE: "the GPUs are busy 0.9 of the time",
    Reason.LATENCY_ABOVE_OBJECTIVE: "finals took 2600 ms, more than 2000, and 2400 ms of it",
    Reason.LOAD_FELL: "less is enough for 300 audio seconds per second",
    Reason.BATCH_TOO_LARGE: "finals took 2600 ms, more than 2000, and batches took 78 ms",
    Reason.BATCH_TOO_SMALL: "the size closed 0.4 of the batches",
    Reason.BATCH_ROLLED_BACK: "finals took 2600 ms and an audio second 6.5 ms",
    Reason.METRICS_FALLBACK: "nothing has been known of the load for too long",
    Reason.OUT_OF_BOUNDS: "it was outside the bounds of the spec",
    Reason.BOUNDS_SCHEDULED: "outside the bounds while office-hours is in force, 4 to 20",
    Reason.SPEC_CHANGED: "the spec was changed",
}


@pytest.mark.parametrize(("reason", "cause"), SENTENCES.items(), ids=SENTENCES)
def test_a_record_tells_its_cause_in_a_sentence(reason, cause):
    sentence = explain.describe_change(Change(0.0, "replicas", 1, 3, reason, INPUTS))
    assert sentence.startswith("Raised replicas from 1 to 3: ")
    assert cause in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(("who", "verb"), [("day", "is"), ("day and launch", "are")])
def test_one_schedule_is_in_force_and_two_are(who, verb):
    inputs = (("schedule", who), ("minReplicas", "4"), ("maxReplicas", "20"))
    change = Change(0.0, "replicas", 1, 4, Reason.BOUNDS_SCHEDULED, inputs)
    assert f"while {who} {verb} in force, 4 to 20." in explain.describe_change(change)


def test_a_step_down_is_told_as_one():
    change = Change(0.0, "batchSize", 5, 3, Reason.LOAD_FELL, INPUTS)
    assert explain.describe_change(change).startswith("Lowered the batch size from 5 to 3: ")
    assert "Auto would lower the batch size" in explain.describe_advice(change)


def test_a_record_without_inputs_is_told_without_them():
    change = Change(0.0, "replicas", 1, 2, Reason.CAPACITY_NEEDED)
    assert "an unknown number of audio seconds" in explain.describe_change(change)


def test_the_inputs_of_a_change_can_be_read_back(decided, make_sample):
    (change,) = decided(make_sample(demand=300.0)).changes
    assert explain.read_input(change, "demand") == 300
    assert explain.read_input(change, "finalLatencyMs") == 200
    assert explain.read_input(change, "gpu") is None
    assert (
        explain.read_input(Change(0, "replicas", 1, 2, Reason.STEADY, (("x", "?"),)), "x") is None
    )


def test_steady_messages_hold_no_number_that_varies_with_the_load(decided, make_sample):
    messages = {decided(make_sample(demand=demand)).message for demand in (140.0, 150.0, 160.0)}
    assert messages == {"2 servers with batches of up to 4 are right for the load."}
