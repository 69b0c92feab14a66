"""Changes that keep the running pods: scale, and the bad change that never gets them."""

import asyncio

import pytest

from harness import asr, speaking, waiting


@pytest.fixture
def running(speech):
    """Return the uids of the pods that serve before the change."""
    speech.wait_ready()
    return speech.ready_pods()


def test_scaling_the_resource_scales_the_pods(speech, running):
    speech.namespace.kubectl("scale", "asr/speech", "--replicas=2")
    speech.wait_ready()
    path = f"{speech.namespace.path('AsrService', 'speech')}/scale"
    scale = speech.namespace.cluster.request("GET", path)
    selected = speech.namespace.find("Pod", scale["status"]["selector"])
    speech.namespace.kubectl("scale", "asr/speech", "--replicas=1")
    speech.wait_ready()

    assert scale["spec"]["replicas"] == scale["status"]["replicas"] == 2
    assert len(selected) == 2
    assert running < {pod["metadata"]["uid"] for pod in selected}


def test_image_that_is_not_allowed_changes_nothing(speech, running):
    template = speech.children()["Deployment"]["spec"]["template"]

    speech.patch({"runtime": {"image": "docker.io/library/debian:bookworm"}})
    condition = speech.wait_condition("SpecValid", "False", "ImageNotAllowed")

    assert "spec.runtime.image" in condition["message"]
    assert speech.children()["Deployment"]["spec"]["template"] == template
    assert speech.ready_pods() == running
    speech.patch({"runtime": {"image": None}})
    speech.wait_condition("SpecValid", "True", "Valid")


def test_image_that_does_not_exist_leaves_the_running_replicas_serving(
    speech, running, utterances, transcripts
):
    speech.patch({"runtime": {"image": "localhost/asr-server:missing"}})
    condition = speech.wait_condition("ModelReady", "False", "ImagePullFailed")
    ready = speech.wait_condition("Ready", "True", "ServingPreviousVersion")
    heard = asyncio.run(speaking.speak(speech.url, utterances[0]))
    failure = speech.status["lastFailure"]
    speech.patch({"runtime": {"image": None}})
    speech.wait_ready()

    assert "spec.runtime.image" in condition["message"]
    assert "localhost/asr-server:missing" in condition["message"]
    assert ready["message"]
    assert failure["reason"] == "ImagePullFailed"
    assert heard.text == transcripts[utterances[0].text]
    assert speech.ready_pods() == running


def test_pod_that_is_deleted_is_replaced(speech, running):
    since = speech.condition("Ready")["lastTransitionTime"]

    speech.namespace.kubectl(
        "delete", "pod", "-l", "app.kubernetes.io/instance=speech", "--wait=false"
    )
    waiting.wait_for("deletion of the pod", speech.pod_uids, lambda uids: not uids & running)

    waiting.wait_for(
        "service that was not ready, and is",
        lambda: speech.condition("Ready"),
        lambda ready: ready["status"] == "True" and ready["lastTransitionTime"] > since,
        deadline_s=asr.READY_S,
    )
    speech.wait_ready()
