"""A service from `kubectl apply` to ready, and what its user sees of it."""

ASK = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as session:
    session.send('{"mode": "offline", "wav_name": "silence", "is_speaking": true}')
    session.send(bytes(32000))
    session.send('{"is_speaking": false}')
    print(session.recv(timeout=30))
"""


def test_applied_service_becomes_ready(speech):
    speech.wait_ready()


def test_children_belong_to_the_service(speech):
    children = speech.children()

    assert children.keys() == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service"}
    for child in children.values():
        (owner,) = child["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("AsrService", "speech")
        assert owner["controller"] is True
        assert child["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "asr-operator"


def test_status_reports_what_was_observed(speech):
    body, status = speech.body, speech.status

    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    learned = {"MetricsAvailable", "BatchSizeApplied", "SloMet"}  # from Prometheus, if there is one
    assert {name: found for name, found in conditions.items() if name not in learned} == {
        "Ready": "True",
        "SpecValid": "True",
        "Progressing": "False",
        "ModelReady": "True",
        "CapacityAvailable": "True",
        "ScalingActive": "False",
        "ScalingLimited": "False",
    }
    assert learned < conditions.keys()
    assert status["observedGeneration"] == body["metadata"]["generation"]
    assert (status["replicas"], status["readyReplicas"]) == (1, 1)
    assert status["batchSize"]["desired"] == 16
    assert status["url"] == f"ws://speech.{speech.namespace.name}.svc:10095"
    assert "lastFailure" not in status


def test_address_in_the_status_answers_inside_the_cluster(speech):
    heard = speech.namespace.kubectl(
        "exec", "deployment/speech", "--", "python3", "-c", ASK, speech.status["url"]
    )

    assert '"wav_name":"silence"' in heard.replace(" ", "")


def test_describe_tells_the_story(speech):
    speech.wait_event("Serving")

    assert "asr-operator" in speech.described().split("Events:")[1]


def test_server_pod_bears_no_credentials(speech):
    (pod,) = speech.pods()

    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["spec"]["volumes"] if "projected" in volume]
