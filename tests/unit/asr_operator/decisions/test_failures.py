import pytest

from asr_operator.api.names import Reason
from asr_operator.decisions import failures
from asr_operator.state.observed import Termination

PULL_ERROR = 'failed to resolve reference "nowhere.example/x:1": not found'
MOUNT = "MountVolume.SetUp failed for volume"
NO_GPU = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate,"
    " preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)


@pytest.mark.parametrize(
    ("fields", "reason", "says"),
    [
        (
            {"waiting_reason": "ErrImagePull", "waiting_message": PULL_ERROR},
            Reason.IMAGE_PULL_FAILED,
            "spec.runtime.image",
        ),
        (
            {"waiting_reason": "InvalidImageName", "waiting_message": "couldn't parse image"},
            Reason.IMAGE_PULL_FAILED,
            "couldn't parse image",
        ),
        (
            {"waiting_reason": "CreateContainerConfigError", "waiting_message": "no such key"},
            Reason.CONTAINER_CONFIG_FAILED,
            "no such key",
        ),
        (
            {"terminated": Termination(1, "Error", "/models/zh/asr: no such folder")},
            Reason.MODEL_FAILED,
            "/models/zh/asr: no such folder. Correct spec.model",
        ),
        (
            {"terminated": Termination(2, "Error", "--dtype: float16 needs cuda")},
            Reason.SETTINGS_REFUSED,
            "--dtype: float16 needs cuda. Correct spec.runtime",
        ),
        (
            {"terminated": Termination(2, "Error", "asr-server: --cert /a, --key /b: no PEM")},
            Reason.SETTINGS_REFUSED,
            "no PEM. Correct the Secret that spec.service.tls.secretName names",
        ),
        (
            {"terminated": Termination(2, "Error", "asr-server: --auth-tokens /a: has no token")},
            Reason.SETTINGS_REFUSED,
            "has no token. Correct the Secret that spec.service.auth names",
        ),
        (
            {"mount_failure": f'{MOUNT} "tls" : secret "cert" not found'},
            Reason.SECRET_MISSING,
            'secret "cert" not found. Create it with the keys tls.crt and tls.key, or correct'
            " spec.service.tls.secretName.",
        ),
        (
            {"mount_failure": f'{MOUNT} "auth" : references non-existent secret key: tokens'},
            Reason.SECRET_MISSING,
            "non-existent secret key: tokens. Create it with the key that spec.service.auth.key",
        ),
        (
            {
                "mount_failure": f'{MOUNT} "auth" : secret "a" not found;'
                f' {MOUNT} "tls" : secret "b" not found'
            },
            Reason.SECRET_MISSING,
            'secret "a" not found; secret "b" not found. Create it with the key that',
        ),
        (
            {"mount_failure": f'{MOUNT} "models" : mount failed: exit status 32'},
            Reason.VOLUME_NOT_MOUNTED,
            "exit status 32. The kubelet tries again by itself",
        ),
        (
            {"mount_failure": f'{MOUNT} "models" : secret "nfs" not found'},
            Reason.VOLUME_NOT_MOUNTED,
            'secret "nfs" not found. The kubelet',
        ),
        (
            {"terminated": Termination(137, "OOMKilled")},
            Reason.OUT_OF_MEMORY,
            "spec.runtime.resources.limits.memory",
        ),
        ({"terminated": Termination(139, "Error")}, Reason.SERVER_CRASHED, "exit code 139: see"),
        ({"terminated": Termination(1, "Error")}, Reason.MODEL_FAILED, "kubectl logs --previous"),
        (
            {"unschedulable": 'persistentvolumeclaim "models" not found'},
            Reason.CLAIM_MISSING,
            'persistentvolumeclaim "models" not found. Create the claim',
        ),
        (
            {"unschedulable": "pod has unbound immediate PersistentVolumeClaims. not found"},
            Reason.CLAIM_NOT_BOUND,
            "PersistentVolumeClaims. Check the storage class",
        ),
    ],
)
def test_a_server_without_its_model_says_why_and_what_to_do(pod, fields, reason, says):
    problem = failures.find_model_failure(pod(is_running=False, **fields))
    assert problem is not None
    assert problem.reason == reason
    assert says in problem.message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"is_running": False, "waiting_reason": "ContainerCreating"},
        {"is_ready": True, "terminated": Termination(1, "Error", "an old failure")},
        {"terminated": Termination(0, "Completed")},
        {"is_running": False, "unschedulable": NO_GPU},
    ],
)
def test_a_server_that_loads_or_serves_has_not_failed(pod, fields):
    assert failures.find_model_failure(pod(**fields)) is None


def test_a_crash_is_still_told_while_the_server_tries_again(pod):
    trying = pod(is_running=True, terminated=Termination(1, "Error", "no model"))
    waiting = pod(
        is_running=False,
        waiting_reason="CrashLoopBackOff",
        waiting_message="back-off 10s restarting failed container in pod demo-1-a",
        terminated=Termination(1, "Error", "no model"),
    )
    assert failures.find_model_failure(trying) == failures.find_model_failure(waiting)


def test_a_pull_reads_the_same_between_attempts(pod):
    """kubelet alternates between the two; the status must not."""
    failed = pod(waiting_reason="ErrImagePull", waiting_message=PULL_ERROR)
    waiting = pod(
        waiting_reason="ImagePullBackOff",
        waiting_message=f'Back-off pulling image "nowhere.example/x:1": ErrImagePull: {PULL_ERROR}',
    )
    assert failures.find_model_failure(failed) == failures.find_model_failure(waiting)


@pytest.mark.parametrize(
    ("message", "reason", "says"),
    [
        (NO_GPU, Reason.INSUFFICIENT_GPU, "No node has a free nvidia.com/gpu: add GPU nodes"),
        ("0/1 nodes are available: 1 Insufficient cpu.", Reason.UNSCHEDULABLE, "Add nodes"),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
            Reason.UNSCHEDULABLE,
            "spec.placement.nodeSelector",
        ),
    ],
)
def test_a_pod_without_a_node_says_what_is_short(pod, demo_spec, message, reason, says):
    waiting = pod(is_running=False, unschedulable=message)
    problem = failures.find_capacity_failure(waiting, demo_spec())
    assert problem is not None
    assert problem.reason == reason
    assert says in problem.message
    assert "reemption" not in problem.message
    assert "no new claims" not in problem.message


def test_a_missing_claim_is_not_a_lack_of_capacity(pod, demo_spec):
    waiting = pod(is_running=False, unschedulable='persistentvolumeclaim "models" not found')
    assert failures.find_capacity_failure(waiting, demo_spec()) is None
    assert failures.find_capacity_failure(pod(), demo_spec()) is None


@pytest.mark.parametrize(
    ("message", "reason", "says"),
    [
        ("exceeded quota: compute, requested: cpu=1", Reason.QUOTA_EXCEEDED, "ResourceQuota"),
        ('violates PodSecurity "restricted:latest"', Reason.POD_REFUSED, "violates PodSecurity"),
    ],
)
def test_pods_that_kubernetes_refuses_say_why(message, reason, says):
    problem = failures.explain_pod_refusal(message)
    assert problem.reason == reason
    assert says in problem.message


def test_foreign_messages_are_kept_short_and_on_one_line():
    assert failures.shorten(" one\n two. ") == "one two"
    assert len(failures.shorten("x" * 10_000)) == failures.LONGEST_DETAIL
