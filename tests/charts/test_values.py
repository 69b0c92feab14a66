"""The values' schema: what it refuses, and that it knows every value that the chart has."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "asr-operator"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())

REFUSED = [
    ("", {"replicas": 2}),
    ("image", {"image": {"repo": "asr"}}),
    ("image/tag", {"image": {"tag": ""}}),
    ("image/tag", {"image": {"tag": 1.2}}),
    ("image/repository", {"image": {"repository": "asr server"}}),
    ("image/pullPolicy", {"image": {"pullPolicy": "Sometimes"}}),
    ("imagePullSecrets/0", {"imagePullSecrets": ["registry"]}),
    ("serverImage/repository", {"serverImage": {"repository": ""}}),
    ("serverImage/pullSecrets/0", {"serverImage": {"pullSecrets": [{"name": "registry"}]}}),
    ("imageAllowList", {"imageAllowList": "registry.example/*"}),
    ("imageAllowList/0", {"imageAllowList": ["a,b"]}),
    ("watchNamespaces", {"watchNamespaces": "team-a"}),
    ("watchNamespaces/0", {"watchNamespaces": ["Team A"]}),
    ("watchNamespaces", {"watchNamespaces": ["team-a", "team-a"]}),
    ("crds/enabled", {"crds": {"enabled": "yes"}}),
    ("crds", {"crds": {"keep": True}}),
    ("resyncSeconds", {"resyncSeconds": 0}),
    ("resyncSeconds", {"resyncSeconds": "5m"}),
    ("workers", {"workers": 0}),
    ("workers", {"workers": 1.5}),
    ("logLevel", {"logLevel": "loud"}),
    ("prometheus/url", {"prometheus": {"url": "prometheus:9090"}}),
    ("prometheus/timeoutSeconds", {"prometheus": {"timeoutSeconds": 0}}),
    ("prometheus/tokenSecret", {"prometheus": {"tokenSecret": {"token": "abc"}}}),
    ("prometheus/queries/pods", {"prometheus": {"queries": {"pods": ""}}}),
    ("prometheus/queries", {"prometheus": {"queries": {"speed": "up"}}}),
    ("resources", {"resources": {"cpu": 1}}),
    ("resources/requests/cpu", {"resources": {"requests": {"cpu": "much"}}}),
    ("nodeSelector/pool", {"nodeSelector": {"pool": 1}}),
    ("tolerations", {"tolerations": {}}),
    ("affinity", {"affinity": []}),
    ("priorityClassName", {"priorityClassName": 1}),
    ("dashboards/enabled", {"dashboards": {"enabled": "yes"}}),
    ("dashboards/labels/grafana_dashboard", {"dashboards": {"labels": {"grafana_dashboard": 1}}}),
    ("dashboards", {"dashboards": {"folder": "Speech"}}),
    ("alerts/enabled", {"alerts": {"enabled": 1}}),
    ("alerts/labels/release", {"alerts": {"labels": {"release": ["monitoring"]}}}),
]


def merged(base, over):
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


@pytest.mark.parametrize(("where", "values"), REFUSED, ids=lambda value: json.dumps(value))
def test_wrong_value_is_refused_where_it_stands(where, values):
    errors = jsonschema.Draft7Validator(SCHEMA).iter_errors(merged(VALUES, values))

    assert ["/".join(map(str, each.absolute_path)) for each in errors] == [where]


def test_helm_refuses_by_the_same_schema_and_names_the_value(template):
    done = template({"logLevel": "loud", "replicas": 2})

    assert done.returncode != 0
    assert "logLevel" in done.stderr
    assert "replicas" in done.stderr


def test_schema_and_defaults_know_the_same_values():
    def compare(schema, values, path):
        assert schema["additionalProperties"] is False, path
        known = schema["properties"].keys() - {"global"}
        assert known == values.keys(), path
        for name in known:
            if "properties" in schema["properties"][name]:
                compare(schema["properties"][name], values[name], f"{path}/{name}")

    compare(SCHEMA, VALUES, "")


def test_defaults_are_accepted():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)
