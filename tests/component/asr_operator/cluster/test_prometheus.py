"""Every way in which Prometheus, or what stands before it, can fail to answer; and credentials."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time

import pytest
from aiohttp import web

from asr_operator import settings
from asr_operator.api.names import Reason
from asr_operator.cluster import answers, prometheus
from asr_operator.settings import PrometheusSettings
from asr_operator.state.load import LoadQuestion

CLOCK = {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "1.5"]}}
KEY = ("speech", "demo")


class Faults:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self):
        self.url = ""
        self.requests = []
        self.reply = self.say(CLOCK)

    @staticmethod
    def say(body, status=200, **headers):
        async def reply(request):
            if isinstance(body, str):
                return web.Response(text=body, status=status, headers=headers)
            return web.json_response(body, status=status, headers=headers)

        return reply

    async def answer(self, request):
        self.requests.append((request.method, request.path, dict(request.headers)))
        return await self.reply(request)


@contextlib.asynccontextmanager
async def serving(faults, tls=None):
    runner = web.ServerRunner(web.Server(faults.answer), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    faults.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield faults
    finally:
        await runner.cleanup()


@pytest.fixture
async def faults():
    async with serving(Faults()) as served:
        yield served


@contextlib.asynccontextmanager
async def connected(url, **given):
    client = prometheus.Prometheus(PrometheusSettings(url, **given))
    try:
        yield client
    finally:
        await client.close()


async def cut_off(request):
    """Send half an answer."""
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"status"')
    request.transport.close()
    return response


async def hang(request):
    """Never answer."""
    await asyncio.Event().wait()


def patience_s(reply):
    """Return a timeout that only a reply that never comes meets, however busy the machine is."""
    return 0.2 if reply is hang else 20.0


REPLIES = [
    (hang, Reason.PROMETHEUS_TIMED_OUT, "no answer within 0.2 s"),
    (cut_off, Reason.PROMETHEUS_UNREACHABLE, "ClientPayloadError"),
    (
        Faults.say("see there", 302, Location="http://x"),
        Reason.PROMETHEUS_REFUSED,
        "302: see there",
    ),
    (Faults.say("who are you?", 401), Reason.PROMETHEUS_REFUSED, "401: who are you?"),
    (Faults.say("not here", 404), Reason.PROMETHEUS_REFUSED, "404: not here"),
    (Faults.say({"error": "bad"}, 400), Reason.QUERY_FAILED, "400: bad"),
    (Faults.say({"error": "many-to-many"}, 422), Reason.QUERY_FAILED, "422: many-to-many"),
    (Faults.say("slow down", 429), Reason.PROMETHEUS_REFUSED, "429: slow down"),
    (Faults.say("<html>oops", 500), Reason.PROMETHEUS_FAILED, "500: <html>oops"),
    (Faults.say({"error": "busy"}, 503), Reason.PROMETHEUS_FAILED, "503: busy"),
    (
        Faults.say({"errorType": "timeout", "error": "query timed out"}, 503),
        Reason.PROMETHEUS_TIMED_OUT,
        "503: query timed out",
    ),
    (Faults.say("<html>hello"), Reason.ANSWER_MALFORMED, "<html>hello"),
    (Faults.say('{"status": "success", "data"'), Reason.ANSWER_MALFORMED, "truncated"),
    (Faults.say({"status": "success"}), Reason.ANSWER_MALFORMED, "data"),
    (Faults.say({**CLOCK, "data": []}), Reason.ANSWER_MALFORMED, "Expected"),
    (Faults.say("x" * 5000), Reason.ANSWER_MALFORMED, "more than 4000 bytes"),
    (
        Faults.say({**CLOCK, "warnings": ["store down"]}),
        Reason.ANSWER_PARTIAL,
        "store down",
    ),
]


@pytest.mark.parametrize(("reply", "reason", "detail"), REPLIES)
async def test_each_failure_has_its_reason(faults, monkeypatch, reply, reason, detail):
    monkeypatch.setattr(prometheus, "LONGEST_ANSWER_BYTES", 4000)
    faults.reply = reply
    async with connected(faults.url, timeout_s=patience_s(reply)) as client:
        with pytest.raises(answers.PrometheusError) as raised:
            await client.read_clock()
    assert raised.value.reason == reason
    assert detail in raised.value.detail
    assert detail not in raised.value.message, "users need not know"


@pytest.mark.parametrize(("reply", "reason", "detail"), REPLIES[:2])
async def test_a_failure_is_what_the_next_reader_of_a_load_is_told(
    faults, sampler, measured, reply, reason, detail
):
    made = sampler(faults.url, timeout_s=patience_s(reply))
    made.read(KEY, LoadQuestion())
    faults.reply = reply
    await made.sample()
    found = made.read(KEY, LoadQuestion())
    assert (found.reason, bool(found.message)) == (reason, True)
    errors = "asr_operator_sampler_errors_total"
    assert measured.registry.get_sample_value(errors, {"reason": reason}) == 1


async def test_nobody_listening_is_unreachable():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with connected(f"http://127.0.0.1:{closed.getsockname()[1]}") as client:
            with pytest.raises(answers.PrometheusError) as raised:
                await client.read_clock()
    assert raised.value.reason == Reason.PROMETHEUS_UNREACHABLE


async def test_a_connection_that_was_closed_meanwhile_is_opened_again(faults):
    async with connected(faults.url) as client:
        assert await client.read_clock() == 1.5
        assert await client.read_clock() == 1.5
    assert [request[:2] for request in faults.requests] == [("POST", "/api/v1/query")] * 2


async def test_a_renewed_token_is_used(faults, tmp_path):
    token = tmp_path / "token"
    async with connected(faults.url, token_file=token) as client:
        for secret in ("first\n", "second\n"):
            token.write_text(secret)
            await client.read_clock()
    sent = [headers["Authorization"] for *_, headers in faults.requests]
    assert sent == ["Bearer first", "Bearer second"]


async def test_a_password_goes_with_its_user(faults, tmp_path):
    password = tmp_path / "password"
    password.write_text("pässword\n")
    async with connected(faults.url, username="asr", password_file=password) as client:
        await client.read_clock()
    ((*_, headers),) = faults.requests
    assert headers["Authorization"] == "Basic YXNyOnDDpHNzd29yZA=="


@pytest.mark.parametrize("content", [None, "two\nlines"])
async def test_a_token_that_cannot_be_used_is_told(faults, tmp_path, content):
    token = tmp_path / "token"
    if content:
        token.write_text(content)
    async with connected(faults.url, token_file=token) as client:
        with pytest.raises(answers.PrometheusError) as raised:
            await client.read_clock()
    assert raised.value.reason == Reason.PROMETHEUS_REFUSED
    assert "prometheus-token-file" in raised.value.message
    assert "lines" not in str(raised.value), "secrets are not told"
    assert not faults.requests


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that nobody signed but itself, and its key."""
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    command += ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(command, check=True, capture_output=True)
    return paths


