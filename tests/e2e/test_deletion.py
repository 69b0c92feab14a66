"""Deleting a service that runs leaves nothing behind."""

from harness import waiting

KEPT = {"events", "events.events.k8s.io"}  # the API server forgets them after an hour


def test_deleting_the_service_leaves_nothing(speech, kubernetes):
    speech.wait_ready()
    uid = speech.uid
    kinds = kubernetes.kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name")
    names = ",".join(kind for kind in kinds.split() if kind not in KEPT)

    speech.namespace.kubectl("delete", "asr", "speech", "--timeout=30s")

    def left():
        labelled = speech.namespace.kubectl(
            "get", names, "-l", "app.kubernetes.io/instance=speech", "-o", "name"
        )
        owned = [each["metadata"]["name"] for each in speech.namespace.owned_by(uid)]
        return sorted({*labelled.split(), *owned})

    waiting.wait_for("nothing left", left, lambda names: not names, deadline_s=90)
    assert speech.namespace.get("AsrService", "speech") is None
