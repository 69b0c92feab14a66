"""The dashboards: made by the code in monitoring/, and shipped so that Grafana finds them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMMITTED = sorted((ROOT / "charts" / "asr-operator" / "dashboards").glob("*.json"))
RULER = {"monitoring.coreos.com/v1"}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Write the dashboards anew."""
    folder = tmp_path_factory.mktemp("dashboards")
    subprocess.run([sys.executable, ROOT / "monitoring" / "write.py", folder], check=True)
    return folder


@pytest.fixture(params=COMMITTED, ids=lambda path: path.stem)
def dashboard(request):
    return json.loads(request.param.read_text())


def shipped(objects, kind, name):
    found = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found[0] if found else None


def test_committed_dashboards_are_those_that_the_code_writes(written):
    now = {path.name: path.read_text() for path in written.iterdir()}

    assert now == {path.name: path.read_text() for path in COMMITTED}, "make dashboards"


def test_every_query_is_about_what_the_reader_chose(dashboard):
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]

    assert targets
    for target in targets:
        assert 'asr_namespace="$namespace", asr_service="$service"' in target["expr"]
        assert "[5m]" not in target["expr"]
    assert {each["name"] for each in dashboard["templating"]["list"]} == {
        "datasource",
        "namespace",
        "service",
    }


def test_panels_do_not_overlap_and_queries_of_one_can_be_told_apart(dashboard):
    taken, ids = set(), [panel["id"] for panel in dashboard["panels"]]
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells
        refs = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(refs)) == len(refs), panel["title"]
    assert len(set(ids)) == len(ids)


def test_sidecar_of_grafana_finds_every_dashboard_by_its_label(render):
    found = shipped(render(), "ConfigMap", "speech-asr-operator-dashboards")

    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name: json.loads(text) for name, text in found["data"].items()} == {
        f"asr-{path.name}": json.loads(path.read_text()) for path in COMMITTED
    }


def test_labels_and_annotations_of_the_dashboards_are_values(render):
    values = {"labels": {"find": "me"}, "annotations": {"grafana_folder": "Speech"}}

    found = shipped(render({"dashboards": values}), "ConfigMap", "speech-asr-operator-dashboards")

    assert found["metadata"]["labels"]["find"] == "me"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Speech"}


def test_dashboards_can_be_left_out(render):
    assert "ConfigMap" not in {each["kind"] for each in render({"dashboards": {"enabled": False}})}


def test_alerts_are_installed_where_the_cluster_knows_them(render):
    source = ROOT / "charts" / "asr-operator" / "alerts" / "rules.yaml"
    values = {"alerts": {"labels": {"release": "monitoring"}}}

    found = shipped(render(values, api_versions=RULER), "PrometheusRule", "speech-asr-operator")

    assert found["spec"] == yaml.safe_load(source.read_text())
    assert found["metadata"]["labels"]["release"] == "monitoring"


@pytest.mark.parametrize(
    ("values", "api_versions"), [({}, ()), ({"alerts": {"enabled": False}}, RULER)]
)
def test_alerts_are_left_out_where_they_are_not_known_or_not_wanted(render, values, api_versions):
    objects = render(values, api_versions=api_versions)

    assert shipped(objects, "PrometheusRule", "speech-asr-operator") is None
