"""What the chart installs, for the whole cluster and for a list of namespaces."""

import itertools
import json
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "asr-operator"
NAMESPACED = {"watchNamespaces": ["team-a", "team-b"]}
SCOPES = pytest.mark.parametrize("scope", [{}, NAMESPACED], ids=["cluster", "namespaces"])
PROMETHEUS_FILES = "/etc/asr-operator/prometheus"
FULL = {
    "image": {
        "repository": "registry.example/asr/operator",
        "tag": "1.2.3",
        "pullPolicy": "Always",
    },
    "imagePullSecrets": [{"name": "registry"}],
    "serverImage": {
        "repository": "registry.example/asr/server",
        "tag": "4.5.6",
        "pullSecrets": ["mirror", "vendor"],
    },
    "imageAllowList": ["registry.example/asr/*", "other.example/asr-server:*"],
    "watchNamespaces": ["team-a", "team-b"],
    "resyncSeconds": 60,
    "workers": 8,
    "logLevel": "debug",
    "prometheus": {
        "url": "https://prometheus.example/team",
        "timeoutSeconds": 9,
        "tokenSecret": {"name": "asker", "key": "bearer"},
        "username": "asr",
        "passwordSecret": {"name": "asker"},
        "caConfigMap": {"name": "authorities", "key": "root.pem"},
        "queries": {"pods": "up"},
    },
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
    "nodeSelector": {"pool": "system"},
    "tolerations": [{"key": "system", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "system-cluster-critical",
}


def only(objects, kind):
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def pod(objects):
    return only(objects, "Deployment")["spec"]["template"]["spec"]


def environment(objects):
    return {each["name"]: each["value"] for each in pod(objects)["containers"][0]["env"]}


def test_lint_is_content(helm):
    done = helm("lint", "--strict", CHART, "--kube-version", "1.34.0")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@SCOPES
def test_every_object_belongs_to_the_release(render, scope):
    for each in render(scope):
        if each["kind"] != "CustomResourceDefinition":
            assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "speech"
            cluster_wide = each["kind"].startswith("ClusterRole")
            assert ("namespace" in each["metadata"]) is not cluster_wide


def test_definition_is_the_single_source_and_stays_when_the_release_goes(render):
    source = yaml.safe_load((ROOT / "crds" / "asrservices.yaml").read_text())

    definition = only(render(), "CustomResourceDefinition")

    kept = definition["metadata"]["annotations"].pop("helm.sh/resource-policy")
    if not definition["metadata"]["annotations"]:
        del definition["metadata"]["annotations"]
    assert kept == "keep"
    assert definition == source


def test_definition_in_the_chart_is_a_copy_of_the_single_source():
    copy, source = CHART / "files" / "asrservices.yaml", ROOT / "crds" / "asrservices.yaml"

    assert copy.read_text() == source.read_text(), "make crds"


def test_definition_can_be_left_to_others(render):
    kinds = {each["kind"] for each in render({"crds": {"enabled": False}})}

    assert "CustomResourceDefinition" not in kinds


def test_whole_cluster_is_served_with_a_cluster_role(render):
    objects = render()

    role, binding = only(objects, "ClusterRole"), only(objects, "ClusterRoleBinding")
    account = only(objects, "ServiceAccount")["metadata"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    ]
    assert not {"Role", "RoleBinding"} & {each["kind"] for each in objects}
    assert "ASR_OPERATOR_NAMESPACES" not in environment(objects)


def test_listed_namespaces_are_served_with_a_role_in_each_and_nothing_elsewhere(render):
    objects = render(NAMESPACED)

    for kind in ("Role", "RoleBinding"):
        found = [each["metadata"]["namespace"] for each in objects if each["kind"] == kind]
        assert found == ["team-a", "team-b"]
    assert not any(each["kind"].startswith("ClusterRole") for each in objects)
    account = only(objects, "ServiceAccount")["metadata"]
    for binding in (each for each in objects if each["kind"] == "RoleBinding"):
        assert binding["subjects"][0]["namespace"] == account["namespace"] == "asr-system"
    assert environment(objects)["ASR_OPERATOR_NAMESPACES"] == "team-a,team-b"


def test_both_scopes_may_do_the_same(render):
    role = next(each for each in render(NAMESPACED) if each["kind"] == "Role")

    assert role["rules"] == only(render(), "ClusterRole")["rules"]


def test_operator_may_read_no_secret_and_delete_nothing(render):
    rules = only(render(), "ClusterRole")["rules"]

    granted = {
        (resource, verb)
        for rule in rules
        for resource, verb in itertools.product(rule["resources"], rule["verbs"])
    }
    assert not [each for each in granted if "*" in each]
    assert not [resource for resource, _ in granted if resource.startswith("secrets")]
    assert not [verb for _, verb in granted if verb.startswith("delete")]


def test_one_operator_runs_and_the_next_waits_until_it_is_gone(render):
    spec = only(render(), "Deployment")["spec"]

    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    selector = spec["selector"]["matchLabels"].items()
    assert selector <= spec["template"]["metadata"]["labels"].items()


def test_pod_keeps_the_restricted_standard(render):
    spec = pod(render())
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & spec.keys()


def test_service_links_cannot_pass_for_settings(render):
    assert pod(render())["enableServiceLinks"] is False


def test_metrics_are_found_through_the_service_and_the_annotations(render):
    objects = render()
    deployment, service = only(objects, "Deployment"), only(objects, "Service")

    template = deployment["spec"]["template"]
    ports = {each["name"]: each["containerPort"] for each in pod(objects)["containers"][0]["ports"]}
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == "metrics"
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])


