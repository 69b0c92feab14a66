"""The chart against the operator that it installs."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml

from asr_operator import handlers, settings
from asr_operator.api import names
from asr_operator.cluster import access, paths, queries

CHART = Path(__file__).parents[2] / "charts" / "asr-operator"
DEPLOYMENT = (CHART / "templates" / "deployment.yaml").read_text()
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
OWN_PORTS = {"ASR_OPERATOR_METRICS_PORT", "ASR_OPERATOR_PROBE_PORT"}  # the chart keeps the defaults


def defaults():
    return settings.parse_settings(["--server-image=asr-server:1"], {})


def granted():
    """Return what the chart grants as API group, resource and verb."""
    template = (CHART / "templates" / "rbac.yaml").read_text()
    (rules,) = re.findall(r'define "asr-operator.rules" -}}(.*?){{- end -}}', template, re.DOTALL)
    return {
        right
        for rule in yaml.safe_load(rules)
        for right in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"])
    }


def resource(kind):
    """Return API group and resource of a kind, by the path that the operator calls."""
    _, prefix, group, *_, plural = paths.collection_path(kind, None).split("/")
    return ("" if prefix == "api" else group), plural


def called():
    """Return what the operator calls: it reads and applies children, watches, and reports."""
    rights = {
        (*resource(kind), verb) for kind in access.WATCHED_KINDS for verb in ("list", "watch")
    }
    rights |= {
        (*resource(kind), verb)
        for kind in paths.CHILD_KINDS
        for verb in ("get", "patch", "create")  # server-side apply of a new object needs both
    }
    group, plural = resource(names.KIND)
    return rights | {
        (group, plural, "get"),
        (group, f"{plural}/status", "patch"),
        (*resource("Event"), "create"),
        (*resource("Event"), "list"),  # what the kubelet says of volumes
        (*resource("Pod"), "patch"),  # annotations
    }


def test_role_grants_what_the_code_calls_and_nothing_else():
    assert granted() == called()


def test_every_watched_resource_is_checked_at_the_start():
    watched = {(group, plural) for group, _, plural in handlers.CHILD_RESOURCES}

    assert {resource(kind) for kind in access.WATCHED_KINDS} - watched == {
        (names.GROUP, names.PLURAL)
    }


def test_chart_sets_every_setting_and_no_other():
    known = {setting.variable for setting in settings.SETTINGS}

    assert set(re.findall(r"name: (ASR_\w+)", DEPLOYMENT)) == known - OWN_PORTS


def test_defaults_of_the_chart_are_those_of_the_operator():
    found = defaults()

    assert VALUES["resyncSeconds"] == found.resync_s
    assert VALUES["workers"] == found.workers
    assert VALUES["logLevel"] == found.log_level
    assert tuple(VALUES["watchNamespaces"]) == found.namespaces
    assert tuple(VALUES["imageAllowList"]) == found.image_allow_list
    assert tuple(VALUES["serverImage"]["pullSecrets"]) == found.image_pull_secrets


@pytest.mark.parametrize("level", settings.LOG_LEVELS)
def test_chart_knows_every_log_level(level):
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    assert level in schema["properties"]["logLevel"]["enum"]


@pytest.mark.parametrize(
    ("value", "variable"),
    [("resyncSeconds", "ASR_OPERATOR_RESYNC_SECONDS"), ("workers", "ASR_OPERATOR_WORKERS")],
)
@pytest.mark.parametrize("bound", ["minimum", "maximum"])
def test_operator_takes_what_the_chart_allows(value, variable, bound):
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    limit = schema["properties"][value][bound]

    settings.parse_settings(["--server-image=asr-server:1"], {variable: str(limit)})


def test_ports_are_those_that_the_operator_listens_on():
    found = defaults()

    ports = re.findall(r"name: (\w+)\n\s+containerPort: (\d+)", DEPLOYMENT)
    assert dict(ports) == {"metrics": str(found.metrics_port), "probes": str(found.probe_port)}


def test_chart_knows_every_query_that_can_be_replaced():
    schema = json.loads((CHART / "values.schema.json").read_text())
    given = schema["properties"]["prometheus"]["properties"]["queries"]
    assert given["propertyNames"]["enum"] == [queries.IDENTITY, *queries.Query]
