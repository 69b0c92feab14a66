"""How the operator starts a server against what the server takes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from asr_operator.api import names, spec
from asr_operator.children import config_map, pod
from asr_operator.decisions import failures
from asr_operator.state.plan import Knobs
from asr_operator.state.policy import ServerPolicy
from asr_server import main, settings
from asr_server.service import live_config

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "crds" / "asrservices.yaml").read_text())["spec"]["versions"][0][
    "schema"
]["openAPIV3Schema"]["properties"]["spec"]["properties"]
OWNER = spec.Identity("speech", "team", "1")
DEMO, CLAIM = spec.DemoModel(), spec.ClaimModel("models", "zh/large")


def template(model=DEMO, **changes):
    """Return the pod template for a spec."""
    wanted = spec.AsrServiceSpec(model, **changes)
    return pod.build_pod_template(OWNER, wanted, ServerPolicy("asr-server:1"))


def container(**changes):
    (found,) = template(**changes)["spec"]["containers"]
    return found


def environment(found):
    return {each["name"]: each.get("value", "from the pod") for each in found["env"]}


def parsed(**changes):
    """Return the settings of a server that the operator starts."""
    found = container(**changes)
    return settings.parse_settings(found["args"], environment(found))


def test_server_takes_every_argument_at_its_word():
    lifecycle = spec.Lifecycle(drain_timeout_s=77)
    runtime = spec.Runtime(device="cuda", dtype="bfloat16")

    found = parsed(model=CLAIM, runtime=runtime, lifecycle=lifecycle)

    assert found.model == "/models/zh/large"
    assert (found.device, found.dtype) == ("cuda", "bfloat16")
    assert found.drain_timeout_s == 77
    assert found.service == "speech"
    assert found.namespace == found.pod == "from the pod"


@pytest.mark.parametrize(("field", "flag"), [("device", "device"), ("dtype", "dtype")])
def test_server_takes_every_choice_of_the_definition(field, flag):
    for choice in SCHEMA["runtime"]["properties"][field]["enum"]:
        assert getattr(settings.parse_settings([f"--{flag}={choice}"], {}), flag) == choice


@pytest.mark.parametrize(
    ("section", "field", "flag"),
    [
        ("batching", "size", "batch-size"),
        ("batching", "audioSeconds", "batch-audio-s"),
        ("batching", "maxWaitMilliseconds", "max-wait-ms"),
        ("runtime", "maxSessions", "max-sessions"),
        ("shedding", "lateMilliseconds", "shed-late-ms"),
        ("shedding", "partialIntervalMilliseconds", "partial-interval-ms"),
        ("lifecycle", "drainTimeoutSeconds", "drain-timeout"),
    ],
)
def test_server_takes_what_the_definition_allows_and_has_its_default(section, field, flag):
    field = SCHEMA[section]["properties"][field]
    (setting,) = [each for each in settings.SETTINGS if each.flag == flag]

    for value in (field["minimum"], field["maximum"]):
        assert setting.parse(str(value)) == value
    assert setting.parse(setting.default) == field["default"]


def test_ports_are_those_that_the_server_listens_on():
    ports = {each["name"]: each["containerPort"] for each in container()["ports"]}
    annotations = template()["metadata"]["annotations"]

    assert ports == {"ws": parsed().port, "probes": parsed().probe_port}
    assert annotations["prometheus.io/port"] == str(parsed().probe_port)


def test_probes_ask_routes_that_the_server_has():
    routes = strings_in("health")
    asked = {
        found["httpGet"]["path"] for name, found in container().items() if name.endswith("Probe")
    }

    assert asked == {"/livez", "/readyz"}
    assert asked <= routes
    assert "/metrics" in routes


def strings_in(module):
    """Return every string of a module of the service."""
    tree = ast.parse((ROOT / "server" / "asr_server" / "service" / f"{module}.py").read_text())
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_live_configuration_is_where_the_server_looks():
    mounts = {each["name"]: each["mountPath"] for each in container()["volumeMounts"]}
    volumes = {each["name"]: each for each in template()["spec"]["volumes"]}
    built = config_map.build_config_map(OWNER, spec.AsrServiceSpec(DEMO), Knobs(1, 16), None)
    (file,) = built["data"]

    assert parsed().live_config == Path(mounts["live-config"]) / file
    assert volumes["live-config"]["configMap"]["name"] == built["metadata"]["name"]
    # A file that is mounted by subPath would never change.
    assert not [each for each in container()["volumeMounts"] if "subPath" in each]


def test_server_takes_the_live_configuration_with_as_many_hotwords_as_the_definition_allows():
    field = SCHEMA["model"]["properties"]["hotwords"]
    longest = field["items"]["maxLength"]
    words = tuple(
        f"{number:04}".ljust(longest, "\U0001f600") for number in range(field["maxItems"])
    )
    wanted = spec.AsrServiceSpec(DEMO, hotwords=words)
    (text,) = config_map.build_config_map(OWNER, wanted, Knobs(1, 16), None)["data"].values()
    flags = live_config.LiveValues(0, 1, 1.0, 1.0, 1, 0.0, 0.0)

    found = live_config.parse_live_config(text.encode(), flags)

    assert found.hotwords == words
    assert (found.batch_size, found.generation) == (16, 1)


def test_model_folder_is_on_the_mounted_claim():
    mounts = {each["name"]: each for each in container(model=CLAIM)["volumeMounts"]}

    assert parsed(model=CLAIM).model.startswith(mounts["models"]["mountPath"])
    assert mounts["models"]["readOnly"] is True


def test_certificate_and_tokens_are_where_their_secrets_are_mounted():
    exposure = spec.Exposure(tls_secret="speech-tls", tokens=spec.SecretKey("tokens", "list.txt"))
    found = parsed(exposure=exposure)
    mounts = container(exposure=exposure)["volumeMounts"]
    volumes = {each["name"]: each for each in template(exposure=exposure)["spec"]["volumes"]}

    files = {
        f"{mount['mountPath']}/{item['path']}": (volume["secretName"], item["key"])
        for mount in mounts
        if (volume := volumes[mount["name"]].get("secret"))
        for item in volume["items"]
    }

    assert files[str(found.cert)] == ("speech-tls", "tls.crt")
    assert files[str(found.key)] == ("speech-tls", "tls.key")
    assert files[str(found.auth_tokens)] == ("tokens", "list.txt")
    assert [each for each in mounts if "subPath" in each] == []


def test_termination_log_is_the_one_that_kubernetes_reads():
    assert "terminationMessagePath" not in container()
    assert str(parsed().termination_log) == "/dev/termination-log"


def test_drain_fits_into_the_grace_period():
    lifecycle = spec.Lifecycle(drain_timeout_s=77)
    found = template(lifecycle=lifecycle)["spec"]
    pause = container(lifecycle=lifecycle)["lifecycle"]["preStop"]["sleep"]["seconds"]

    drain_s = parsed(lifecycle=lifecycle).drain_timeout_s
    assert found["terminationGracePeriodSeconds"] >= pause + drain_s + 10


def test_service_links_cannot_pass_for_flags():
    variables = {setting.variable for setting in settings.SETTINGS}

    assert "ASR_PORT" in variables, "a Service named asr would set it"
    assert template()["spec"]["enableServiceLinks"] is False


def test_environment_sets_no_flag_behind_the_arguments():
    variables = {setting.variable for setting in settings.SETTINGS}

    assert not variables & environment(container()).keys()


@pytest.mark.parametrize("program", ["operator", "server"])
def test_image_runs_as_the_user_that_the_pod_asks_for(program):
    dockerfile = (ROOT / f"Dockerfile.{program}").read_text()

    assert re.search(rf"^USER {pod.USER_ID}:{pod.USER_ID}$", dockerfile, re.MULTILINE)
    assert f'ENTRYPOINT ["asr-{program}"]' in dockerfile


def test_bad_setting_ends_the_server_as_the_operator_understands_it(tmp_path):
    log = tmp_path / "termination-log"
    command = [sys.executable, "-m", "asr_server", "--port=none", f"--termination-log={log}"]

    done = subprocess.run(command)

    assert done.returncode == failures.EXIT_SETTINGS
    assert "--port" in log.read_text()


def test_exit_codes_have_the_meaning_that_the_server_documents():
    says = " ".join(main.__doc__.split())

    assert f"{failures.EXIT_MODEL} when the model cannot be loaded" in says
    assert f"{failures.EXIT_SETTINGS} for settings that cannot be used" in says


def test_server_pods_are_told_apart_by_the_labels_that_select_them():
    labels = template()["metadata"]["labels"].items()

    assert names.render_selector("speech").items() <= labels
