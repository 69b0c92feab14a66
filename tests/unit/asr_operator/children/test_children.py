import json
from dataclasses import replace

import pytest

from asr_operator.api import scaling_status
from asr_operator.api.autoscaling import BatchPolicy
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import (
    ClaimModel,
    ComputeAmounts,
    Exposure,
    Lifecycle,
    Runtime,
    SecretKey,
    Shedding,
)
from asr_operator.children import config_map, deployment, disruption_budget, pod, service

LABELS = {
    "app.kubernetes.io/name": "asr-server",
    "app.kubernetes.io/instance": "demo",
    "app.kubernetes.io/component": "server",
    "app.kubernetes.io/managed-by": "asr-operator",
}
SELECTOR = {key: LABELS[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}


@pytest.fixture
def built(owner, policy, knobs):
    """The Deployment of a spec."""

    def build(spec, **changes):
        return deployment.build_deployment(owner, spec, replace(policy, **changes), knobs(spec))

    return build


@pytest.fixture
def container(built):
    def build(spec, **changes):
        return built(spec, **changes)["spec"]["template"]["spec"]["containers"][0]

    return build


def test_every_child_belongs_to_the_service(owner, policy, demo_spec, knobs):
    spec = demo_spec()
    for child in (
        config_map.build_config_map(owner, spec, knobs(spec), None),
        service.build_service(owner, spec, tls=False),
        disruption_budget.build_disruption_budget(owner),
        deployment.build_deployment(owner, spec, policy, knobs(spec)),
    ):
        assert child["metadata"]["namespace"] == "speech"
        assert child["metadata"]["labels"] == LABELS
        assert child["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "asr-operator.dev/v1alpha1",
                "kind": "AsrService",
                "name": "demo",
                "uid": "uid-1",
                "controller": True,
            }
        ]


def test_everything_selects_the_server_pods(owner, built, demo_spec):
    spec = demo_spec()
    made = built(spec)["spec"]
    budget = disruption_budget.build_disruption_budget(owner)["spec"]
    assert made["selector"]["matchLabels"] == SELECTOR
    assert budget["selector"]["matchLabels"] == SELECTOR
    assert service.build_service(owner, spec, tls=True)["spec"]["selector"] == SELECTOR
    assert made["template"]["metadata"]["labels"] == LABELS


def test_running_servers_take_over_new_bounds_without_being_replaced(
    owner, built, demo_spec, knobs
):
    before = demo_spec()
    after = demo_spec(
        batching=BatchPolicy(size=1, audio_s=2, max_wait_ms=3),
        runtime=Runtime(max_sessions=4),
        shedding=Shedding(late_ms=5, partial_interval_ms=6),
    )
    assert built(before) == built(after)
    first = config_map.render_live_config(before, knobs(before), None)
    built = config_map.build_config_map(owner, after, knobs(after), first)
    second = built["data"]["config.json"]
    assert json.loads(second) == {
        "generation": 2,
        "batch_size": 1,
        "batch_audio_s": 2,
        "max_wait_ms": 3,
        "max_sessions": 4,
        "shed_late_ms": 5,
        "partial_interval_ms": 6,
    }


def test_running_servers_take_over_hotwords_and_are_told_of_none_if_there_are_none(
    built, demo_spec, knobs
):
    plain, biased = demo_spec(), demo_spec(hotwords=("打开", "灯"))
    assert built(plain)["spec"]["template"] == built(biased)["spec"]["template"]
    first = config_map.render_live_config(plain, knobs(plain), None)
    second = config_map.render_live_config(biased, knobs(biased), first)
    third = config_map.render_live_config(plain, knobs(plain), second)
    told = [json.loads(text) for text in (first, second, third)]
    assert [each["generation"] for each in told] == [1, 2, 3]
    assert [each.get("hotwords") for each in told] == [None, ["打开", "灯"], None]


@pytest.mark.parametrize(
    "change",
    [
        {"model": ClaimModel("models")},
        {"runtime": Runtime(device="cpu")},
        {"runtime": Runtime(dtype="float16")},
        {"runtime": Runtime(gpu_resource_name="example.com/gpu")},
        {"runtime": Runtime(image="registry.example/other:1")},
        {"runtime": Runtime(requests=ComputeAmounts(cpu="1"))},
        {"runtime": Runtime(limits=ComputeAmounts(memory="1Gi"))},
        {"lifecycle": Lifecycle(drain_timeout_s=1)},
        {"node_selector": (("a", "b"),)},
        {"exposure": Exposure(tls_secret="cert")},
        {"exposure": Exposure(tokens=SecretKey("tokens", "list"))},
    ],
)
def test_other_changes_replace_the_servers(built, demo_spec, change):
    before, after = built(demo_spec()), built(demo_spec(**change))
    assert before["spec"]["template"] != after["spec"]["template"]


