"""Where service times come from, the first that there is; and that what is used is said."""

import pytest

from asr_operator.api import spec
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.kubectl import service_times
from asr_operator.kubectl.service_times import Wish
from asr_operator.simulation.profiles import Costs

CPU, CUDA = {"device": "cpu"}, {"device": "cuda"}
DEMO, CLAIM = {"demo": {}}, {"pvc": {"claimName": "models"}}
RECORDED = ServiceModel().learn(10.0, 0.2).learn(20.0, 0.3).learn(40.0, 0.5)


def record(**inputs):
    found = tuple((key, str(value)) for key, value in inputs.items())
    return ScalingRecord("2026-01-01T12:00:00Z", "replicas", 1, 2, "CapacityNeeded", found)


HISTORY = (record(), record(batchMs=200, costMs=20), record(batchMs=500, costMs=12.5))


def choose(wish=Wish(), history=(), recorded=ServiceModel(), model=DEMO, runtime=CPU):  # noqa: B008
    parsed = spec.parse_spec({"spec": {"model": model, "runtime": runtime}})
    return service_times.choose_service_times(wish, parsed, history, recorded)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "profile demo-cpu: the demo models on one CPU thread, measured"),
        ({"model": CLAIM}, "profile large-cpu: a large model on a CPU, assumed"),
        ({"runtime": CUDA}, "profile large-gpu: a large model on a small GPU, assumed"),
        ({"history": HISTORY}, "learned from 2 decisions in status.scalingHistory"),
        ({"history": HISTORY, "recorded": RECORDED}, "learned from 3 points that Prometheus"),
        ({"wish": Wish("large-gpu"), "recorded": RECORDED}, "profile large-gpu"),
        ({"wish": Wish("large-gpu", 50.0, 2.0), "history": HISTORY}, "as the flags say"),
        ({"history": (record(batchMs="?", costMs=1), record(batchMs=5))}, "profile demo-cpu"),
    ],
)
def test_the_first_that_there_is_counts_and_is_named(given, says):
    assert choose(**given).source.startswith(says)


def test_flags_are_milliseconds():
    assert choose(Wish(None, 50.0, 2.0)).costs == Costs(0.05, 0.002)


def test_what_is_learned_predicts_what_was_seen():
    costs = choose(recorded=RECORDED).costs
    for padded_s, busy_s in ((10.0, 0.2), (40.0, 0.5)):
        assert costs.start_s + costs.audio_s * padded_s == pytest.approx(busy_s, rel=0.2)


def test_a_round_of_the_history_is_batch_over_cost():
    model = service_times.learn_from_history(HISTORY)
    assert model.points == 2
    assert model.predict_s(10.0) == pytest.approx(0.2, rel=0.2)
    assert model.predict_s(40.0) == pytest.approx(0.5, rel=0.2)


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (Costs(0.004, 0.0011), "a batch takes 4 ms and 1.1 ms for each padded second of audio"),
        (
            Costs(0.0, 0.03, floor_s=0.4),
            "a batch takes 0 ms and 30 ms for each padded second of audio, at least 400 ms",
        ),
    ],
)
def test_costs_are_told_in_words(costs, words):
    assert service_times.describe_costs(costs) == words
