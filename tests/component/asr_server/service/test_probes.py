"""The probe port: three pages, and bounds for whoever asks otherwise."""

import asyncio
import socket

import pytest

from asr_server.service import probes
from asr_server.service.probes import HTTPStatus, Page, ProbeServer


@pytest.fixture
async def port():
    pages = {
        "/livez": lambda: Page(b"live\n"),
        "/metrics": lambda: Page(b"x" * 20_000_000),
        "/readyz": lambda: Page(b"not ready: loading\n", HTTPStatus.SERVICE_UNAVAILABLE),
    }
    server = ProbeServer(pages)
    yield await server.start("127.0.0.1", 0)
    server.close()


async def ask(port, data, timeout_s=30.0):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    async with asyncio.timeout(timeout_s):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /livez HTTP/1.1", 200),
        ("GET /livez?verbose HTTP/1.0", 200),
        ("GET /readyz HTTP/1.1", 503),
        ("GET /other HTTP/1.1", 404),
        ("POST /livez HTTP/1.1", 405),
        ("GET /livez", 400),
        ("garbage", 400),
        ("GET / HTTP/1.1\r\nX: " + "y" * 20_000, 431),
    ],
)
async def test_a_request_gets_the_status_it_deserves(port, request_line, status):
    head, body = await ask(port, request_line.encode() + b"\r\nHost: x\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ")
    assert f"Content-Length: {len(body)}" in head


async def test_a_page_says_what_it_has_to_say(port):
    assert (await ask(port, b"GET /readyz HTTP/1.1\r\n\r\n"))[1] == b"not ready: loading\n"


async def test_whoever_asks_nothing_is_let_go(port, monkeypatch):
    monkeypatch.setattr(probes, "REQUEST_S", 0.05)
    assert await ask(port, b"GET /liv") == ("", b"")


async def test_whoever_does_not_read_the_answer_is_let_go_too(port, monkeypatch, eventually):
    monkeypatch.setattr(probes, "REQUEST_S", 0.05)
    tasks = len(asyncio.all_tasks())
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        await eventually(lambda: len(asyncio.all_tasks()) > tasks, "the request")
        await eventually(lambda: len(asyncio.all_tasks()) == tasks, "its end")


async def test_a_crowd_that_asks_nothing_does_not_pile_up(port, monkeypatch):
    monkeypatch.setattr(probes, "CONNECTIONS", 2)
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    async with asyncio.timeout(30):
        assert await crowd[2][0].read() == b""
    for _, writer in crowd:
        writer.close()