@pytest.mark.parametrize("change", [{"replicas": 5}, {"lifecycle": Lifecycle(max_surge=2)}])
def test_the_size_of_the_fleet_is_not_in_the_template(built, demo_spec, change):
    before, after = built(demo_spec()), built(demo_spec(**change))
    assert before != after
    assert before["spec"]["template"] == after["spec"]["template"]


def test_live_configuration_keeps_its_number_while_its_content_stays(demo_spec, knobs):
    spec = demo_spec()
    first = config_map.render_live_config(spec, knobs(spec), None)
    assert json.loads(first)["generation"] == 1
    assert config_map.render_live_config(spec, knobs(spec), first) == first
    assert config_map.render_live_config(spec, knobs(spec, told_generation=1), first) == first


@pytest.mark.parametrize(
    ("observed", "generation"),
    [
        (None, 1),
        ("", 1),
        ("not json", 1),
        ("[1]", 1),
        ('{"generation": 7}', 8),
        ('{"generation": "7"}', 1),
        ('{"generation": -7}', 1),
        ('{"generation": true}', 1),
    ],
)
def test_live_configuration_counts_on_from_what_is_in_the_cluster(
    demo_spec, knobs, observed, generation
):
    spec = demo_spec()
    made = json.loads(config_map.render_live_config(spec, knobs(spec), observed))
    assert made["generation"] == generation


def test_a_generation_that_servers_know_never_comes_again(demo_spec, knobs):
    """Somebody deletes the ConfigMap, or lowers its number, while servers know generation 7."""
    spec = demo_spec()
    for observed in (None, config_map.render_live_config(spec, knobs(spec), None)):
        made = config_map.render_live_config(spec, knobs(spec, told_generation=7), observed)
        assert config_map.read_generation(made) == 8


def test_a_child_carries_the_record_of_the_last_change_of_its_knob(owner, policy, demo_spec, knobs):
    spec = demo_spec()
    more = ScalingRecord("2026-01-01T00:00:00Z", "replicas", 1, 2, "CapacityNeeded")
    larger = ScalingRecord("2026-01-01T00:00:00Z", "batchSize", 8, 16, "BatchTooSmall")
    values = knobs(spec, replicas_record=more, batch_record=larger)
    deployed = deployment.build_deployment(owner, spec, policy, values)
    configured = config_map.build_config_map(owner, spec, values, None)
    for child, record in ((deployed, more), (configured, larger)):
        (text,) = child["metadata"]["annotations"].values()
        assert scaling_status.parse_record_text(text) == record
    assert "asr-operator.dev" not in str(deployed["spec"]["template"])


@pytest.mark.parametrize(
    "text", [None, "", "not json", "[]", "{}", '{"time": "x", "knob": "replicas", "to": 2}']
)
def test_a_record_that_cannot_be_read_is_none(text):
    assert scaling_status.parse_record_text(text) is None


@pytest.mark.parametrize(
    ("live_config", "size"),
    [(None, None), ("not json", None), ('{"batch_size": "8"}', None), ('{"batch_size": 8}', 8)],
)
def test_batch_size_is_read_from_the_live_configuration(live_config, size):
    assert config_map.read_batch_size(live_config) == size


