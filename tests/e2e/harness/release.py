"""The operator under test: the chart of this checkout, installed by Helm."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import cluster, waiting

CHART = Path(__file__).parents[3] / "charts" / "asr-operator"
NAMESPACE = "asr-system"
NAME = "asr-operator"
USER = f"system:serviceaccount:{NAMESPACE}:{NAME}"
RESYNC_S = 10
VALUES = [
    f"resyncSeconds={RESYNC_S}",
    "workers=4",
    "logLevel=debug",
    "imageAllowList={localhost/asr-server:*}",
]


def helm(*arguments: str) -> str:
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Operator:
    """The release that runs the operator."""

    cluster: cluster.Cluster

    @property
    def namespace(self) -> cluster.Namespace:
        return self.cluster.namespace(NAMESPACE)

    def install(self) -> None:
        """Install the release, or upgrade it and replace its pod, whose image may be newer."""
        there = NAME in helm("list", "--namespace", NAMESPACE, "--short").split()
        values = [part for each in VALUES for part in ("--set", each)]
        helm(
            "upgrade", "--install", NAME, str(CHART), "--namespace", NAMESPACE,
            "--create-namespace", "--reset-values", *values,
        )  # fmt: skip
        if there:
            self.namespace.kubectl("rollout", "restart", f"deployment/{NAME}")

    def uninstall(self) -> None:
        helm("uninstall", NAME, "--namespace", NAMESPACE, "--wait")

    def start(self) -> None:
        self._scale(1)
        self.wait_running()

    def wait_running(self) -> None:
        self.namespace.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=120s")

    def stop(self) -> None:
        """Stop the operator and wait until its pod is gone."""
        self._scale(0)
        waiting.wait_for("end of the operator", self.pods, lambda pods: not pods, deadline_s=60)

    def pods(self) -> list[dict]:
        return self.namespace.find("Pod", f"app.kubernetes.io/name={NAME}")

    def logs(self) -> str:
        return self.namespace.kubectl("logs", f"deployment/{NAME}")

    def _scale(self, replicas: int) -> None:
        self.namespace.patch("Deployment", NAME, {"spec": {"replicas": replicas}})
