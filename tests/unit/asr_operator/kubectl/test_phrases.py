import pytest

from asr_operator.kubectl import phrases


@pytest.mark.parametrize(
    ("time", "age"),
    [
        ("2026-01-01T12:00:00Z", "0 s"),
        ("2026-01-01T11:59:59Z", "1 s"),
        ("2026-01-01T11:58:01Z", "119 s"),
        ("2026-01-01T11:58:00Z", "2 min"),
        ("2026-01-01T10:00:01Z", "119 min"),
        ("2026-01-01T10:00:00Z", "2 h"),
        ("2025-12-25T12:00:00Z", "7 d"),
        ("2026-01-01T12:00:30Z", "0 s"),  # the clock here is behind that of the cluster
    ],
)
def test_age_has_the_largest_unit_that_it_fills_twice(time, age, now):
    assert phrases.render_age(time, now) == age


@pytest.mark.parametrize(("count", "text"), [(0, "0 servers"), (1, "1 server"), (2, "2 servers")])
def test_counts_agree_with_their_nouns(count, text):
    assert phrases.render_count(count, "server") == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("demand", "demand 7"),
        ("demandPeak", "demand peak 7"),
        ("finalLatencyMs", "final latency 7 ms"),
        ("servedPerReplica", "served per replica 7"),
    ],
)
def test_inputs_are_words_with_units(name, text):
    assert phrases.render_inputs(((name, "7"),)) == text


def test_inputs_are_listed_in_the_order_given():
    assert phrases.render_inputs((("b", "1"), ("a", "2"))) == "b 1, a 2"
