"""An operator under test: the chart of this checkout, installed by Helm."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import cluster, waiting

CHART = Path(__file__).parents[3] / "charts" / "asr-operator"
RESYNC_S = 10
ABSENT = os.environ.get("ASR_E2E_OPERATOR") == "absent"
VALUES = (f"resyncSeconds={RESYNC_S}", "logLevel=debug", *(("image.tag=absent",) if ABSENT else ()))


def helm(*arguments: str) -> str:
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Operator:
    """A release of the chart; its name must hold the chart's, which keeps the names short."""

    cluster: cluster.Cluster
    name: str = "asr-operator"
    namespace_name: str = "asr-system"
    values: tuple[str, ...] = ()

    @property
    def namespace(self) -> cluster.Namespace:
        return self.cluster.namespace(self.namespace_name)

    @property
    def user(self) -> str:
        """The operator's name in the audit log."""
        return f"system:serviceaccount:{self.namespace_name}:{self.name}"

    def install(self) -> str | None:
        """Install or upgrade the release; return its former revision, if it was there before.

        Its pod is replaced in any case, because the image may be another under the same name.
        """
        listed = json.loads(helm("list", "--all-namespaces", "--output", "json"))
        found = {each["name"]: each for each in listed if each["namespace"] == self.namespace_name}
        former = found[self.name]["revision"] if self.name in found else None
        helm(
            "upgrade", "--install", self.name, str(CHART), "--namespace", self.namespace_name,
            "--create-namespace", "--reset-values",
            *(f"--set={each}" for each in (*VALUES, *self.values)),
        )  # fmt: skip
        if former:
            self.namespace.kubectl("rollout", "restart", f"deployment/{self.name}")
        return former

    def restore(self, former: str | None) -> None:
        """Go back to a former revision, or to no release at all."""
        if former:
            helm("rollback", self.name, former, "--namespace", self.namespace_name)
        else:
            helm("uninstall", self.name, "--namespace", self.namespace_name, "--wait")

    def notes(self) -> str:
        """Return what Helm tells who installs the chart."""
        return helm("get", "notes", self.name, "--namespace", self.namespace_name)

    def start(self) -> None:
        self._scale(1)
        self.wait_running()

    def wait_running(self) -> None:
        patience = f"--timeout={120 * waiting.PATIENCE:.0f}s"
        self.namespace.kubectl("rollout", "status", f"deployment/{self.name}", patience)

    def stop(self) -> None:
        """Stop the operator and wait until its pod is gone."""
        self._scale(0)
        waiting.wait_for("end of the operator", self.pods, lambda pods: not pods)

    def pods(self) -> list[dict]:
        return self.namespace.find("Pod", f"app.kubernetes.io/instance={self.name}")

    def logs(self) -> str:
        return self.namespace.kubectl("logs", f"deployment/{self.name}")

    def _scale(self, replicas: int) -> None:
        self.namespace.patch("Deployment", self.name, {"spec": {"replicas": replicas}})
