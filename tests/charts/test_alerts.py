"""The alerts: what raises each of them and what does not, told by promtool over made-up series."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

RULES = Path(__file__).parents[2] / "charts" / "asr-operator" / "alerts" / "rules.yaml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"] if "alert" in rule]

OF_DEMO = 'asr_namespace="speech", asr_service="demo"'
SERVER = 'instance="server"'
OBJECTIVE = f"asr_operator_final_latency_objective_seconds{{{OF_DEMO}}}"
HEALTHY = {
    f"asr_server_info{{{SERVER}, {OF_DEMO}}}": "1x600",
    'asr_operator_queue_depth{instance="operator"}': "0x600",
    f'asr_operator_condition{{{OF_DEMO}, type="Ready", status="True", reason="Serving"}}': "1x600",
}


def condition(type_, status, reason, values="1x600"):
    labels = f'type="{type_}", status="{status}", reason="{reason}"'
    return {f"asr_operator_condition{{{OF_DEMO}, {labels}}}": values}


def refused(reason, values):
    return {f'asr_refused_sessions_total{{{SERVER}, reason="{reason}"}}': values}


def finals(in_time, all_, *, objective="0.5", bound="0.5", target="0.95"):
    """Return finals by the minute, how many of them came within a bound, and the objective."""
    bucket = "asr_final_latency_seconds_bucket"
    return {
        f'{bucket}{{{SERVER}, mode="offline", le="{bound}"}}': in_time,
        f'{bucket}{{{SERVER}, mode="offline", le="+Inf"}}': all_,
        f'asr_final_latency_seconds_count{{{SERVER}, mode="offline"}}': all_,
        OBJECTIVE: f"{objective}x600",
        f"asr_operator_final_latency_objective_ratio{{{OF_DEMO}}}": f"{target}x600",
    }


def spoken(in_time, all_):
    """Return live finals by the minute, and how many of them came within half a second."""
    names = {
        "bucket": "asr_final_latency_seconds_bucket",
        "count": "asr_final_latency_seconds_count",
    }
    return {
        f'{names["bucket"]}{{{SERVER}, mode="2pass", le="0.5"}}': in_time,
        f'{names["bucket"]}{{{SERVER}, mode="2pass", le="+Inf"}}': all_,
        f'{names["count"]}{{{SERVER}, mode="2pass"}}': all_,
    }


# What happens, in samples of one minute: the series; the minute; which alerts fire.
CASES = {
    "all is well": ({}, 400, []),
    "half of the finals are late": (
        finals("0+10x600", "0+20x600"), 12, ["AsrFinalLatencyBurnsFast"],
    ),
    "half of the finals were late until ten minutes ago": (
        finals("0+10x30 320+20x600", "0+20x600"), 41, ["AsrFinalLatencyBurnsSlowly"],
    ),
    "a seventh of the finals is late for hours": (
        finals("0+18x600", "0+21x600"), 400, ["AsrFinalLatencyBurnsSlowly"],
    ),
    "one final in twenty-one is late": (finals("0+20x600", "0+21x600"), 400, []),
    "half of the finals are late where half may be": (
        finals("0+10x600", "0+20x600", target="0.5"), 400, [],
    ),
    "half of the finals are late for an objective between two bounds": (
        finals("0+10x600", "0+20x600", objective="0.6", bound="0.75"), 12,
        ["AsrFinalLatencyBurnsFast"],
    ),
    "half of the finals are late for an objective of whole seconds": (
        finals("0+10x600", "0+20x600", objective="2", bound="2.0"), 12,
        ["AsrFinalLatencyBurnsFast"],
    ),
    "files are late, and live finals are in time": (
        finals("0x600", "0+20x600") | spoken("0+20x600", "0+20x600"), 400, [],
    ),
    "live finals are late, and files are in time": (
        finals("0+99x600", "0+99x600") | spoken("0+10x600", "0+20x600"), 12,
        ["AsrFinalLatencyBurnsFast"],
    ),
    "files are late, and nobody speaks": (
        finals("0+10x600", "0+20x600") | spoken("7x600", "7x600"), 12,
        ["AsrFinalLatencyBurnsFast"],
    ),
    "finals are slower than any bound, as they may be": (
        finals("0x600", "0+20x600", objective="400", bound="300.0"), 400, [],
    ),
    "both finals of an hour are late": (finals("0x600", "0x19 1x29 2x600"), 51, []),
    "nobody speaks": (finals("5x600", "5x600"), 400, []),
    "all finals are in time, and for a while nobody told the objective": (
        finals("0+20x600", "0+20x600") | {OBJECTIVE: "0.5x10 stale _x39 0.5x600"}, 66, [],
    ),
    "servers take five minutes to start": (condition("Ready", "False", "Starting", "1x5"), 30, []),
    "servers do not start, for one reason after the other": (
        condition("Ready", "False", "Starting", "1x10") |
        condition("Ready", "False", "ModelFailed", "_x10 1x600"), 20, ["AsrServiceNotReady"],
    ),
    "service is scaled to zero": (condition("Ready", "False", "ScaledToZero"), 60, []),
    "bounds limit the scaling": (
        condition("ScalingLimited", "True", "MaxReplicasReached"), 16, ["AsrReplicasLimited"],
    ),
    "bounds do not limit the scaling": (
        condition("ScalingLimited", "False", "NotLimited"), 60, [],
    ),
    "servers are full": (refused("full", "0+6x600"), 20, ["AsrSessionsRefused"]),
    "servers are too late": (refused("overloaded", "0+6x600"), 20, ["AsrSessionsRefused"]),
    "servers were full for a moment": (refused("full", "0 30x600"), 20, []),
    "servers that stop refuse sessions": (refused("draining", "0+6x600"), 20, []),
    "engine dies once": ({f"asr_engine_restarts_total{{{SERVER}}}": "0x10 1x600"}, 20, []),
    "engine dies twice": (
        {f"asr_engine_restarts_total{{{SERVER}}}": "0x5 1x5 2x600"}, 20, ["AsrEngineRestarts"],
    ),
    "engine died twice long ago": (
        {f"asr_engine_restarts_total{{{SERVER}}}": "0x5 1x5 2x600"}, 60, [],
    ),
    "server refuses a live configuration": (
        {f"asr_config_errors_total{{{SERVER}}}": "0x5 1x600"}, 15, ["AsrConfigurationRefused"],
    ),
    "server refused a live configuration half an hour ago": (
        {f"asr_config_errors_total{{{SERVER}}}": "0x5 1x600"}, 40, [],
    ),
    "server that refused a live configuration is replaced": (
        {f"asr_config_errors_total{{{SERVER}}}": "1x600"}, 20, [],
    ),
    "Prometheus does not answer the operator": (
        condition("MetricsAvailable", "False", "PrometheusTimedOut"), 6, ["AsrMetricsUnavailable"],
    ),
    "operator was given no Prometheus": (
        condition("MetricsAvailable", "False", "PrometheusNotConfigured"), 60, [],
    ),
    "there is no server to measure": (condition("MetricsAvailable", "Unknown", "NoServer"), 60, []),
    "reconciles fail for long": (
        {'asr_operator_reconcile_errors_total{instance="operator"}': "0+1x600"}, 20,
        ["AsrReconcileErrors"],
    ),
    "reconciles failed for a moment": (
        {'asr_operator_reconcile_errors_total{instance="operator"}': "0 9x600"}, 20, [],
    ),
    "operator is gone": (
        {'asr_operator_queue_depth{instance="operator"}': "0x4 stale"}, 20, ["AsrOperatorDown"],
    ),
    "operator is replaced": (
        {'asr_operator_queue_depth{instance="operator"}': "0x4 stale _x2 0x600"}, 20, [],
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def promtool(tool):
    def run(*arguments):
        return subprocess.run(
            [tool("promtool"), *map(str, arguments)], capture_output=True, text=True
        )

    return run


def test_rules_are_well_formed(promtool):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def failures(promtool, tmp_path_factory):
    """Run all cases at once; return what promtool says of those that fail, by case."""
    folder = tmp_path_factory.mktemp("alerts")
    file, results = folder / "alerts.yaml", folder / "results.xml"
    file.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [build_test(name, *case) for name, case in CASES.items()],
            }
        )
    )
    done = promtool("test", f"--junit={results}", "rules", file)
    told = {each.get("name"): each for each in ElementTree.parse(results).iter("testcase")}
    assert told.keys() == CASES.keys(), done.stdout + done.stderr
    return {name: each.findtext("failure") for name, each in told.items()}


def build_test(name, series, minute, expected):
    """Return one case as promtool takes it."""
    values = HEALTHY | series
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values[each]} for each in values],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{each}"}}', "value": 1} for each in expected
                ],
            }
        ],
    }


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_alerts_fire_when(case, failures):
    assert failures[case] is None


def test_every_alert_has_a_case_in_which_it_fires():
    fired = {name for _, _, expected in CASES.values() for name in expected}

    assert fired == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_tells_how_bad_it_is_and_what_to_do(alert):
    assert alert["labels"].keys() == {"severity"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_names_only_labels_that_it_has(alert):
    named = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))

    grouped = re.findall(r"by \((.*?)\)", alert["expr"])
    of_service = "asr_service:" in alert["expr"]
    kept = {each.strip() for group in grouped for each in group.split(",")}
    assert named <= kept | ({"asr_namespace", "asr_service"} if of_service else set())
