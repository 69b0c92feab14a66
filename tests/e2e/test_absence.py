"""What happens while the operator is away: deletion works, and it catches up when it is back."""

import pytest

from harness import asr, waiting


@pytest.fixture(scope="module")
def away(new_namespace, operator):
    """Stop the operator, delete and change services, and start it again."""
    namespace = new_namespace("absence")
    services = {name: asr.Service(namespace, name) for name in ("leaving", "changing", "reborn")}
    for service in services.values():
        service.apply({"replicas": 0})
    for service in services.values():
        service.wait_condition("Ready", "False", "ScaledToZero")
    former = {name: service.uid for name, service in services.items()}

    operator.stop()
    for name in ("leaving", "reborn"):
        services[name].delete()
    left = {
        name: waiting.wait_for(
            f"nothing left of {name}",
            lambda uid=former[name]: namespace.owned_by(uid),
            lambda owned: not owned,
            deadline_s=120,  # the garbage collector may be learning what kinds there are
        )
        for name in ("leaving", "reborn")
    }
    services["changing"].patch({"batching": {"size": 3}})
    services["reborn"].apply({"replicas": 0, "batching": {"size": 4}})
    operator.start()
    return services, left


def batch_size(service):
    config = service.children().get("ConfigMap", {"data": {"config.json": ""}})
    return config["data"]["config.json"]


def test_deletion_leaves_nothing_without_an_operator(away):
    services, left = away

    assert left == {"leaving": [], "reborn": []}
    namespace = services["leaving"].namespace
    assert namespace.get("AsrService", "leaving") is None
    assert namespace.find("Deployment", "app.kubernetes.io/instance=leaving") == []


def test_change_made_meanwhile_is_caught_up_with(away):
    changing = away[0]["changing"]

    waiting.wait_for(
        "batches of 3", lambda: batch_size(changing), lambda text: '"batch_size": 3' in text
    )
    waiting.wait_for(
        "status with batches of 3",
        lambda: changing.status["batchSize"],
        lambda batch_size: batch_size == {"desired": 3},
    )


def test_service_made_anew_meanwhile_gets_children_of_its_own(away):
    reborn = away[0]["reborn"]

    reborn.wait_condition("Ready", "False", "ScaledToZero")

    assert reborn.children().keys() == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}
    assert '"batch_size": 4' in batch_size(reborn)
