"""Questions to Prometheus over its HTTP API: PromQL in, rows out.

Nothing here knows what is asked. Every failure is an `answers.PrometheusError`. Credentials are
read anew for each question, because files are renewed; they go to the configured address only, and
are never logged.
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from asr_operator.api.names import Reason
from asr_operator.cluster import answers
from asr_operator.settings import PrometheusSettings, SettingsError

CONCURRENT_QUESTIONS = 4
LONGEST_ANSWER_BYTES = 64 * 2**20
# Shorter than those of servers and proxies, so that no question meets a connection being closed.
KEEP_ALIVE_S = 5.0


class Prometheus:
    """The Prometheus that the settings name; build it inside the event loop, and close it."""

    def __init__(self, given: PrometheusSettings) -> None:
        """Raise `SettingsError` when the certificates of the settings cannot be used."""
        self._settings = given
        self._slots = asyncio.Semaphore(CONCURRENT_QUESTIONS)
        connector = aiohttp.TCPConnector(
            ssl=_build_tls_context(given.ca_file), keepalive_timeout=KEEP_ALIVE_S
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=given.timeout_s),
            headers={"Accept-Encoding": "identity", "User-Agent": "asr-operator"},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def read_clock(self) -> float:
        """Return Prometheus' own time in Unix seconds."""
        answer = await self._ask("query", {"query": "time()"}, answers.Scalar)
        return answer.result[0]

    async def query(self, expression: str, at: float) -> list[answers.Row]:
        """Return what an expression gives at a time of Prometheus' clock."""
        return (
            await self._ask("query", {"query": expression, "time": repr(at)}, answers.Vector)
        ).result

    async def query_range(
        self, expression: str, start: float, end: float, step_s: float
    ) -> list[answers.RangeRow]:
        """Return what an expression gave from `start` to `end`, both of Prometheus' clock."""
        times = {"start": repr(start), "end": repr(end), "step": repr(step_s)}
        answer = await self._ask("query_range", {"query": expression, **times}, answers.Matrix)
        return answer.result

    async def _ask(
        self, endpoint: str, parameters: Mapping[str, str], kind: type[answers.Data]
    ) -> answers.Data:
        async with self._slots:
            status, body = await self._post(endpoint, parameters)
        if status != 200:
            raise answers.explain_status(status, body)
        return answers.parse_answer(body, kind)

    async def _post(self, endpoint: str, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        timeout_s = self._settings.timeout_s
        try:
            async with self._session.post(
                f"{self._settings.url}/api/v1/{endpoint}",
                data={**parameters, "timeout": f"{round(timeout_s * 1000)}ms"},
                headers=_render_credentials(self._settings),
                allow_redirects=False,
            ) as response:
                return response.status, await _read_body(response)
        except TimeoutError:
            raise answers.explain_timeout(f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise answers.PrometheusError(
                Reason.PROMETHEUS_UNREACHABLE,
                "Prometheus cannot be reached; check that it runs, the operator's setting"
                " prometheus-url, and network policies",
                f"{type(error).__name__}: {error}",
            ) from None


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LONGEST_ANSWER_BYTES:
            raise answers.explain_malformed(f"more than {LONGEST_ANSWER_BYTES} bytes")
    return bytes(body)


def _render_credentials(given: PrometheusSettings) -> dict[str, str]:
    try:
        if given.token_file:
            return {"Authorization": f"Bearer {_read_secret(given.token_file)}"}
        if given.password_file:
            pair = f"{given.username}:{_read_secret(given.password_file)}"
            return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    except (OSError, ValueError) as error:
        raise answers.PrometheusError(
            Reason.PROMETHEUS_REFUSED,
            "the operator cannot read its credentials for Prometheus; check its settings"
            " prometheus-token-file and prometheus-password-file",
            str(error),
        ) from None
    return {}


def _read_secret(path: Path) -> str:
    secret = path.read_text().strip()
    if not secret.isprintable():
        raise ValueError(f"{path} holds more than one line")
    return secret


def _build_tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise SettingsError(f"prometheus-ca-file cannot be used: {error}") from None
