import copy
import json
from decimal import Decimal

import pytest

from asr_operator.children import config_map, deployment, disruption_budget, service
from asr_operator.cluster import drift

IDENTITY = {
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
}


@pytest.fixture
def desired(stored, stored_service, stored_policy, knobs):
    """The children as they are built now, by kind."""
    owner, spec = stored_service.identity, stored_service.spec
    live_config = stored["ConfigMap"]["data"]["config.json"]
    built = (
        config_map.build_config_map(owner, spec, knobs(spec), live_config),
        service.build_service(owner, spec, tls=spec.exposure.tls_secret is not None),
        disruption_budget.build_disruption_budget(owner),
        deployment.build_deployment(owner, spec, stored_policy, knobs(spec)),
    )
    return {child["kind"]: child for child in built}


def test_what_the_api_server_stored_is_what_was_asked_for(stored, desired):
    """Builders are fixed points of the API server's defaulting and canonical form."""
    for kind, child in desired.items():
        assert not drift.has_drifted(child, stored[kind]), kind


def test_every_change_of_a_desired_field_is_seen(stored, desired):
    """Whatever field somebody else sets to another value."""
    for kind, child in desired.items():
        for path in set(find_leaves(child)) - IDENTITY:
            changed = copy.deepcopy(child)
            set_leaf(changed, path)
            assert drift.has_drifted(changed, stored[kind]), (kind, path)


def test_every_field_that_is_no_longer_desired_is_seen(stored, desired):
    for kind, child in desired.items():
        for path in set(find_leaves(child)) - IDENTITY:
            fewer = copy.deepcopy(child)
            remove_leaf(fewer, path)
            assert drift.has_drifted(fewer, stored[kind]), (kind, path)


def test_an_additional_field_is_seen(stored, desired):
    more = copy.deepcopy(desired["Deployment"])
    more["spec"]["template"]["spec"]["nodeSelector"] = {"gpu": "yes", "zone": "a"}
    assert drift.has_drifted(more, stored["Deployment"])
    more = copy.deepcopy(desired["Deployment"])
    more["spec"]["template"]["spec"]["volumes"].append({"name": "more", "emptyDir": {}})
    assert drift.has_drifted(more, stored["Deployment"])


def test_fields_that_others_add_are_left_alone(stored, desired):
    for kind, child in desired.items():
        touched = copy.deepcopy(stored[kind])
        touched["metadata"].setdefault("annotations", {})["added"] = "by hand"
        touched["status"] = {"anything": 1}
        assert not drift.has_drifted(child, touched)


def test_a_field_that_somebody_else_took_over_is_seen(stored, desired):
    """An update by another manager takes the field from us even where the value contains ours."""
    touched = copy.deepcopy(stored["Deployment"])
    entry = touched["metadata"]["managedFields"][0]
    del entry["fieldsV1"]["f:spec"]["f:replicas"]
    assert drift.has_drifted(desired["Deployment"], touched)


@pytest.mark.parametrize("change", [{"manager": "kubectl"}, {"operation": "Update"}])
def test_an_object_that_we_did_not_apply_has_drifted(stored, desired, change):
    touched = copy.deepcopy(stored["Service"])
    touched["metadata"]["managedFields"][0].update(change)
    assert drift.has_drifted(desired["Service"], touched)
    del touched["metadata"]["managedFields"]
    assert drift.has_drifted(desired["Service"], touched)


@pytest.mark.parametrize(
    ("desired", "observed", "drifted"),
    [
        (["b", "a"], ["a", "b"], False),
        (["a", "b"], ["a", "b", "c"], False),
        (["a"], ["a", "b"], True),
        (["a", "c"], ["a", "b"], True),
        (["a", "b"], ["a"], True),
        ("a", ["a", "b"], True),
    ],
)
def test_a_set_is_compared_by_its_members(desired, observed, drifted):
    owned = {"f:metadata": {"f:finalizers": {'v:"a"': {}, 'v:"b"': {}}}}
    entry = {"manager": "asr-operator", "operation": "Apply", "fieldsV1": owned}
    stored = {"metadata": {"finalizers": observed, "managedFields": [entry]}}
    assert drift.has_drifted({"metadata": {"finalizers": desired}}, stored) is drifted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", Decimal(1)),
        ("1500m", Decimal("1.5")),
        ("2.5", Decimal("2.5")),
        ("1k", Decimal(1000)),
        ("1Ki", Decimal(1024)),
        ("0.5Ti", Decimal(2**39)),
        ("1E", Decimal(10**18)),
        ("1e3", Decimal(1000)),
        ("1Ei", Decimal(2**60)),
        ("7n", Decimal("7e-9")),
        ("", None),
        ("many", None),
    ],
)
def test_quantities_are_compared_by_value(text, value):
    assert drift.parse_quantity(text) == value


@pytest.mark.parametrize("stored", ["claim"], indirect=True)
@pytest.mark.parametrize(
    ("cpu", "memory", "drifted"),
    [
        ("1500m", "2048Mi", False),
        ("1.5", "2Gi", False),
        ("1.5", "2G", True),
        ("2", "2Gi", True),
    ],
)
def test_amounts_are_the_same_however_they_are_written(stored, desired, cpu, memory, drifted):
    child = desired["Deployment"]
    container = child["spec"]["template"]["spec"]["containers"][0]
    container["resources"]["requests"].update(cpu=cpu, memory=memory)
    assert drift.has_drifted(child, stored["Deployment"]) is drifted


def find_leaves(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        if isinstance(child, dict | list) and child:
            yield from find_leaves(child, (*path, key))
        else:
            yield (*path, key)


def set_leaf(value, path):
    *parents, last = path
    for step in parents:
        value = value[step]
    old = value[last]
    value[last] = (not old) if isinstance(old, bool) else json.dumps(old) + "x"


def remove_leaf(value, path):
    *parents, last = path
    for step in parents:
        value = value[step]
    del value[last]