def test_the_demo_model_needs_no_claim(built, container, demo_spec):
    assert container(demo_spec())["args"] == [
        "--model=demo",
        "--device=cuda",
        "--dtype=float32",
        "--live-config=/etc/asr-server/live/config.json",
        "--drain-timeout=600",
    ]
    volumes = built(demo_spec())["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["live-config", "tmp"]


@pytest.mark.parametrize(
    ("path", "argument"),
    [
        (".", "--model=/models"),
        ("zh/large", "--model=/models/zh/large"),
        ("./zh//large/", "--model=/models/zh/large"),
        ("$(ASR_POD)", "--model=/models/$$(ASR_POD)"),
    ],
)
def test_a_claim_is_mounted_read_only(built, container, demo_spec, path, argument):
    spec = demo_spec(model=ClaimModel("claim", path))
    assert container(spec)["args"][0] == argument
    assert built(spec)["spec"]["template"]["spec"]["volumes"][-1] == {
        "name": "models",
        "persistentVolumeClaim": {"claimName": "claim", "readOnly": True},
    }
    assert container(spec)["volumeMounts"][-1] == {
        "name": "models",
        "mountPath": "/models",
        "readOnly": True,
    }


@pytest.mark.parametrize(
    ("runtime", "resources"),
    [
        (Runtime(device="cpu"), {}),
        (Runtime(), {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}),
        (
            Runtime(
                gpu_resource_name="nvidia.com/mig-1g.10gb",
                requests=ComputeAmounts(cpu="2"),
                limits=ComputeAmounts(memory="4Gi"),
            ),
            {
                "requests": {"cpu": "2", "nvidia.com/mig-1g.10gb": "1"},
                "limits": {"memory": "4Gi", "nvidia.com/mig-1g.10gb": "1"},
            },
        ),
    ],
)
def test_each_server_on_cuda_gets_one_gpu(container, demo_spec, runtime, resources):
    assert container(demo_spec(runtime=runtime))["resources"] == resources


def test_a_server_may_do_nothing_but_serve(built, container, demo_spec):
    template = built(demo_spec())["spec"]["template"]["spec"]
    assert template["automountServiceAccountToken"] is False
    assert template["enableServiceLinks"] is False
    assert template["securityContext"]["runAsNonRoot"] is True
    assert template["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(demo_spec())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_pod_may_drain_before_it_is_killed(built, container, demo_spec):
    spec = demo_spec(lifecycle=Lifecycle(drain_timeout_s=90))
    made = container(spec)
    sleep_s = made["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert "--drain-timeout=90" in made["args"]
    grace_s = built(spec)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s == sleep_s + 90 + pod.STOP_MARGIN_S


def test_probes_and_metrics_are_where_the_server_serves_them(built, container, demo_spec):
    made = container(demo_spec())
    ports = {port["name"]: port["containerPort"] for port in made["ports"]}
    assert ports == {"ws": 10095, "probes": 8081}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert made[probe]["httpGet"]["port"] == "probes"
    assert made["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert built(demo_spec())["spec"]["template"]["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": "8081",
    }


def test_a_server_knows_who_it_is(container, demo_spec):
    env = {variable["name"]: variable for variable in container(demo_spec())["env"]}
    assert env["ASR_SERVICE"]["value"] == "demo"
    assert env["ASR_POD"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert env["ASR_NAMESPACE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"


def test_the_image_of_the_spec_goes_before_the_default(container, demo_spec):
    assert container(demo_spec())["image"] == "registry.example/asr-server:1"
    assert container(demo_spec(runtime=Runtime(image="other:2")))["image"] == "other:2"


def test_images_are_pulled_with_the_secrets_of_the_policy(built, demo_spec):
    template = built(demo_spec(), image_pull_secrets=("a", "b"))["spec"]["template"]["spec"]
    assert template["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert "imagePullSecrets" not in built(demo_spec())["spec"]["template"]["spec"]


def test_the_service_leads_to_the_websocket_port(owner, demo_spec):
    spec = demo_spec(exposure=Exposure("LoadBalancer", 80))
    made = service.build_service(owner, spec, tls=False)["spec"]
    assert made["type"] == "LoadBalancer"
    assert made["ports"] == [{"name": "ws", "port": 80, "targetPort": "ws", "protocol": "TCP"}]
    assert service.render_url(owner, 80, tls=False) == "ws://demo.speech.svc:80"


def test_the_service_says_that_there_is_tls_behind_it(owner, demo_spec):
    (port,) = service.build_service(owner, demo_spec(), tls=True)["spec"]["ports"]
    assert port["appProtocol"] == "kubernetes.io/wss"
    assert service.render_url(owner, 80, tls=True) == "wss://demo.speech.svc:80"


@pytest.mark.parametrize(
    ("exposure", "volumes", "arguments"),
    [
        (Exposure(), {}, []),
        (
            Exposure(tls_secret="cert"),
            {"tls": ("cert", {"tls.crt": "tls.crt", "tls.key": "tls.key"})},
            ["--cert=/etc/asr-server/tls/tls.crt", "--key=/etc/asr-server/tls/tls.key"],
        ),
        (
            Exposure(tokens=SecretKey("clients", "list.txt")),
            {"auth": ("clients", {"list.txt": "tokens"})},
            ["--auth-tokens=/etc/asr-server/auth/tokens"],
        ),
    ],
)
def test_secrets_are_mounted_to_be_read_and_no_key_of_them_that_is_not_used(
    built, container, demo_spec, exposure, volumes, arguments
):
    spec = demo_spec(exposure=exposure)
    found = {
        each["name"]: (
            each["secret"]["secretName"],
            {item["key"]: item["path"] for item in each["secret"]["items"]},
        )
        for each in built(spec)["spec"]["template"]["spec"]["volumes"]
        if "secret" in each
    }
    mounts = {each["name"]: each for each in container(spec)["volumeMounts"]}
    assert found == volumes
    assert all(mounts[name]["readOnly"] for name in volumes)
    assert mounts.keys() == {"live-config", "tmp", *volumes}
    assert container(spec)["args"][len(container(demo_spec())["args"]) :] == arguments


def test_the_default_never_takes_down_a_ready_replica(built, demo_spec):
    strategy = built(demo_spec())["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_builders_do_not_share_what_they_return(built, demo_spec):
    first = built(demo_spec())
    first["spec"]["template"]["spec"]["containers"].clear()
    second = built(demo_spec())
    assert second["spec"]["template"]["spec"]["containers"]
