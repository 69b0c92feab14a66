"""Dashboards and alerts against the programs: every metric and label that they name exists."""

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from asr_operator import metrics as operator_metrics
from asr_operator.api import names
from asr_server import metrics as server_metrics

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "asr-operator"
GROUPS = yaml.safe_load((CHART / "alerts" / "rules.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
QUERIES = [
    *(rule["expr"] for rule in RULES),
    *(
        target["expr"]
        for path in CHART.glob("dashboards/*.json")
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    ),
]
SELECTOR = re.compile(r"\b(asr_[a-z_]+)(?:\{(.*?)\})?(?=[\s)\[]|$)")
TARGET = {"instance", "le"}


REGISTRIES = (server_metrics.Metrics().registry, operator_metrics.OperatorMetrics().registry)
SERIES: dict[str, MetricWrapperBase] = {
    name: collector
    for registry in REGISTRIES
    for name, collector in registry._names_to_collectors.items()
}


def labels(name):
    found = SERIES[name]
    return set(found._labelnames) | ({"le"} if name.endswith("_bucket") else set())


def selected(query):
    """Return the name of each series that a query selects, with the labels that it asks for."""
    clean = re.sub(r"(by|on|group_left) \(.*?\)", "", query)
    return [
        (name, set(re.findall(r"(\w+)(?==|!=|=~|!~)", matchers)))
        for name, matchers in SELECTOR.findall(clean)
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_query_names_metrics_and_labels_that_exist(query):
    found = selected(query)
    recorded = set(re.findall(r"\basr_service:[\w:]+", query))

    assert found or recorded
    assert recorded <= {rule["record"] for rule in RULES if "record" in rule}
    for name, asked in found:
        assert name in SERIES
        assert asked <= labels(name)


@pytest.mark.parametrize("query", QUERIES)
def test_labels_that_are_grouped_by_come_from_somewhere(query):
    known = TARGET.union(
        *(labels(name) for name, _ in selected(query)), {"asr_namespace", "asr_service"}
    )

    for group in re.findall(r"(?:by|on|group_left) \((.*?)\)", query):
        assert {label.strip() for label in group.split(",") if label.strip()} <= known


def test_objectives_are_rounded_up_to_the_bounds_of_the_histogram():
    bounds = [
        sample.labels["le"]
        for sample in SERIES["asr_final_latency_seconds"].collect()[0].samples
        if sample.name.endswith("_bucket") and sample.labels["mode"] == "2pass"
    ]
    rules = [rule for rule in RULES if rule.get("record", "").endswith(":bound")]

    assert [rule["labels"]["le"] for rule in rules] == bounds
    for rule, below, bound in zip(rules, [None, *bounds], bounds, strict=False):
        limits = re.findall(r"(>|<=) ([\d.]+)", rule["expr"])
        wanted = [(">", below), ("<=", bound)]
        assert [(sign, float(limit)) for sign, limit in limits] == [
            (sign, float(limit)) for sign, limit in wanted if limit not in (None, "+Inf")
        ]


@pytest.mark.parametrize(
    "query", [query for query in QUERIES if "asr_operator_condition{" in query]
)
def test_conditions_and_reasons_that_are_named_exist(query):
    assert set(re.findall(r'\btype="(\w+)"', query)) <= set(names.ConditionType)
    assert set(re.findall(r'\breason!?="(\w+)"', query)) <= set(names.Reason)


def test_page_on_operations_tells_of_every_condition_and_alert():
    told = re.findall(r"^\| (\w+) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)

    assert [each for each in told if each in set(names.ConditionType)] == list(names.ConditionType)
    assert [each for each in told if each.startswith("Asr")] == [
        rule["alert"] for rule in RULES if "alert" in rule
    ]
