import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_operator.autoscaler import service_model
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.state.load import BatchPoint, StageLoad

START_S, SLOPE = 0.03, 0.004


def learn(points):
    model = ServiceModel()
    for padded_s, busy_s in points:
        model = model.learn(padded_s, busy_s)
    return model


def line(padded_s):
    return START_S + SLOPE * padded_s


def test_batches_that_vary_teach_both_parameters():
    model = learn([(padded_s, line(padded_s)) for padded_s in (6, 12, 30, 9, 24, 48, 15) * 3])
    assert model.slope == pytest.approx(SLOPE, rel=0.05)
    assert model.predict_s(100) == pytest.approx(line(100), rel=0.05)


def test_before_batches_vary_starting_one_costs_as_much_as_the_prior():
    model = learn([(12, line(12))] * 20)
    assert model.slope == pytest.approx(line(12) / (12 + service_model.PRIOR_START_S))
    assert model.predict_s(12) == pytest.approx(line(12))


def test_what_was_learned_stays_while_batches_do_not_vary():
    varied = learn([(padded_s, line(padded_s)) for padded_s in (6, 12, 30, 9, 24, 48) * 3])
    steady = varied
    for _ in range(500):
        steady = steady.learn(varied.padded_s, line(varied.padded_s))
    assert steady.slope == pytest.approx(varied.slope, rel=0.05)


def test_the_level_follows_a_slower_machine_while_batches_do_not_vary():
    model = learn([(12, line(12))] * 10 + [(12, 3 * line(12))] * 40)
    assert model.predict_s(12) == pytest.approx(3 * line(12), rel=0.05)


def test_old_batches_are_forgotten_when_new_ones_vary():
    old = [(padded_s, line(padded_s)) for padded_s in (6, 48) * 10]
    new = [(padded_s, 2 * line(padded_s)) for padded_s in (6, 48) * 30]
    assert learn(old + new).slope == pytest.approx(2 * SLOPE, rel=0.05)


POSITIVE = st.floats(0.001, 1000)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=30), POSITIVE, POSITIVE)
def test_a_larger_batch_never_takes_less_time_nor_more_per_second(points, one, other):
    model = learn(points)
    small, large = sorted((one, other))
    fast, slow = model.predict_s(small), model.predict_s(large)
    assert 0 < fast <= slow * (1 + 1e-9) + 1e-12
    assert slow / large <= fast / small * (1 + 1e-6)


def stage(name, busy_ratio, **fields):
    values = {"batches_per_s": 2.0, "items_per_s": 8.0, "padded_audio_ratio": 24.0, **fields}
    return StageLoad(stage=name, busy_ratio=busy_ratio, size_bound_ratio=0.0, **values)


def test_a_round_is_a_batch_of_the_recognizer_and_the_work_around_it():
    mean = service_model.measure_round((stage("vad", 0.1), stage("asr", 0.4), stage("punc", 0.1)))
    assert (mean.padded_s, mean.busy_s, mean.items) == pytest.approx((12.0, 0.3, 4.0))


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (stage("vad", 0.1),),
        (stage("asr", 0.1, batches_per_s=0.0),),
        (stage("asr", 0.1, padded_audio_ratio=0.0),),
        (stage("asr", 0.0),),
    ],
)
def test_without_a_batch_there_is_no_round(stages):
    assert service_model.measure_round(stages) is None


def test_the_past_teaches_the_same_in_any_order():
    points = [
        BatchPoint(60.0 * minute, name, 2.0, padded_s, share * line(padded_s))
        for minute, padded_s in enumerate((6, 12, 30, 9, 24, 48) * 3)
        for name, share in (("asr", 0.75), ("vad", 0.25))
    ]
    model = service_model.refit(points)
    assert model.points == 18
    assert model.slope == pytest.approx(SLOPE, rel=0.05)
    assert service_model.refit(sorted(points, key=lambda point: point.stage)) == model


def test_no_past_teaches_nothing():
    assert service_model.refit(()) == ServiceModel()
