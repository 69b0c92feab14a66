"""Tokens and certificates at a real port, changed while it listens."""

import asyncio
import contextlib
import json
import logging
import ssl
import subprocess
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus

from asr_server import main, settings
from asr_server.service import watched_files
from asr_server.service.gathering import Gathering
from asr_server.service.tls import Certificate
from asr_server.service.tokens import Tokens
from tests.component.asr_server.service.conftest import END, SECOND

EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)


def make_certificate(folder, name, kind=EC):
    """Write a certificate and its key; return both files."""
    files = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", *kind),
            *("-nodes", "-days", "1", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", str(files[0]), "-keyout", str(files[1])),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(watched_files, "POLL_S", 0.01)
    (tmp_path / "tokens").write_text("first-token\n")
    return tmp_path


@pytest.fixture
async def watching(stage):
    """Follow the files of something until the test ends."""
    tasks = []

    def watch(reloaded):
        task = asyncio.create_task(watched_files.watch(reloaded, stage.metrics.server))
        tasks.append(task)

    yield watch
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def recognise(stage, path="", **options):
    stage.url, url = stage.url + path, stage.url
    try:
        async with stage.connect(**options) as client:
            await client.send(SECOND)
            await client.send(END)
            return json.loads(await client.recv())["text"]
    finally:
        stage.url = url


def bearer(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


async def test_only_who_has_a_token_is_let_in_and_it_is_never_logged(stage, folder, caplog):
    caplog.set_level(logging.DEBUG, "asr_server")
    stage.tokens = Tokens(folder / "tokens")
    await stage.start()
    for path, options in [("", {}), ("", bearer("wrong")), ("/?token=wrong", {})]:
        with pytest.raises(InvalidStatus) as caught:
            await recognise(stage, path, **options)
        response = caught.value.response
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert b"token" in response.body
    assert stage.value("asr_refused_sessions_total", reason="unauthorized") == 3
    assert await recognise(stage, **bearer("first-token")) == "16000 samples"
    assert await recognise(stage, "/?token=first-token") == "16000 samples"
    assert "first-token" not in caplog.text
    assert "wrong" not in caplog.text


@pytest.mark.parametrize(
    "upgrade", ["websocket", "WebSocket", "websocket,", ", websocket", "websocket\r\nUpgrade: ,"]
)
async def test_no_spelling_of_a_handshake_does_without_a_token(stage, folder, upgrade):
    stage.tokens = Tokens(folder / "tokens")
    await stage.start()
    key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    heads = ("GET / HTTP/1.1", "Host: x", f"Upgrade: {upgrade}", "Connection: Upgrade", key)
    reader, writer = await asyncio.open_connection(*urlsplit(stage.url).netloc.split(":"))
    try:
        writer.write(("\r\n".join(heads) + "\r\n\r\n").encode())
        assert (await reader.readline()).split()[1] == b"401"
    finally:
        writer.close()
        await writer.wait_closed()
    assert stage.value("asr_refused_sessions_total", reason="unauthorized") == 1


async def test_a_stranger_does_not_learn_that_the_server_is_full(stage, folder):
    stage.tokens = Tokens(folder / "tokens")
    stage.admission.limit(1)
    await stage.start()
    async with stage.connect(**bearer("first-token")):
        for options, status in [({}, 401), (bearer("first-token"), 503)]:
            with pytest.raises(InvalidStatus) as caught:
                await stage.connect(**options)
            assert caught.value.response.status_code == status


async def test_tokens_change_while_the_server_runs(stage, folder, watching, eventually):
    stage.tokens = Tokens(folder / "tokens")
    watching(stage.tokens)
    await stage.start()
    async with stage.connect(**bearer("first-token")) as open_already:
        (folder / "tokens").write_text("second-token\n")
        await eventually(lambda: stage.tokens.admit("second-token"))
        with pytest.raises(InvalidStatus):
            await recognise(stage, **bearer("first-token"))
        assert await recognise(stage, **bearer("second-token")) == "16000 samples"
        await open_already.send(END)
        assert json.loads(await open_already.recv())["is_final"]
    (folder / "tokens").write_text("")
    await eventually(lambda: stage.value("asr_config_errors_total") == 1)
    assert await recognise(stage, **bearer("second-token")) == "16000 samples"


async def test_who_came_over_tls_is_in_the_log(stage, folder, caplog, eventually):
    caplog.set_level(logging.INFO, "asr_server")
    stage.tls = Certificate(*make_certificate(folder, "x")).context
    await stage.start()
    trusted = ssl.create_default_context(cafile=folder / "tls.crt")
    assert await recognise(stage, ssl=trusted) == "16000 samples"
    await eventually(lambda: any(hasattr(record, "fields") for record in caplog.records))
    (ended,) = [record for record in caplog.records if record.message == "session ended"]
    assert ended.fields["address"] == "127.0.0.1"


@pytest.mark.parametrize(("before", "after"), [(EC, EC), (EC, RSA), (RSA, EC)])
async def test_certificates_change_while_the_server_runs(
    stage, folder, watching, eventually, before, after
):
    certificate = Certificate(*make_certificate(folder, "old", before))
    watching(certificate)
    stage.tls = certificate.context
    await stage.start()
    trusted = ssl.create_default_context(cafile=folder / "tls.crt")
    assert await recognise(stage, ssl=trusted) == "16000 samples"

    (folder / "tls.key").write_text("no key")
    await eventually(lambda: stage.value("asr_config_errors_total") == 1)
    assert await recognise(stage, ssl=trusted) == "16000 samples"

    make_certificate(folder, "new", after)
    new = ssl.create_default_context(cafile=folder / "tls.crt")

    heard = None
    async with asyncio.timeout(30):
        while heard is None:
            with contextlib.suppress(ssl.SSLCertVerificationError):
                heard = await recognise(stage, ssl=new)
    with pytest.raises(ssl.SSLCertVerificationError):
        await recognise(stage, ssl=trusted)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--cert={0}/tls.crt"], "--key: is needed with --cert"),
        (["--key={0}/tls.key"], "--cert: is needed with --key"),
        (["--cert={0}/none", "--key={0}/tls.key"], "cannot be read: No such file"),
        (["--cert={0}/tls.crt", "--key={0}/tokens"], "no certificate with its key"),
        (["--cert={0}/tls.crt", "--key={0}/locked"], "or a key with a password"),
        (["--auth-tokens={0}/none"], "--auth-tokens .*/none: cannot be read: No such file"),
        (["--auth-tokens=/dev/null"], "--auth-tokens /dev/null: has no token"),
    ],
)
def test_bad_files_are_told_when_the_server_starts(folder, arguments, reason):
    _, key = make_certificate(folder, "x")
    command = ("openssl", "ec", "-in", key, "-out", folder / "locked", "-aes256", "-passout")
    subprocess.run([*command, "pass:secret"], check=True, stderr=subprocess.DEVNULL)
    found = settings.parse_settings([each.format(folder) for each in arguments], {})
    with pytest.raises(settings.SettingsError, match=reason):
        main.Server(found, Gathering())
