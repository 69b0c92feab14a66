"""The API server's audit log: who called what, and with which result."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

MUTATING = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request."""

    at: datetime
    user: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    code: int
    allowed: bool  # by its role; admission may refuse it all the same

    @property
    def mutating(self) -> bool:
        return self.verb in MUTATING

    @property
    def right(self) -> tuple[str, str, str]:
        """Return API group, resource and verb, as a role would grant them."""
        return self.group, self.resource, self.verb


def parse_call(line: str) -> Call:
    event: dict[str, Any] = json.loads(line)
    target = event.get("objectRef", {})
    subresource = target.get("subresource")
    return Call(
        at=datetime.fromisoformat(event["stageTimestamp"]),
        user=event["user"]["username"],
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", "") + (f"/{subresource}" if subresource else ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        allowed=event.get("annotations", {}).get("authorization.k8s.io/decision") != "forbid",
    )


class AuditLog:
    """The calls from an offset of the file on."""

    def __init__(self, path: Path, start: int) -> None:
        self._path, self._start = path, start

    def calls(self, user: str) -> list[Call]:
        """List the calls of one user."""
        with self._path.open("rb") as log:
            log.seek(self._start)
            lines = log.read().decode().splitlines(keepends=True)
        # The API server may be in the middle of writing the last line.
        calls = [parse_call(line) for line in lines if line.endswith("\n")]
        return [call for call in calls if call.user == user]
