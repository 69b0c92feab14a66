"""Deleting a service that runs leaves nothing behind."""

import contextlib

from harness import waiting

KEPT = {"events", "events.events.k8s.io"}  # the API server forgets them after an hour
MEASURED = "metrics.k8s.io"  # what others measure of objects is no object; they may not answer


def list_kinds(kubernetes):
    """List what can be in a namespace; nothing while a server of an API does not answer."""
    with contextlib.suppress(AssertionError):
        kinds = kubernetes.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name")
        return [each for each in kinds.split() if each not in KEPT and not each.endswith(MEASURED)]
    return []


def test_deleting_the_service_leaves_nothing(speech, kubernetes):
    speech.wait_ready()
    uid = speech.uid
    names = ",".join(waiting.wait_for("kinds of objects", lambda: list_kinds(kubernetes)))

    speech.namespace.kubectl("delete", "asr", "speech", "--timeout=30s")

    def left():
        labelled = speech.namespace.kubectl(
            "get", names, "-l", "app.kubernetes.io/instance=speech", "-o", "name"
        )
        owned = [each["metadata"]["name"] for each in speech.namespace.owned_by(uid)]
        return sorted({*labelled.split(), *owned})

    waiting.wait_for("nothing left", left, lambda names: not names, deadline_s=90)
    assert speech.namespace.get("AsrService", "speech") is None
