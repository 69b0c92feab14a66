"""Streams between sessions and engines: what is sent, what comes back, and what a death changes."""

import asyncio
import functools
import itertools

import numpy as np
import pytest

from asr_server.link import arena
from asr_server.link.messages import (
    CancelStream,
    EndStream,
    Feed,
    Final,
    OpenStream,
    Partial,
    Settled,
    StreamEnded,
    StreamFailed,
)
from asr_server.service.stream_audio import LEAST_SAMPLES
from asr_server.service.streams import Streams
from asr_server.speech.effects import Failure, FinalText, PartialText, SettledTo, StreamDone
from asr_server.speech.hints import NO_HINTS, Hints

FRAME = np.ones(960, np.int16)


class Channel:
    """Keeps what is sent, and how many writes that took."""

    def __init__(self):
        self.sent, self.writes = [], 0

    def send(self, message):
        self.send_all([message])

    def send_all(self, batch):
        self.sent += batch
        self.writes += 1

    def take(self):
        sent, self.sent = self.sent, []
        return sent


class Desk:
    """Streams with an engine whose words the test says."""

    def __init__(self, pages=16):
        self.memory = arena.Arena.create(pages * arena.PAGE_SAMPLES)
        self.calls = []
        expect, relax = (functools.partial(self.calls.append, name) for name in ("expect", "relax"))
        self.streams = Streams(self.memory, itertools.count(1), expect, relax)
        self.channel = Channel()
        self.streams.connect(self.channel)
        self.delivered = []

    def open(self, mode="2pass", hints=NO_HINTS):
        return self.streams.open(mode, (5, 10, 5), lambda said: self.delivered.append(said), hints)

    def hear(self, *messages):
        for message in messages:
            self.streams.handle(message)
        delivered, self.delivered = self.delivered, []
        return delivered

    def restart(self):
        self.streams.disconnect()
        self.channel = Channel()
        self.streams.connect(self.channel)
        return self.channel.take()


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.memory.close()


def feeds(sent):
    return [(feed.stream_id, feed.samples) for feed in sent if isinstance(feed, Feed)]


@pytest.mark.looptime
async def test_all_that_came_meanwhile_is_sent_in_one_go(desk):
    first, second = desk.open(), desk.open("online")
    assert desk.channel.take() == [
        OpenStream(1, "2pass", (5, 10, 5)), OpenStream(2, "online", (5, 10, 5)),
    ]  # fmt: skip
    writes = desk.channel.writes
    for _ in range(2):
        assert first.feed(FRAME, 1.0) == second.feed(FRAME, 1.0) == 960
    assert desk.channel.sent == []
    await asyncio.sleep(0.03)
    assert sorted(feeds(desk.channel.take())) == [(1, 1920), (2, 1920)]
    assert desk.channel.writes == writes + 1


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("streams", "writes"),
    [(1, 34), (20, 34), (250, 17)],  # two frames in one, from some hundred on
)
async def test_the_more_streams_the_less_often_they_are_sent(streams, writes):
    desk = Desk(pages=streams * 40)
    opened = [desk.open() for _ in range(streams)]
    desk.channel.take()
    desk.channel.writes = 0
    for _ in range(34):
        for stream in opened:
            stream.feed(FRAME, 0.0)
        await asyncio.sleep(0.06)
    await asyncio.sleep(0.12)
    sent = desk.channel.take()
    assert desk.channel.writes == pytest.approx(writes, abs=2)
    assert sum(feed.samples for feed in sent) == 34 * len(FRAME) * streams
    desk.memory.close()


async def test_the_end_does_not_wait(desk):
    stream = desk.open()
    stream.feed(FRAME, 1.0)
    stream.end(2.0)
    assert desk.channel.take()[1:] == [Feed(1, 0, 960, 1.0), EndStream(1, 2.0)]
    assert desk.streams.waiting
    assert desk.hear(StreamEnded(1)) == [StreamDone()]
    assert not desk.streams.waiting
    assert desk.memory.free_samples == desk.memory.samples


async def test_words_are_delivered_with_the_times_of_their_audio(desk):
    stream = desk.open()
    for second in range(3):
        stream.feed(FRAME, float(second))
    said = desk.hear(
        Partial(1, 0, "一", end=960), Partial(1, 0, "二"),
        Final(1, 0, 10, 1800, "一二。"), Settled(1, 2000),
    )  # fmt: skip
    assert said == [
        PartialText(0, "一", heard_at=0.0), PartialText(0, "二"),
        FinalText(0, 10, 1800, "一二。", began_at=0.0, ended_at=1.0), SettledTo(2000),
    ]  # fmt: skip


async def test_a_final_is_due_from_when_its_end_could_be_known(desk):
    stream = desk.open()
    for second in range(3):
        stream.feed(FRAME, float(second))
    (final,) = desk.hear(Final(1, 0, 10, 900, "一。", decided=2000))
    assert (final.end, final.ended_at) == (900, 2.0)


