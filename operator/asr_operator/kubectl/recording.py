"""What Prometheus recorded of a service, asked over HTTP: its load, and how its batches ran.

Prometheus knows rates, not sessions: they are drawn anew, with the mean length of the inputs and at
random moments, so that each minute brings the audio that it brought. What servers had to refuse
counts as audio too, by the rule of the operator: for lateness only while engines are busy.
"""

import http.client
import json
import math
import random
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from asr_operator.autoscaler import service_model
from asr_operator.autoscaler.replica_policy import LEAST_DUTY_RATIO
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.kubectl.failure import PluginError
from asr_operator.simulation.workload import Call
from asr_operator.state.load import BatchPoint

TIMEOUT_S = 60.0
SHORTEST_STEP_S = 60
MOST_STEPS = 5000
SHORTEST_WINDOW_S = 240  # a rate needs two scrapes, and they may be a minute apart
MOST_CALLS = 2_000_000
SHORTEST_CALL_S, LONGEST_CALL_S = 1.0, 600.0
REDIRECTS = (301, 302, 303, 307, 308)

Series = Mapping[float, float]


class RecordingError(PluginError):
    """Prometheus cannot tell; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in Unix seconds."""

    begin: float
    end: float

    @property
    def step_s(self) -> int:
        """How far apart rates are."""
        minutes = math.ceil((self.end - self.begin) / MOST_STEPS / SHORTEST_STEP_S)
        return SHORTEST_STEP_S * max(1, minutes)


@dataclass(frozen=True, slots=True)
class Recording:
    """Sessions that bring what was recorded, of `call_s` each; and how batches ran."""

    calls: list[Call]
    call_s: float
    model: ServiceModel


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the address that the user named, and no other."""

    def redirect_request(self, *_: object, **_named: object) -> None:
        """Leave the redirect as an answer, an error."""


class Recorder:
    """The Prometheus at an address, asked about one service; `token` is sent if there is one."""

    def __init__(self, url: str, token: str | None, namespace: str, name: str) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._opener = urllib.request.build_opener(*((_NoRedirects,) if token else ()))
        labels = f"asr_namespace={json.dumps(namespace)}, asr_service={json.dumps(name)}"
        self._whose = f"on (instance) group_left () max by (instance) (asr_server_info{{{labels}}})"
        self._name = f"{namespace}/{name}"

    def read(self, span: Span, seed: int) -> Recording:
        """Return what was recorded; raise `RecordingError` also when that is nothing."""
        audio = self._rate("asr_received_audio_seconds_total", span)
        inputs = self._rate("asr_received_items_total", span)
        heard, came = math.fsum(audio.values()), math.fsum(inputs.values())
        if not heard:
            raise RecordingError(
                f"Prometheus at {self._url} has no audio of {self._name} in that time. See whether"
                " it scrapes the server pods, and whether the range is one in which there was load."
            )
        mean_s = heard / came if came else heard * span.step_s
        call_s = min(LONGEST_CALL_S, max(SHORTEST_CALL_S, mean_s))
        refused = self._read_refused(span)
        demand = {at: rate + refused.get(at, 0.0) * call_s for at, rate in audio.items()}
        return Recording(draw_calls(demand, call_s, span, seed), call_s, self._read_model(span))

    def _read_refused(self, span: Span) -> Series:
        full = self._rate('asr_refused_sessions_total{reason="full"}', span)
        late = self._rate('asr_refused_sessions_total{reason="overloaded"}', span)
        duty = self._rate("asr_engine_busy_seconds_total", span, "avg")
        counted = {at: rate for at, rate in late.items() if duty.get(at, 1.0) >= LEAST_DUTY_RATIO}
        return {at: full.get(at, 0.0) + counted.get(at, 0.0) for at in full.keys() | counted.keys()}

    def _read_model(self, span: Span) -> ServiceModel:
        """Return what the batches teach, step by step; the model has no points without any.

        A round is a batch of the recognizer with its share of the work of all other stages.
        """
        stage = service_model.MAIN_STAGE
        batches = self._rate(f'asr_batch_size_count{{stage="{stage}"}}', span)
        audio = self._rate(f'asr_batch_audio_seconds_sum{{stage="{stage}"}}', span)
        busy = self._rate("asr_batch_seconds_sum", span)
        return service_model.refit(
            BatchPoint(at, stage, count, audio[at] / count, busy[at] / count)
            for at, count in batches.items()
            if count > 0 and audio.get(at, 0.0) > 0 and busy.get(at, 0.0) > 0
        )

    def _rate(self, counter: str, span: Span, over: str = "sum") -> Series:
        window_s = max(span.step_s, SHORTEST_WINDOW_S)
        asked = {
            "query": f"{over}(rate({counter}[{window_s}s]) * {self._whose})",
            "start": span.begin + span.step_s,
            "end": span.end,
            "step": span.step_s,
        }
        return parse_matrix(self._ask(f"/api/v1/query_range?{urllib.parse.urlencode(asked)}"))

    def _ask(self, path: str) -> bytes:
        try:
            request = urllib.request.Request(self._url + path, headers=self._headers)
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                body: bytes = answer.read()
        except urllib.error.HTTPError as error:
            raise RecordingError(self._explain_status(error)) from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise RecordingError(
                f"No Prometheus answers at {self._url}: {getattr(error, 'reason', error)}. Make one"
                " reachable (kubectl port-forward -n NAMESPACE svc/NAME 9090), or name another with"
                " --prometheus-url."
            ) from None
        return body

    def _explain_status(self, error: urllib.error.HTTPError) -> str:
        told = f"Prometheus at {self._url} answers {error.code}"
        if error.code in REDIRECTS:
            return (
                f"{told} and another address, {error.headers.get('Location')}. The token is sent"
                " to the address of --prometheus-url alone: name the one that answers."
            )
        return f"{told}: {error.read(500).decode(errors='replace')}"


def parse_matrix(body: bytes) -> Series:
    """Return the one series of an answer by its times, empty without any; NaN is left out.

    Raises `RecordingError`.
    """
    try:
        found = json.loads(body)["data"]["result"]
        points = found[0]["values"] if found else []
        series = {float(at): float(value) for at, value in points}
    except (KeyError, IndexError, TypeError, ValueError):
        raise RecordingError(
            "What answers at --prometheus-url is not the API of a Prometheus."
        ) from None
    return {at: value for at, value in series.items() if math.isfinite(value)}


def draw_calls(demand: Series, call_s: float, span: Span, seed: int) -> list[Call]:
    """Return sessions of one length whose audio is, step by step, what arrived.

    Raises `RecordingError` for more than can be simulated.
    """
    many = math.fsum(demand.values()) * span.step_s / call_s
    if many > MOST_CALLS:
        raise RecordingError(
            f"That is about {many:,.0f} sessions, and at most {MOST_CALLS:,} can be simulated: ask"
            " for a shorter range."
        )
    draw = random.Random(seed)
    calls: list[Call] = []
    owed_s = 0.0
    for at, rate in sorted(demand.items()):
        owed_s += rate * span.step_s
        count = math.floor(owed_s / call_s)
        owed_s -= count * call_s
        begin = at - span.step_s - span.begin
        calls += [Call(begin + draw.uniform(0, span.step_s), call_s) for _ in range(count)]
    return sorted(calls, key=lambda call: call.start_s)
