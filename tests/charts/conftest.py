"""The chart, rendered by the real Helm; no cluster is needed."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parents[2] / "charts" / "asr-operator"
KUBERNETES = "1.34.0"

Render = Callable[..., list[dict]]


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program on the PATH or among those that tests/cluster/cluster built."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("ASR_OPERATOR_CACHE") or Path(base) / "asr-operator")

    def find(name: str) -> str:
        found = shutil.which(name, path=f"{os.environ['PATH']}:{cache / 'bin'}")
        assert found, f"no {name}: tests/cluster/cluster tool {name} builds one into the cache"
        return found

    return find


@pytest.fixture(scope="session")
def helm(tool) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = tool("helm")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def template(helm, tmp_path_factory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `helm template` with these values, which may be wrong."""

    def run(
        values: dict | None = None,
        release: str = "speech",
        namespace: str = "asr-system",
        api_versions: tuple[str, ...] = (),
    ):
        file = tmp_path_factory.mktemp("values") / "values.yaml"
        file.write_text(yaml.safe_dump(values or {}))
        return helm(
            "template", release, CHART, "--namespace", namespace, "--values", file,
            "--kube-version", KUBERNETES, *(f"--api-versions={each}" for each in api_versions),
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def render(template) -> Render:
    """Render the chart into its objects."""

    def run(values: dict | None = None, **kwargs: Any) -> list[dict]:
        done = template(values, **kwargs)
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]

    return run
