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

DEADLINE_S = 30.0


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


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def test_the_operator_follows_the_cluster_until_it_is_told_to_stop(
    api_server, asr_service, kubeconfig
):
    metrics, probes = free_port(), free_port()
    ports = ("--metrics-port", str(metrics), "--probe-port", str(probes))
    asr_service()
    async with running(kubeconfig(api_server.url), *ports) as process:
        await api_server.wait_until(lambda: len(api_server.all("events")) == 2)

        asr_service(replicas=3)
        await api_server.wait_until(
            lambda: api_server.find("deployments", "demo")["spec"]["replicas"] == 3
        )
        api_server.delete("services", "demo")
        await api_server.wait_until(lambda: api_server.find("services", "demo") is not None)
        asr_service("another")
        await api_server.wait_until(lambda: api_server.find("deployments", "another") is not None)

        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{probes}/healthz") as response:
                assert response.status == 200
            async with session.get(f"http://127.0.0.1:{metrics}/metrics") as response:
                assert "asr_operator_queue_depth 0.0" in await response.text()

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
    kubeconfig, arguments, status, says
):
    environment = kubeconfig(f"http://127.0.0.1:{free_port()}")
    async with running({**environment, "ASR_OPERATOR_LOG_LEVEL": "error"}, *arguments) as process:
        _, log = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == status
    (line,) = log.decode().splitlines()
    assert line.startswith("asr-operator: ")
    assert says in line
