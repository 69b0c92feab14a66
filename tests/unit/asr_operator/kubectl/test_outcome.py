"""A simulation in sentences, as a table and as a picture."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest

from asr_operator.api import spec
from asr_operator.api.names import Reason
from asr_operator.kubectl import outcome, picture
from asr_operator.kubectl.outcome import Told
from asr_operator.kubectl.page import Entry
from asr_operator.simulation import columns
from asr_operator.simulation.run import Outcome, Row
from asr_operator.state.scaling import Change

SPEC = spec.parse_spec({"spec": {"model": {"demo": {}}}})
TOLD = Told("speech: an hour.", (Entry("load", "10 sessions."),), began_at=1000.0)
GROWN = Change(1060.0, "replicas", 1, 3, Reason.SESSIONS_NEEDED, (("sessions", "90"),))


def counters(**values):
    found = [0.0] * columns.COUNTERS
    for name, value in values.items():
        found[getattr(columns, name.upper())] = value
    return tuple(found)


def row(at, finals, late=0, *, ready=1):
    """A scrape by which so many finals came, all of them within 0.05 s or, if late, 20 s."""
    found = list(counters(finals=finals, late=late, audio=3.0 * finals))
    found[columns.LATENCIES] = finals - late
    found[columns.LATENCIES + columns.LATENCY_BOUNDS_S.index(20.0)] = late
    return Row(at, desired=ready, ready=ready, batch_size=4, sessions=9, counters=tuple(found))


ROWS = (row(15, 0), row(75, 100), row(135, 200, 50, ready=3))
FOUND = Outcome(
    3600.0, counters(finals=198, late=50, unanswered=2, refused=1), 7200.0, (GROWN,), 1, ROWS
)


def test_everything_is_told_once():
    lines = outcome.render_outcome(TOLD, SPEC, FOUND, 1000).splitlines()
    assert lines == [
        "speech: an hour.",
        "  load     10 sessions.",
        "  result   25.00 % of 200 finals came later than 500 ms; over the whole time the"
        " objective for p95, at most 5 %, is missed. 1 refusal, 0 sessions that gave up, 0 that"
        " moved to another pod.",
        "  size     1 to 3 replicas, 2.00 pod-hours in 1.00 h (mean 2.00); batch size 4 to 4;"
        " 1 change.",
        "  at 0:01  Raised replicas from 1 to 3: 90 sessions are open on an unknown number of"
        " servers.",
        "",
        "   time  audio/s  sessions  replicas  ready  batch   latency    late",
        "0:01:15      5.0         9         1      1      4     48 ms   0.0 %",
        "0:02:15      5.0         9         3      3      4  19000 ms  50.0 %",
    ]


@pytest.mark.parametrize(("count", "told"), [(3, 3), (12, 12), (40, 13)])
def test_the_first_changes_are_told_and_how_many_more_there_are(count, told):
    found = Outcome(3600.0, FOUND.counters, 1.0, (GROWN,) * count, count, ROWS)
    text = outcome.render_outcome(TOLD, SPEC, found, 1000)
    assert text.count("Raised") + text.count("more changes") == told


def test_a_time_in_which_nothing_happened_is_told_too():
    text = outcome.render_outcome(TOLD, SPEC, Outcome(60.0, counters(), 1.0, (), 0, ()), 1000)
    assert "No utterance ended in that time." in text
    assert "Nothing was scraped in that time." in text


@pytest.mark.parametrize("most", [1, 7, 24, 500])
def test_slices_cover_the_time_without_gaps(most):
    rows = [row(15.0 * place, 10 * place) for place in range(100)]
    slices = outcome.cut(rows, most, 0.95)
    assert len(slices) == min(most, 99)
    assert slices[-1].at_s == rows[-1].at
    assert all(each.audio_ratio == pytest.approx(2.0) for each in slices)
    assert all(a.at_s < b.at_s for a, b in itertools.pairwise(slices))


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "0:00"), (60, "0:01"), (3725, "1:02:05"), (90000, "25:00")]
)
def test_times_are_read_off_a_clock(seconds, expected):
    assert outcome.render_clock(seconds) == expected


def test_the_picture_has_each_value_where_it_belongs():
    hours, panels = outcome.list_panels(ROWS, 0.95)
    drawn = ElementTree.fromstring(picture.draw_picture("a < b & c", hours, panels))
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "a < b & c"
    assert {"replicas", "ready", "asked for", "batch size", "sessions", "late finals, %"} <= {
        *texts
    }
    steps = [each.get("d") for each in drawn.iter("{http://www.w3.org/2000/svg}path")]
    right, top = picture.WIDTH - picture.RIGHT, picture.TOP
    assert any(path.endswith(f"L{right:.1f} {top:.1f}") for path in steps)  # the most, at the end
    assert any(f"H{right:.1f}V" in path for path in steps)


def test_a_picture_of_nothing_is_a_picture():
    hours, panels = outcome.list_panels((), 0.95)
    ElementTree.fromstring(picture.draw_picture("nothing", hours, panels))
