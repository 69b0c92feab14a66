"""A service as the plugin sees it, and which of its conditions need attention. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asr_operator.api import spec, status
from asr_operator.api.names import ConditionType
from asr_operator.api.spec import AsrService, AsrServiceSpec, InvalidSpec
from asr_operator.api.status import AsrServiceStatus, Condition
from asr_operator.decisions import report, scaling_report


@dataclass(frozen=True, slots=True)
class Subject:
    """A service and its status; there is no `spec` when the stored one cannot be used."""

    service: AsrService
    status: AsrServiceStatus

    @property
    def name(self) -> str:
        """Namespace and name."""
        return f"{self.service.identity.namespace}/{self.service.identity.name}"

    @property
    def spec(self) -> AsrServiceSpec | None:
        """The spec, or None when it is invalid."""
        return None if isinstance(self.service.spec, InvalidSpec) else self.service.spec

    @property
    def is_seen(self) -> bool:
        """Whether an operator has looked at the service."""
        return bool(self.status.conditions)

    @property
    def is_current(self) -> bool:
        """Whether the operator has looked at the present spec."""
        return self.status.observed_generation >= self.service.generation


def parse_subject(body: Mapping[str, Any]) -> Subject:
    """Read a service as the API server returns it."""
    return Subject(spec.parse_service(body), status.parse_status(body))


def find_attention(subject: Subject) -> tuple[Condition, ...]:
    """Return the conditions that somebody should do something about, each cause once.

    Ready repeats the cause that another condition has, so it counts only when alone with it. That
    nothing is known of the load matters where something is to be decided by it.
    """
    watched = subject.spec is not None and scaling_report.is_watched(subject.spec)
    bad = [
        condition
        for condition in subject.status.conditions
        if report.is_bad(condition) or (watched and _lacks_metrics(condition))
    ]
    causes = {each.reason for each in bad if each.type != ConditionType.READY}
    return tuple(
        each for each in bad if each.type != ConditionType.READY or each.reason not in causes
    )


def _lacks_metrics(condition: Condition) -> bool:
    return condition.type == ConditionType.METRICS_AVAILABLE and condition.status == "False"
