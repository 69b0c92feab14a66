"""What Prometheus' HTTP API says: the shapes of its answers, and why one cannot be used. No I/O."""

from typing import TypeVar

import msgspec

from asr_operator.api.names import Reason

BAD_QUERY_STATUSES = (400, 422)


class PrometheusError(Exception):
    """Prometheus gave no answer that can be used.

    `message` says what to do; it stays the same while the cause does, and tells nothing of other
    services, since users read it in their resource. `detail` is for the operator's log.
    """

    def __init__(self, reason: Reason, message: str, detail: str = "") -> None:
        super().__init__(f"{message} [{detail}]" if detail else message)
        self.reason = reason
        self.message = message
        self.detail = detail

    def within(self, query: str) -> "PrometheusError":
        """Return the same error with the name of the query."""
        return PrometheusError(self.reason, self.message, f"{query}: {self.detail}")


class Labels(msgspec.Struct, frozen=True, gc=False):
    """The labels that our queries leave; others are dropped. The last ones are DCGM's."""

    asr_namespace: str = ""
    asr_service: str = ""
    asr_pod: str = ""
    device: str = ""
    instance: str = ""
    item_class: str = msgspec.field(default="", name="class")
    le: str = ""
    reason: str = ""
    name: str = msgspec.field(default="", name="__name__")
    gpu: str = msgspec.field(default="", name="UUID")
    gpu_slice: str = msgspec.field(default="", name="GPU_I_ID")
    pod: str = ""
    namespace: str = ""
    exported_pod: str = ""
    exported_namespace: str = ""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One series at one moment: its labels, and its time and value."""

    metric: Labels
    value: tuple[float, str]


class RangeRow(msgspec.Struct, frozen=True, gc=False):
    """One series over a time: its labels, and its times and values."""

    metric: Labels
    values: list[tuple[float, str]]


class Scalar(msgspec.Struct, tag_field="resultType", tag="scalar"):
    """A time and a value."""

    result: tuple[float, str]


class Vector(msgspec.Struct, tag_field="resultType", tag="vector"):
    """Series at one moment."""

    result: list[Row]


class Matrix(msgspec.Struct, tag_field="resultType", tag="matrix"):
    """Series over a time."""

    result: list[RangeRow]


class _Answer(msgspec.Struct, tag_field="status", tag="success"):
    data: Scalar | Vector | Matrix
    warnings: list[str] = []


Data = TypeVar("Data", Scalar, Vector, Matrix)
"""What an answer holds."""


class _Failure(msgspec.Struct):
    error: str = ""
    errorType: str = ""  # noqa: N815 - Prometheus' name


_ANSWERS = msgspec.json.Decoder(_Answer)
_FAILURES = msgspec.json.Decoder(_Failure)


def parse_answer(body: bytes, kind: type[Data]) -> Data:
    """Return the data of an answer with status 200; raise `PrometheusError` if it is unusable."""
    try:
        answer = _ANSWERS.decode(body)
    except msgspec.DecodeError as error:
        raise explain_malformed(f"{error}: {_excerpt(body)}") from None
    if answer.warnings:
        raise PrometheusError(
            Reason.ANSWER_PARTIAL,
            "Prometheus warns that its answers may lack data; see the operator's log",
            "; ".join(answer.warnings)[:500],
        )
    if not isinstance(answer.data, kind):
        raise explain_malformed(f"the result is not a {kind.__name__.lower()}")
    return answer.data


def explain_status(status: int, body: bytes) -> PrometheusError:
    """Return what an answer with an HTTP status other than 200 means."""
    try:
        failure = _FAILURES.decode(body)
    except msgspec.DecodeError:
        failure = _Failure(error=_excerpt(body))
    detail = f"{status}: {failure.error[:500]}"
    if failure.errorType == "timeout":
        return explain_timeout(detail)
    if status in BAD_QUERY_STATUSES:
        return PrometheusError(
            Reason.QUERY_FAILED,
            "Prometheus cannot evaluate a query; see the operator's log, and the queries in its"
            " setting prometheus-queries-file if that is set",
            detail,
        )
    if status >= 500:
        return PrometheusError(
            Reason.PROMETHEUS_FAILED,
            f"Prometheus answers with HTTP status {status}; look at it, and at what is before it",
            detail,
        )
    return PrometheusError(
        Reason.PROMETHEUS_REFUSED,
        f"Prometheus answers with HTTP status {status}; check the operator's settings"
        " prometheus-url and prometheus-token-file or prometheus-password-file",
        detail,
    )


def explain_timeout(detail: str) -> PrometheusError:
    """Return what it means that an answer takes too long."""
    return PrometheusError(
        Reason.PROMETHEUS_TIMED_OUT,
        "Prometheus does not answer in time; give it more resources, or raise the operator's"
        " setting prometheus-timeout-seconds",
        detail,
    )


def explain_malformed(detail: str) -> PrometheusError:
    """Return what it means that an answer makes no sense."""
    return PrometheusError(
        Reason.ANSWER_MALFORMED,
        "what answers is not Prometheus' API; check the operator's setting prometheus-url",
        detail,
    )


def _excerpt(body: bytes) -> str:
    return body[:200].decode(errors="replace")