def test_every_value_arrives_where_it_belongs(render):
    objects = render(FULL)
    spec = pod(objects)
    (container,) = spec["containers"]

    assert container["image"] == "registry.example/asr/operator:1.2.3"
    assert container["imagePullPolicy"] == "Always"
    assert container["resources"] == FULL["resources"]
    assert environment(objects) == {
        "ASR_OPERATOR_SERVER_IMAGE": "registry.example/asr/server:4.5.6",
        "ASR_OPERATOR_IMAGE_PULL_SECRETS": "mirror,vendor",
        "ASR_OPERATOR_IMAGE_ALLOW_LIST": "registry.example/asr/*,other.example/asr-server:*",
        "ASR_OPERATOR_NAMESPACES": "team-a,team-b",
        "ASR_OPERATOR_RESYNC_SECONDS": "60",
        "ASR_OPERATOR_WORKERS": "8",
        "ASR_OPERATOR_LOG_LEVEL": "debug",
        "ASR_OPERATOR_PROMETHEUS_URL": "https://prometheus.example/team",
        "ASR_OPERATOR_PROMETHEUS_TIMEOUT_SECONDS": "9",
        "ASR_OPERATOR_PROMETHEUS_TOKEN_FILE": f"{PROMETHEUS_FILES}/token/bearer",
        "ASR_OPERATOR_PROMETHEUS_USERNAME": "asr",
        "ASR_OPERATOR_PROMETHEUS_PASSWORD_FILE": f"{PROMETHEUS_FILES}/password/password",
        "ASR_OPERATOR_PROMETHEUS_CA_FILE": f"{PROMETHEUS_FILES}/ca/root.pem",
        "ASR_OPERATOR_PROMETHEUS_QUERIES_FILE": f"{PROMETHEUS_FILES}/queries/queries.json",
    }
    for name in (
        "imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName"
    ):  # fmt: skip
        assert spec[name] == FULL[name]


def test_release_named_like_the_chart_gets_short_names(render):
    names = {each["metadata"]["name"] for each in render(release="asr-operator")}

    assert names == {
        "asr-operator",
        "asr-operator-dashboards",
        "asr-operator-metrics",
        "asrservices.asr-operator.dev",
    }


def test_two_releases_share_no_name(render):
    installed = [
        {
            (each["kind"], each["metadata"]["name"])
            for each in render({"crds": {"enabled": False}}, release=release)
        }
        for release in ("one", "two")
    ]

    assert not installed[0] & installed[1]


def test_files_for_prometheus_are_mounted_where_the_settings_look(render):
    objects = render(FULL)
    files = {
        value
        for name, value in environment(objects).items()
        if name.startswith("ASR_OPERATOR_PROMETHEUS") and name.endswith("_FILE")
    }
    mounts = {
        each["mountPath"]: each["name"] for each in pod(objects)["containers"][0]["volumeMounts"]
    }
    volumes = {each["name"]: each for each in pod(objects)["volumes"]}

    assert {Path(file).name for file in files} == {"bearer", "password", "root.pem", "queries.json"}
    assert {mounts[str(Path(file).parent)] for file in files} == set(volumes)
    name = volumes["prometheus-queries"]["configMap"]["name"]
    (queries,) = [each for each in objects if each["metadata"]["name"] == name]
    assert json.loads(queries["data"]["queries.json"]) == {"pods": "up"}


def test_nothing_is_mounted_without_a_prometheus(render):
    assert "volumes" not in pod(render({}))
