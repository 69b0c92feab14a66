"""Figures are merged, judged by their goals, and shown."""

import pytest

from benchmarks.server import figures
from benchmarks.server.figures import Figure

ABOUT = {
    "date": "2026-11-26T02:00:00+00:00",
    "commit": "abc",
    "machine": {"load_average_before": 1.5},
    "command": "x",
}
PAGE = f"above\n{figures.BEGIN}\nold\n{figures.END}\nbelow\n"


def make_figure(name, value):
    return Figure(name, value, "x", "how")


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("files_ratio_demo", 5.0, True),
        ("files_ratio_demo", 4.99, False),
        ("idle_session_kib", 64, True),
        ("idle_session_kib", 64.1, False),
        ("retune_sessions_harmed", 0, True),
        ("retune_sessions_harmed", 1, False),
        ("sessions_ratio", None, None),
    ],
)
def test_a_figure_is_judged_by_its_goal(name, value, met):
    results = figures.merge({}, [make_figure(name, value)], ABOUT)
    assert results["figures"][name]["met"] is met


def test_a_new_figure_takes_the_place_of_the_old_one_and_others_stay():
    first = [make_figure("files_ratio_demo", 1.0), make_figure("idle_session_kib", 50)]
    known = figures.merge({}, first, ABOUT)
    found = figures.merge(known, [make_figure("files_ratio_demo", 6.0)], ABOUT | {"commit": "def"})
    rows = found["figures"]
    assert [(name, row["value"], row["commit"]) for name, row in rows.items()] == [
        ("files_ratio_demo", 6.0, "def"),
        ("idle_session_kib", 50, "abc"),
    ]


def test_the_table_says_what_was_missed_and_what_was_not_measured():
    found = [make_figure("files_ratio_demo", 1.5), make_figure("sessions_ratio", None)]
    table = figures.render_table(figures.merge({}, found, ABOUT)).splitlines()
    assert "| 1.5 x | >= 5 | **no** | how | 2026-11-26 02:00, abc, 1.5 |" in table[2]
    assert "| not measured | >= 10 | - | how |" in table[3]


def test_only_the_table_of_a_page_is_replaced():
    page = figures.replace_table(PAGE, "| new |")
    assert page == f"above\n{figures.BEGIN}\n\n| new |\n\n{figures.END}\nbelow\n"
    assert figures.replace_table(page, "| new |") == page
    with pytest.raises(ValueError, match="no place"):
        figures.replace_table("above\n", "| new |")
