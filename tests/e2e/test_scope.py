"""An operator that is installed for some namespaces serves those, with no right elsewhere."""

import pytest

from harness import asr, release, waiting


@pytest.fixture(scope="module")
def scoped(kubernetes, operator, new_namespace):
    """Replace the operator by one for one namespace; return a service there and one elsewhere."""
    operator.stop()
    home, here, elsewhere = (new_namespace(name) for name in ("home", "here", "elsewhere"))
    small = release.Operator(
        kubernetes,
        "small-asr-operator",
        home.name,
        (f"watchNamespaces={{{here.name}}}", "crds.enabled=false"),
    )
    small.install()
    services = asr.Service(elsewhere, "speech"), asr.Service(here, "speech")
    for service in services:
        service.apply({"replicas": 0})
    yield services, small
    small.restore(None)


def test_listed_namespace_is_served(scoped):
    (_, here), _ = scoped

    here.wait_condition("Ready", "False", "ScaledToZero")


def test_other_namespaces_are_left_alone(scoped):
    (elsewhere, here), _ = scoped
    here.wait_condition("Ready", "False", "ScaledToZero")

    waiting.stays("elsewhere", lambda: elsewhere.status, window_s=release.RESYNC_S + 2)
    assert elsewhere.status == {}
    assert elsewhere.children() == {}


def test_its_role_is_enough(scoped, audit_log):
    (_, here), small = scoped
    here.wait_condition("Ready", "False", "ScaledToZero")

    calls = audit_log.calls(small.user)
    assert calls
    assert [call for call in calls if not call.allowed] == []