async def test_only_certificates_that_are_trusted_get_credentials(certificate, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    async with serving(Faults(), tls) as faults:
        async with connected(faults.url, token_file=token) as client:
            with pytest.raises(answers.PrometheusError) as raised:
                await client.read_clock()
        assert raised.value.reason == Reason.PROMETHEUS_UNREACHABLE
        assert "certificate" in raised.value.detail
        assert not faults.requests
        async with connected(faults.url, token_file=token, ca_file=certificate[0]) as client:
            assert await client.read_clock() == 1.5


async def test_certificates_that_cannot_be_read_end_the_operator(tmp_path):
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    with pytest.raises(settings.SettingsError, match="prometheus-ca-file cannot be used"):
        prometheus.Prometheus(PrometheusSettings("https://x", ca_file=broken))


async def test_a_failure_does_not_wait_for_other_questions(faults, sampler):
    async def reply(request):
        form = await request.post()
        if form["query"] == "time()":
            clock = [time.time(), "0"]
            return web.json_response({**CLOCK, "data": {**CLOCK["data"], "result": clock}})
        if "timestamp(" in form["query"]:
            nobody = {"resultType": "vector", "result": []}
            return web.json_response({"status": "success", "data": nobody})
        if "asr_sessions" in form["query"]:
            return web.Response(status=500)
        return await hang(request)

    faults.reply = reply
    made = sampler(faults.url, timeout_s=30)
    made.read(KEY, LoadQuestion())
    async with asyncio.timeout(30):
        await made.sample()
    assert made.read(KEY, LoadQuestion()).reason == Reason.PROMETHEUS_FAILED
