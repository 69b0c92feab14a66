"""When the server calls itself ready, with an engine that answers when the test says so."""

import asyncio

import numpy as np
import pytest

from asr_server.link.arena import Arena
from asr_server.link.messages import BatchLimits, Recognized, Settled
from asr_server.metrics import Metrics
from asr_server.service.admission import DRAINING, LOADING, Admission
from asr_server.service.engine_link import EngineLink
from asr_server.service.health import Health
from asr_server.service.silence import SILENT_S

LIMITS = BatchLimits(batch_size=4, batch_audio_s=30.0, max_wait_ms=0.0)
NOT_ANSWERED = b"not ready: the recognition engine does not answer\n"


class SilentChannel:
    """Takes messages and answers none."""

    def send(self, message):
        """Forget it."""

    def send_all(self, batch):
        """Forget them."""


class Server:
    """What the ready page depends on."""

    def __init__(self):
        metrics = Metrics()
        self.link = EngineLink(Arena.create(16000 * 120), LIMITS, lambda _: None)
        self.admission = Admission(metrics.session, 5, 0)
        self.health = Health(self.admission, self.link, metrics.registry)
        self.work = []

    def serve(self):
        self.admission.closed = None
        self.link.connect(SilentChannel())

    async def give_work(self, seconds):
        stored = await self.link.store(np.zeros(16000 * seconds, np.int16))
        recognizing = self.link.recognize(stored, "file", 0.0, 1.0)
        self.work.append(asyncio.create_task(recognizing))
        await asyncio.sleep(0)

    @property
    def page(self):
        return self.health.ready().body


@pytest.fixture
async def server():
    server = Server()
    yield server
    server.link.arena.close()


async def end_work(server):
    server.link.fail_all("the end")
    await asyncio.gather(*server.work)


@pytest.mark.parametrize(
    ("closed", "reason"),
    [
        (LOADING, b"not ready: models are being loaded\n"),
        (DRAINING, b"not ready: draining\n"),
        (None, b"not ready: the recognition engine died and is being started again\n"),
    ],
)
def test_a_server_that_cannot_serve_says_why(server, closed, reason):
    server.admission.closed = closed
    assert server.page == reason


@pytest.mark.looptime
@pytest.mark.parametrize(("audio_s", "patience_s"), [(1, SILENT_S + 30), (100, SILENT_S + 100)])
async def test_an_engine_that_has_work_and_says_nothing_is_not_ready(server, audio_s, patience_s):
    server.serve()
    await asyncio.sleep(3600)
    await server.give_work(audio_s)
    await asyncio.sleep(patience_s - 1)
    assert server.page == b"ready\n"
    await asyncio.sleep(2)
    assert server.page == NOT_ANSWERED
    await end_work(server)


@pytest.mark.looptime
async def test_every_answer_shows_that_the_engine_works_however_much_waits(server):
    server.serve()
    for _ in range(5):
        await server.give_work(1)
    for number in range(1, 5):
        await asyncio.sleep(SILENT_S)
        assert server.page == b"ready\n"
        server.link.handle(Recognized(number, "", ()))
    await end_work(server)


@pytest.mark.looptime
async def test_an_engine_without_work_may_be_silent_for_ever(server):
    server.serve()
    await server.give_work(1)
    server.link.handle(Recognized(1, "", ()))
    await asyncio.sleep(1e6)
    assert server.page == b"ready\n"
    await end_work(server)


@pytest.mark.looptime
async def test_live_audio_that_is_never_answered_shows_that_the_engine_hangs(server):
    server.serve()
    await asyncio.sleep(3600)
    stream = server.link.open_stream("2pass", (5, 10, 5), lambda said: None)
    await asyncio.sleep(3600)
    stream.feed(np.ones(960, np.int16), 0.0)
    await asyncio.sleep(SILENT_S)
    assert server.page == b"ready\n"
    await asyncio.sleep(200)
    assert server.page == NOT_ANSWERED
    server.link.handle(Settled(1, 0))
    await asyncio.sleep(3600)  # it is open, and nobody speaks
    assert server.page == b"ready\n"
    stream.feed(np.ones(960, np.int16), 0.0)
    await asyncio.sleep(1)
    stream.cancel()
    await asyncio.sleep(3600)
    assert server.page == b"ready\n"
