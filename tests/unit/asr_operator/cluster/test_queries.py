import json

import pytest

from asr_operator.cluster import queries
from asr_operator.cluster.queries import Query, Windows
from asr_operator.settings import SettingsError

JOINED = {
    Query.GPU,
    Query.PEAK_AUDIO,
    Query.FINAL_LATENCY,
    Query.QUEUE_WAIT,
    *queries.OF_FILES,
    *queries.OF_THE_PAST,
}
BY_INSTANCE = set(Query) - JOINED


@pytest.mark.parametrize(
    ("asked_s", "chosen_s"),
    [(1, 5), (10, 10), (11, 15), (60, 60), (61, 120), (3600, 3600), (86400, 3600)],
)
def test_windows_are_rounded_up_to_a_few(asked_s, chosen_s):
    assert queries.choose_windows(asked_s, 120) == Windows(chosen_s, 120)
    assert queries.choose_windows(60, asked_s) == Windows(60, chosen_s)


@pytest.mark.parametrize("query", Query)
def test_every_placeholder_is_filled_in(query):
    windows = None if query in queries.INSTANT else Windows(60, 120)
    promql = queries.load_queries(None).render(query, windows)
    assert not queries.PLACEHOLDER.search(promql)
    kept = promql.partition("(")[2].partition(")")[0]
    assert ("instance" in kept) is (query in BY_INSTANCE)


def test_about_a_dozen_questions_are_asked():
    assert len((*queries.INSTANT, *queries.WINDOWED)) == 17
    groups = (queries.INSTANT, queries.WINDOWED, queries.OF_FILES, queries.OF_THE_PAST)
    assert sorted(query for group in groups for query in group) == sorted(Query)


@pytest.mark.parametrize(
    ("windows", "span"),
    [
        (Windows(60, 120), "[120s:30s]"),
        (Windows(10, 60), "[60s:5s]"),
        (Windows(10, 3600), "[3600s:225s]"),
    ],
)
def test_a_peak_is_sought_in_few_steps(windows, span):
    assert queries.load_queries(None).render(Query.PEAK_AUDIO, windows).endswith(f"{span})")


@pytest.fixture
def given(tmp_path):
    def write(text):
        path = tmp_path / "queries.json"
        path.write_text(text)
        return path

    return write


def test_a_file_replaces_queries_by_name(given):
    own = {"identity": "me", "duty": "duty[$window] * $identity", "gauges": "$1"}
    loaded = queries.load_queries(given(json.dumps(own)))
    assert loaded.render(Query.DUTY, Windows(60, 120)) == "duty[60s] * me"
    assert loaded.render(Query.GAUGES, None) == "$1"
    assert loaded.render(Query.PEAK_AUDIO, Windows(60, 120)).count(" me)") == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "cannot be read"),
        ("[]", "must hold a JSON object"),
        ('{"speed": "up"}', "no query is called 'speed', but identity, pods"),
        ('{"duty": ""}', "duty must be PromQL"),
        ('{"duty": 1}', "duty must be PromQL"),
        ('{"duty": "up[$time]"}', r"duty must not contain \$time"),
        ('{"pods": "up[$window]"}', r"pods must not contain \$window"),
        ('{"past_busy": "up[$time]"}', r"past_busy must not contain \$time"),
        ('{"identity": "$identity"}', r"identity must not contain \$identity"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(given, text, complaint):
    with pytest.raises(SettingsError, match=complaint):
        queries.load_queries(given(text))
