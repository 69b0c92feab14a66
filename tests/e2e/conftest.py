"""The stage of every end-to-end test: a real cluster, the images loaded, the chart installed here.

`ASR_CLUSTER_AUDIT_LOG`, `_PROMETHEUS`, `_RESOURCE_METRICS` and `_KEDA` name what not every cluster
has; tests that need one that is not named are left out, and the summary says so. Pods must reach
this process where there is a Prometheus: the operator is led to it by a wire that can be cut.
`ASR_E2E_OPERATOR=absent` installs an operator whose image does not exist: every test worth
something must fail then.
"""

import asyncio
import os
import secrets
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from harness import asr, audit, cluster, release, speaking, waiting, wire

ORDER = [
    "definition", "service", "words", "impossible", "secure", "changes", "rollout", "repair",
    "absence", "quiet", "schedules", "loop_retune", "operations", "loop_auto", "loop_modes",
    "loop_external", "loop_keda", "deletion", "rights", "scope",
]  # fmt: skip
NEEDS = {
    "audit_log": "ASR_CLUSTER_AUDIT_LOG",
    "prometheus": "ASR_CLUSTER_PROMETHEUS",
    "resource_metrics": "ASR_CLUSTER_RESOURCE_METRICS",
    "keda": "ASR_CLUSTER_KEDA",
}
LEFT_OUT = pytest.StashKey[list[str]]()
STAGE = pytest.StashKey[cluster.Cluster]()
VALUES = ("imageAllowList={localhost/asr-server:*}",)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the files into the order in which one service goes through its life."""
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    left_out = [item for item in ours if missing(item)]
    config.stash[LEFT_OUT] = [
        f"{item.name}, because {missing(item)} is not set" for item in left_out
    ]
    kept = [item for item in ours if item not in left_out]
    kept.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))
    items[:] = [item for item in items if item not in ours] + kept


def missing(item: pytest.Item) -> str:
    """Name the variables that a test needs and that are not set."""
    needs = (NEEDS[fixture] for fixture in NEEDS.keys() & set(getattr(item, "fixturenames", ())))
    return ", ".join(sorted(name for name in needs if name not in os.environ))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for each in terminalreporter.config.stash.get(LEFT_OUT, []):
        terminalreporter.write_line(f"left out: {each}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator:
    """Show the cluster with each failure, as it was then."""
    report = yield
    found = item.config.stash.get(STAGE, None)
    if report.failed and found and item.path.parent == Path(__file__).parent:
        report.sections.append(("the cluster", found.picture()))
    return report


@pytest.fixture(scope="session")
def kubernetes(pytestconfig: pytest.Config) -> cluster.Cluster:
    pytestconfig.stash[STAGE] = cluster.Cluster()
    return pytestconfig.stash[STAGE]


@pytest.fixture(scope="session")
def audit_start() -> int:
    """Where the audit log ended before the operator came."""
    path = os.environ.get(NEEDS["audit_log"])
    return Path(path).stat().st_size if path else 0


@pytest.fixture(scope="session")
def line() -> wire.Wire | None:
    """What leads the operator to Prometheus, if there is one."""
    url = os.environ.get(NEEDS["prometheus"])
    return wire.Wire(url) if url else None


@pytest.fixture(scope="session")
def operator(
    kubernetes: cluster.Cluster, audit_start: int, line: wire.Wire | None
) -> Iterator[release.Operator]:
    """The operator of this checkout; the one that was there before is put back in the end."""
    values = (*VALUES, f"prometheus.url={line.url}") if line else VALUES
    installed = release.Operator(kubernetes, values=values)
    former = installed.install()
    if not release.ABSENT:
        installed.wait_running()
    yield installed
    installed.restore(former)


@pytest.fixture(scope="session")
def audit_log(operator: release.Operator, audit_start: int) -> audit.AuditLog:
    """What was called since the operator was installed."""
    return audit.AuditLog(Path(os.environ[NEEDS["audit_log"]]), audit_start)


@pytest.fixture(scope="session")
def prometheus() -> str:
    return os.environ[NEEDS["prometheus"]]


@pytest.fixture(scope="session")
def resource_metrics() -> str:
    return os.environ[NEEDS["resource_metrics"]]


@pytest.fixture(scope="session")
def keda() -> str:
    return os.environ[NEEDS["keda"]]


@pytest.fixture(scope="session")
def new_namespace(
    kubernetes: cluster.Cluster, operator: release.Operator
) -> Iterator[Callable[[str], cluster.Namespace]]:
    """Make namespaces that are deleted at the end."""
    made: list[cluster.Namespace] = []

    def make(purpose: str) -> cluster.Namespace:
        made.append(kubernetes.create_namespace(f"e2e-{purpose}-{secrets.token_hex(3)}"))
        return made[-1]

    yield make
    for each in made:
        waiting.wait_for(f"end of the pods in {each.name}", each.empty, deadline_s=asr.READY_S)
        each.remove()
    waiting.wait_for(
        "end of the namespaces",
        lambda: [each.name for each in made if each.exists()],
        lambda names: not names,
        deadline_s=asr.READY_S,
    )


@pytest.fixture
def namespace(
    new_namespace: Callable[[str], cluster.Namespace], request: pytest.FixtureRequest
) -> cluster.Namespace:
    return new_namespace(request.path.stem.removeprefix("test_"))


@pytest.fixture(scope="session")
def speech(new_namespace: Callable[[str], cluster.Namespace]) -> asr.Service:
    """The service that runs pods; tests share it, because a pod takes long to start.

    Nothing is shed, so that crowds are in at once.
    """
    service = asr.Service(new_namespace("speech"), "speech")
    service.apply({"shedding": {"lateMilliseconds": 0}})
    return service


@pytest.fixture(scope="session")
def heard(speech: asr.Service, utterances: list[speaking.Utterance]) -> list[speaking.Heard]:
    """What came back when all held-out utterances were spoken at the same time."""
    speech.wait_ready()
    return asyncio.run(speaking.speak_all(speech.url, utterances))


@pytest.fixture(scope="session")
def transcripts(heard: list[speaking.Heard]) -> dict[str, str]:
    """What the model hears in each utterance, by what is said: it is the same each time."""
    return {each.said: each.text for each in heard}
