import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_server.scheduling import service_time


def learned(batches):
    model = service_time.ServiceTime()
    for padded_s, busy_s in batches:
        model = model.after(padded_s, busy_s)
    return model


def line(start_s, per_padded_s, lengths):
    return [(length, start_s + per_padded_s * length) for length in lengths]


def test_nothing_is_predicted_before_enough_batches():
    assert learned(line(0.01, 0.001, range(1, 5))).predict_s(10) is None


@given(start_s=st.floats(0.001, 0.05), per_padded_s=st.floats(0.0005, 0.05))
def test_a_line_is_learned(start_s, per_padded_s):
    model = learned(line(start_s, per_padded_s, [3, 12, 50, 100, 7, 30, 80] * 4))
    assert model.predict_s(60) == pytest.approx(start_s + 60 * per_padded_s, rel=0.01)


@given(start_padded_s=st.floats(0, 150))
def test_what_a_start_costs_is_believed_as_batches_tell_it(start_padded_s):
    lengths = [3, 12, 50, 100, 7, 30, 80]
    few = learned(line(start_padded_s, 1.0, lengths)).start_padded_s
    many = learned(line(start_padded_s, 1.0, lengths * 20)).start_padded_s
    doubt = abs(start_padded_s - service_time.DEFAULT_START_PADDED_S)
    assert abs(many - start_padded_s) <= 0.2 * doubt + 1e-6
    assert abs(few - start_padded_s) >= 0.5 * doubt - 1e-6


def test_batches_of_one_length_keep_the_default_start():
    model = learned([(10.0, 0.3)] * 20)
    assert model.start_padded_s == service_time.DEFAULT_START_PADDED_S
    assert model.predict_s(10.0) == pytest.approx(0.3)
    assert model.predict_s(25.0) == pytest.approx(0.6)


def test_a_device_that_becomes_slower_is_followed():
    lengths = [5, 20, 60, 100]
    model = learned(line(0.01, 0.001, lengths * 50) + line(0.02, 0.002, lengths * 50))
    assert model.predict_s(50) == pytest.approx(0.12, rel=0.05)


@given(
    st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 100)), min_size=1, max_size=30),
    st.floats(0, 1e4),
)
def test_predictions_are_never_negative_and_grow_with_the_batch(batches, padded_s):
    model = learned(batches)
    assert 0 <= model.start_padded_s <= service_time.MOST_START_PADDED_S
    predicted = model.predict_s(padded_s)
    assert predicted is None or 0 <= predicted <= model.predict_s(padded_s + 1)
