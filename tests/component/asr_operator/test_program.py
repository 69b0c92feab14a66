"""The whole operator as a process: kopf, queue, reconcile, probes and signals."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys

import aiohttp
import pytest

DEADLINE_S = 120.0


@pytest.fixture
def kubeconfig(tmp_path):
    """Write a kubeconfig for an API server."""

    def write(url):
        path = tmp_path / "kubeconfig"
        cluster = {"name": "c", "cluster": {"server": url}}
        user = {"name": "u", "user": {"token": "secret"}}
        context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
        config = {"clusters": [cluster], "users": [user], "contexts": [context]}
        path.write_text(json.dumps({**config, "current-context": "x"}))
        return {"KUBECONFIG": str(path), "ASR_OPERATOR_SERVER_IMAGE": "asr-server:1"}

    return write


@contextlib.asynccontextmanager
async def running(environment, *arguments):
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "asr_operator", *arguments),
        env={**inherited, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
def ports():
    """Three ports that are nobody else's; who may reuse an address can listen there."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        yield [each.getsockname()[1] for each in sockets]


async def test_the_operator_follows_the_cluster_until_it_is_told_to_stop(
    api_server, asr_service, kubeconfig, ports
):
    metrics, probes, _ = ports
    flags = ("--metrics-port", str(metrics), "--probe-port", str(probes))
    asr_service()
    async with running(kubeconfig(api_server.url), *flags) as process:
        await api_server.wait_until(lambda: len(api_server.all("events")) == 2)

        asr_service(replicas=3)
        await api_server.wait_until(
            lambda: api_server.find("deployments", "demo")["spec"]["replicas"] == 3
        )
        api_server.delete("services", "demo")
        await api_server.wait_until(lambda: api_server.find("services", "demo") is not None)
        asr_service("another")
        await api_server.wait_until(lambda: "status" in api_server.find("asrservices", "another"))

        async with aiohttp.ClientSession() as session, asyncio.timeout(DEADLINE_S):
            async with session.get(f"http://127.0.0.1:{probes}/healthz") as response:
                assert response.status == 200
            page = ""
            while "asr_operator_queue_depth 0.0" not in page:  # more may have happened meanwhile
                async with session.get(f"http://127.0.0.1:{metrics}/metrics") as response:
                    page = await response.text()

        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert {line["level"] for line in lines} == {"info"}
    changed = [line["service"] for line in lines if line["message"].startswith("applied")]
    assert changed == ["speech/demo", "speech/demo", "speech/demo", "speech/another"]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        pytest.param(
            ["--workers", "many"],
            2,
            "workers must be an integer, not 'many'",
            marks=pytest.mark.slow,
        ),
        ([], 1, "Cannot connect to host"),
    ],
)
async def test_an_operator_that_cannot_start_says_why_in_one_line(
    kubeconfig, ports, arguments, status, says
):
    environment = kubeconfig(f"http://127.0.0.1:{ports[2]}")
    async with running({**environment, "ASR_OPERATOR_LOG_LEVEL": "error"}, *arguments) as process:
        _, log = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == status
    (line,) = log.decode().splitlines()
    assert line.startswith("asr-operator: ")
    assert says in line
