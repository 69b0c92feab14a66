"""Schedules are read as they are written, and what cannot be used names its field."""

import pytest

from asr_operator.api import schedules
from asr_operator.api.fields import FieldError, Section
from asr_operator.api.schedules import Schedule

WINDOW = {"name": "day", "from": "08:00", "to": "18:30", "minReplicas": 2}


def parse(*windows, least=1, most=10):
    section = Section("spec.autoscaling", {"schedules": list(windows)})
    return schedules.parse_schedules(section.sections("schedules"), least, most)


def test_every_field_is_read():
    full = {**WINDOW, "timeZone": "Europe/Berlin", "days": ["Sat", "Sun"], "maxReplicas": 7}
    assert parse(full) == (
        Schedule("day", "08:00", "18:30", "Europe/Berlin", ("Sat", "Sun"), 2, 7),
    )


def test_what_is_left_out_is_every_day_in_utc_with_one_bound():
    assert parse(WINDOW) == (Schedule("day", "08:00", "18:30", min_replicas=2),)
    assert len(Schedule("day", "08:00", "18:30").days) == 7
    assert parse() == ()


@pytest.mark.parametrize(
    ("window", "says"),
    [
        ({**WINDOW, "minReplicas": None}, "set minReplicas, maxReplicas or both"),
        ({**WINDOW, "minReplicas": 0}, "minReplicas must be at least 1"),
        ({**WINDOW, "minReplicas": 11}, "minReplicas must not exceed maxReplicas"),
        ({**WINDOW, "maxReplicas": 1}, "minReplicas must not exceed maxReplicas"),
        ({**WINDOW, "name": ""}, "name must be a string"),
        ({**WINDOW, "from": None}, "from must be a string"),
        ({**WINDOW, "from": "8:00"}, 'from must be a time of day such as "08:30"'),
        ({**WINDOW, "to": "24:00"}, "to must be a time of day"),
        ({**WINDOW, "to": "18:00:00"}, "to must be a time of day"),
        ({**WINDOW, "timeZone": "Mars/Olympus"}, "timeZone must be the IANA name"),
        ({**WINDOW, "timeZone": "../etc/passwd"}, "timeZone must be the IANA name"),
        ({**WINDOW, "timeZone": "Europe"}, "timeZone must be the IANA name"),
        ({**WINDOW, "days": ["Monday"]}, "days must be of Mon, Tue"),
        ({**WINDOW, "days": []}, "days must be of Mon, Tue"),
        ({**WINDOW, "days": "Mon"}, "days must be a list"),
        ({**WINDOW, "days": [1]}, "days must be a list of strings"),
    ],
)
def test_a_schedule_that_cannot_be_used_names_its_field(window, says):
    with pytest.raises(FieldError) as refused:
        parse(window)
    assert str(refused.value).startswith("spec.autoscaling.schedules[0]")
    assert says in str(refused.value)


@pytest.mark.parametrize("listed", ["day", [1], {"day": {}}])
def test_what_is_no_list_of_objects_is_refused(listed):
    with pytest.raises(FieldError, match=r"spec\.autoscaling\.schedules must be a list"):
        Section("spec.autoscaling", {"schedules": listed}).sections("schedules")


def test_two_of_one_name_are_refused():
    with pytest.raises(FieldError, match=r"schedules\[1\]\.name: there is another one called day"):
        parse(WINDOW, WINDOW)
