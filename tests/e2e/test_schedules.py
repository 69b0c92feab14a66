"""A schedule on the real thing: a window that begins while one looks, by the clock of its zone."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from harness import asr, waiting

PLUGIN = Path(sys.executable).parent / "kubectl-asr"
ZONE = "Asia/Kathmandu"  # a quarter of an hour beside everybody's hours
AUTO = {"mode": "Auto", "minReplicas": 1, "maxReplicas": 3, "behavior": {"intervalSeconds": 5}}
SOON_S, LATE_S = 60, 45


@pytest.fixture(scope="module")
def service(new_namespace):
    """A service whose replicas nothing but bounds decides: nobody speaks."""
    service = asr.Service(new_namespace("schedules"), "scheduled")
    service.apply({"autoscaling": AUTO})
    service.wait_ready()
    return service


@pytest.fixture(scope="module")
def window(service):
    """A window that begins in a minute or two; wait until its servers are ready."""
    begin = (datetime.now(UTC) + timedelta(seconds=SOON_S)).replace(second=0, microsecond=0)
    begin += timedelta(minutes=1)
    local = begin.astimezone(ZoneInfo(ZONE))
    schedule = {
        "name": "rush",
        "timeZone": ZONE,
        "from": f"{local:%H:%M}",
        "to": f"{local + timedelta(hours=1):%H:%M}",
        "minReplicas": 2,
    }
    service.patch({"autoscaling": {"schedules": [schedule]}})
    before = {"minReplicas": 1, "maxReplicas": 3, "schedules": [], "until": render(begin)}
    waiting.wait_for(
        "bounds before the window",
        lambda: service.status.get("bounds"),
        lambda bounds: bounds == before,
    )
    waiting.wait_for(
        "servers of the window",
        lambda: len(service.ready_pods()),
        lambda ready: ready == 2,
        deadline_s=SOON_S + 60 + asr.READY_S,
    )
    return begin


def render(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_replicas_are_raised_when_the_window_begins(service, window):
    (record,) = service.status["scalingHistory"]
    decided = datetime.fromisoformat(record["time"])

    assert (record["reason"], record["from"], record["to"]) == ("BoundsScheduled", 1, 2)
    assert record["inputs"] == {"schedule": "rush", "minReplicas": "2", "maxReplicas": "3"}
    assert timedelta(0) <= decided - window <= timedelta(seconds=LATE_S)


def test_the_status_and_the_plugin_name_the_window(service, window):
    until = render(window + timedelta(hours=1))
    bounds = {"minReplicas": 2, "maxReplicas": 3, "schedules": ["rush"], "until": until}
    assert service.status["bounds"] == bounds

    why = [PLUGIN, "why", service.name, "-n", service.namespace.name]
    said = " ".join(subprocess.run(why, capture_output=True, text=True, check=True).stdout.split())

    assert f"between 2 and 3 while rush is in force, until {until}." in said
    assert "outside the bounds while rush is in force, 2 to 3" in said


def test_a_schedule_that_is_taken_away_is_in_force_no_more(service, window):
    service.patch({"autoscaling": {"schedules": []}})

    waiting.wait_for(
        "status without bounds",
        lambda: service.status,
        lambda status: "bounds" not in status,
    )
