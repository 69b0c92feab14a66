"""The operator asks only for what the server measures, by names and labels that it has."""

import re

import pytest
from prometheus_client import CollectorRegistry

from asr_operator.cluster import queries
from asr_operator.cluster.queries import Query, Windows
from asr_server.metrics import GpuMetrics, Metrics

IDENTITY_LABELS = {"asr_namespace", "asr_service", "asr_pod"}


def served():
    """Return the names of all series that the server can have."""
    metrics = Metrics()
    groups = (metrics.session, metrics.engine, metrics.server, GpuMetrics(CollectorRegistry()))
    found = {}
    for metric in (each for group in groups for each in vars(group).values()):
        family, labels = metric.describe()[0], set(metric._labelnames)
        name = family.name
        match family.type:
            case "counter":
                found[f"{name}_total"] = labels
            case "histogram":
                found |= {f"{name}_{part}": labels for part in ("count", "sum")}
                found[f"{name}_bucket"] = labels | {"le"}
            case _:
                found[name] = labels
    return found


@pytest.mark.parametrize("query", Query)
def test_every_series_that_is_asked_for_exists(query):
    promql = queries.load_queries(None).render(query, Windows(60, 120))
    asked = set(re.findall(r"asr_\w+", promql)) - IDENTITY_LABELS
    assert asked <= served().keys()
    counters = asked - {"asr_server_info"}
    kept = re.match(r"(?:max|sum) by \(([^)]*)\)", promql)
    labels = set(kept[1].split(", ")) if kept else set()
    own = labels - IDENTITY_LABELS - {"__name__", "instance"}
    assert all(own <= served()[name] for name in counters)


@pytest.mark.parametrize("query", Query)
def test_every_label_that_is_chosen_by_exists(query):
    promql = queries.load_queries(None).render(query, Windows(60, 120))
    found = re.findall(r"(asr_\w+)\{([^}]*)\}", promql)
    for name, matchers in found:
        assert set(re.findall(r"(\w+)!?=", matchers)) <= served()[name], name