@pytest.mark.parametrize(("mode", "again"), [("2pass", "一二三。"), ("online", "三。")])
async def test_a_next_engine_goes_on_where_the_last_one_was_settled(desk, mode, again):
    stream = desk.open(mode, Hints("en", hotwords=("一",)))
    for _ in range(5):
        stream.feed(FRAME, 1.0)
    desk.hear(Settled(1, 1000), Final(1, 0, 1000, 1500, "零。"), Partial(1, 1, "一二"))
    stream.end(2.0)
    assert desk.restart() == [
        OpenStream(1, mode, (5, 10, 5), 1500, 1, Hints("en", hotwords=("一",))),
        Feed(1, 1500, 4800 - 1500, 1.0),
        EndStream(1, 2.0),
    ]
    whole = "一二三。" if mode == "2pass" else "二三。"
    said = desk.hear(Partial(1, 1, "一"), Final(1, 1, 1600, 4800, whole), StreamEnded(1))
    assert [getattr(found, "text", None) for found in said] == ["", again, None]


async def test_what_came_while_there_was_no_engine_is_fed_to_the_next(desk):
    desk.streams.disconnect()
    stream = desk.open()
    stream.feed(FRAME, 1.0)
    desk.streams.connect(desk.channel)
    assert feeds(desk.channel.take()) == [(1, 960)]


async def test_a_stream_that_nobody_listens_to_is_dropped(desk):
    stream = desk.open()
    stream.feed(FRAME, 1.0)
    stream.cancel()
    assert desk.channel.take()[-1] == CancelStream(1)
    assert desk.memory.free_samples == desk.memory.samples
    assert desk.hear(Partial(1, 0, "一"), StreamEnded(1)) == []
    stream.cancel()
    stream.end(1.0)
    await asyncio.sleep(0.03)
    assert feeds(desk.channel.sent) == []


async def test_a_failure_is_delivered_once_and_later_audio_goes_nowhere(desk):
    stream = desk.open()
    assert desk.hear(StreamFailed(1, "poison")) == [Failure("poison")]
    assert stream.feed(FRAME, 1.0) == 960
    assert desk.memory.free_samples == desk.memory.samples


async def test_without_any_engine_all_streams_fail_and_later_ones_too(desk):
    desk.open()
    desk.streams.disconnect()
    desk.streams.fail_all("no engine")
    desk.open()
    assert desk.hear() == [Failure("no engine")]
    await asyncio.sleep(0)
    assert desk.hear() == [Failure("no engine")]


async def test_seconds_that_are_not_settled_are_known(desk):
    stream = desk.open()
    for _ in range(50):
        stream.feed(FRAME[:320], 1.0)
    desk.hear(Settled(1, 8000))
    assert desk.streams.unsettled_s() == 0.5


async def test_of_two_suspects_one_is_tried_after_the_other(desk):
    for _ in range(2):
        desk.open().feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    assert [type(sent) for sent in desk.restart()] == [OpenStream, Feed] * 2
    assert desk.streams.on_trial
    assert [sent.stream_id for sent in desk.restart()] == [1, 1]
    desk.open().feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    assert desk.channel.take() == []
    assert desk.restart()[0].stream_id == 2
    assert desk.hear() == [Failure("the recognition engine died twice over this audio")]
    desk.calls.clear()
    desk.hear(Settled(2, 100))
    assert [sent.stream_id for sent in desk.channel.take()] == [3, 3]
    assert (desk.streams.on_trial, desk.calls) == (False, ["expect", "relax"])


@pytest.mark.looptime
async def test_an_engine_that_lives_with_its_suspects_clears_them(desk):
    for _ in range(2):
        desk.open().feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    desk.restart()
    desk.restart()
    await asyncio.sleep(4.9)
    assert desk.channel.take() == []
    await asyncio.sleep(0.2)
    assert [sent.stream_id for sent in desk.channel.take()] == [2, 2]
    await asyncio.sleep(5.1)
    assert not desk.streams.on_trial


@pytest.mark.looptime
async def test_it_is_known_whether_the_engine_has_to_answer(desk):
    stream = desk.open()
    assert not desk.streams.busy
    stream.feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    assert (desk.streams.busy, desk.streams.waiting) == (True, False)
    desk.streams.take_sign_of_life()
    assert not desk.streams.busy
    stream.end(2.0)
    assert (desk.streams.busy, desk.streams.waiting) == (True, True)
    stream.cancel()
    assert (desk.streams.busy, desk.calls) == (False, ["relax", "expect", "expect", "relax"])


@pytest.mark.looptime
async def test_nothing_is_expected_for_audio_of_which_the_engine_was_not_told(desk):
    hangs_up, ends = desk.open(), desk.open()
    for stream in (hangs_up, ends):
        stream.feed(FRAME, 1.0)
    hangs_up.cancel()
    ends.end(2.0)
    desk.hear(StreamEnded(2))
    desk.calls.clear()
    await asyncio.sleep(0.03)
    assert (desk.streams.busy, desk.calls) == (False, [])


@pytest.mark.looptime
async def test_a_quiet_stream_of_which_all_was_heard_is_owed_nothing(desk):
    quiet, other = desk.open(), desk.open()
    quiet.feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    desk.streams.take_sign_of_life()
    other.feed(FRAME, 1.0)
    await asyncio.sleep(0.03)
    assert desk.streams.busy
    other.cancel()
    assert not desk.streams.busy


async def test_hours_of_silence_hold_no_memory(desk):
    stream = desk.open()
    for second in range(3600):
        for _ in range(10):
            assert stream.feed(FRAME, float(second)) == 960
        desk.hear(Settled(1, (second + 1) * 9600 - 500))
    assert desk.memory.samples - desk.memory.free_samples <= 2 * arena.room_for(LEAST_SAMPLES)
