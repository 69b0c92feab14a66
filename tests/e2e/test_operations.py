"""What an operator of services has at hand: the plugin, the dashboard and the alerts.

Each query of a panel has an answer once there was traffic and a decision. Alerts are asked without
what makes them alerts: comparisons give 0 or 1, and any status of a condition will do.
"""

import asyncio
import json
import math
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from harness import speaking, waiting

ONE_DECISION = {"intervalSeconds": 5, "batch": {"intervalSeconds": 3600}}
CHART = Path(__file__).parents[2] / "charts" / "asr-operator"
RULES = [
    rule
    for group in yaml.safe_load((CHART / "alerts" / "rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule["expr"] for rule in RULES if "alert" in rule}
PANELS = {
    f"{panel['title']}: {target.get('legendFormat', 'now')}": target["expr"]
    for path in sorted(CHART.glob("dashboards/*.json"))
    for panel in json.loads(path.read_text())["panels"]
    for target in panel.get("targets", ())
}


def recorded():
    """Return what is recorded under each name; of several rules, what any of them records."""
    found: dict[str, str] = {}
    for rule in RULES:
        if "record" in rule:
            expression = rule["expr"]
            for label, value in rule.get("labels", {}).items():
                expression = f'label_replace({expression}, "{label}", "{value}", "", "")'
            former = found.get(rule["record"])
            found[rule["record"]] = f"{former} or {expression}" if former else expression
    return found


def unfold(expression, records):
    """Put what is recorded in the place of its name, since this Prometheus records nothing."""
    for name in sorted(records, key=len, reverse=True):
        expression = re.sub(
            rf"{name}\[(\w+)\]",
            lambda found, of=name: f"({records[of]})[{found[1]}:15s]",
            expression,
        )
        expression = re.sub(rf"{name}\b(?!:)", lambda _, of=name: f"({records[of]})", expression)
    return unfold(expression, records) if "asr_service:" in expression else expression


def loosen(expression):
    """Ask for what an alert is about, whether or not it is bad."""
    expression = re.sub(r"(>=|>|==) (?=[\d.]+( |\n|$))", r"\1 bool ", expression)
    expression = re.sub(r'(status|reason)!?="\w+"', r'\1!=""', expression)
    return re.sub(r"^absent\((.*)\)$", r"\1", expression)


@pytest.fixture(scope="module")
def decided(speech, heard, utterances):
    """Have the autoscaler decide once, whatever the load: bring the batch size into its bounds.

    After that, when Prometheus knows the servers, somebody speaks live, and a file is sent.
    """
    speech.wait_ready()
    batching = {"mode": "Auto", "size": 4, "minSize": 2, "maxSize": 8}
    speech.patch({"batching": batching, "autoscaling": {"behavior": ONE_DECISION}})
    waiting.wait_for(
        "a decision",
        lambda: speech.status,
        lambda status: status["batchSize"]["desired"] == 8 and status.get("scalingHistory"),
    )
    for mode in ("2pass", "offline"):
        asyncio.run(speaking.speak_all(speech.url, utterances[:4], mode))
    yield speech
    speech.patch({"batching": {"mode": "Fixed", "size": 16, "minSize": None, "maxSize": None}})


@pytest.fixture
def kubectl_asr():
    """Run the plugin as a user does; return what it says, and what it says is wrong."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "COLUMNS": "1000"}

    def run(*arguments):
        command = ["kubectl", "asr", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.stdout, done.stderr

    return run


@pytest.fixture
def ask(prometheus):
    """Return the values that answer a query."""

    def ask(expression):
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=10) as answer:
            return [float(each["value"][1]) for each in json.load(answer)["data"]["result"]]

    return ask


@pytest.mark.parametrize("panel", PANELS)
def test_panel_shows_numbers(panel, decided, speech, ask):
    expression = (
        PANELS[panel]
        .replace("$namespace", speech.namespace.name)
        .replace("$service", speech.name)
        .replace("$__rate_interval", "1h")
        .replace("< +Inf", "> bool 0")  # this service sheds nothing, and so limits no streams
    )

    waiting.wait_for(
        f"numbers in {panel}",
        lambda: ask(expression),
        lambda values: any(map(math.isfinite, values)),
    )


@pytest.mark.parametrize("alert", ALERTS)
def test_alert_watches_something(alert, decided, ask):
    expression = unfold(loosen(ALERTS[alert]), recorded())

    waiting.wait_for(f"what {alert} watches", lambda: ask(expression))


def test_plugin_tells_how_services_are(decided, kubectl_asr):
    told, wrong = kubectl_asr("status", "speech", "-n", decided.namespace.name)

    assert wrong == ""
    assert told.startswith(f"{decided.namespace.name}/speech: ready, 1 of 1 replicas are ready.")
    assert "at most 8 utterances" in told
    assert "tuned between 2 and 8" in told


def test_plugin_tells_why(decided, kubectl_asr):
    told, _ = kubectl_asr("why", "speech", "-n", decided.namespace.name)

    assert "autoscaling Off, batching Auto." in told
    assert "Lowered the batch size from 16 to 8: it was outside the bounds of the spec." in told


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["status", "nobody"], "kubectl get asr -A lists all"),
        (["status", "-A", "--as=nobody"], "ask for the verbs get and list"),
        (["status", "--context=nowhere"], "context was not found for specified context: nowhere"),
    ],
)
def test_plugin_says_what_is_wrong(decided, kubectl_asr, arguments, advice):
    told, wrong = kubectl_asr(*arguments)

    assert told == ""
    assert advice in wrong
