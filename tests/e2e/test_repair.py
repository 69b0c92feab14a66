"""Children that somebody changed or deleted come back; what others added to them stays."""

import pytest

from harness import asr, release, waiting

EDITS = {
    "ConfigMap": {"data": {"config.json": "{}"}},
    "Deployment": {"spec": {"progressDeadlineSeconds": 77}},
    "PodDisruptionBudget": {"spec": {"maxUnavailable": 7}},
    "Service": {"spec": {"selector": {"app.kubernetes.io/name": "something-else"}}},
}
FIELDS = {kind: next(iter(edit)) for kind, edit in EDITS.items()}


@pytest.fixture(scope="module")
def idle(new_namespace):
    """A service without pods, so that nothing has to start."""
    service = asr.Service(new_namespace("repair"), "idle")
    service.apply({"replicas": 0})
    service.wait_condition("Ready", "False", "ScaledToZero")
    return service


def wanted(service, kind):
    """Return what a child holds, without what the API server counts."""
    child = service.children().get(kind, {})
    held = child.get(FIELDS[kind])
    if kind == "ConfigMap" and held:
        return {line for line in held["config.json"].splitlines() if "generation" not in line}
    return held


@pytest.mark.parametrize("kind", EDITS)
def test_child_that_is_edited_comes_back(idle, kind):
    before = wanted(idle, kind)

    idle.namespace.patch(kind, idle.children()[kind]["metadata"]["name"], EDITS[kind])

    waiting.wait_for(f"the {kind} as it was", lambda: wanted(idle, kind), lambda now: now == before)


@pytest.mark.parametrize("kind", EDITS)
def test_child_that_is_deleted_comes_back(idle, kind):
    child, before = idle.children()[kind], wanted(idle, kind)
    cluster_chosen = {"clusterIP", "clusterIPs", "ports"}

    idle.namespace.delete(kind, child["metadata"]["name"])

    def restored():
        again = idle.children().get(kind)
        return bool(again) and again["metadata"]["uid"] != child["metadata"]["uid"]

    waiting.wait_for(f"another {kind}", restored)
    after = wanted(idle, kind)
    if isinstance(before, dict):
        assert before.keys() == after.keys()
        for field in before.keys() - cluster_chosen:
            assert after[field] == before[field]
    else:
        assert after == before


@pytest.mark.parametrize("kind", EDITS)
def test_mark_that_a_user_puts_on_a_child_stays(idle, kind):
    child = idle.children()[kind]["metadata"]["name"]

    idle.namespace.patch(kind, child, {"metadata": {"annotations": {"team": "captions"}}})

    waiting.stays(
        f"annotation of the {kind}",
        lambda: idle.children()[kind]["metadata"]["annotations"]["team"],
        window_s=1,
    )


def test_name_that_is_taken_is_left_alone_and_said(idle):
    mine = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken"},
        "spec": {"ports": [{"port": 80}]},
    }
    idle.namespace.apply(mine)
    service = asr.Service(idle.namespace, "taken")

    service.apply({"replicas": 0})
    condition = service.wait_condition("Progressing", "False", "NameTaken")

    assert '"taken"' in condition["message"]
    (port,) = idle.namespace.get("Service", "taken")["spec"]["ports"]
    assert port["port"] == 80
    idle.namespace.delete("Service", "taken")
    service.wait_condition("Progressing", "False", "RolloutComplete")
    assert service.children()["Service"]["metadata"]["name"] == "taken"


def test_paused_service_is_not_changed_and_goes_on_when_resumed(idle):
    idle.namespace.kubectl("annotate", "asr/idle", "asr-operator.dev/pause=true")
    idle.patch({"batching": {"size": 5}})
    idle.wait_condition("Progressing", "False", "Paused")

    waiting.stays(
        "live configuration", lambda: wanted(idle, "ConfigMap"), window_s=release.RESYNC_S + 2
    )
    idle.namespace.kubectl("annotate", "asr/idle", "asr-operator.dev/pause-")

    waiting.wait_for(
        "batches of 5",
        lambda: wanted(idle, "ConfigMap"),
        lambda now: any('"batch_size": 5' in line for line in now),
    )
