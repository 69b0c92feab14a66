"""The words: held-out speech through the Service, heard by an independent client."""

import asyncio
import contextlib
import json
import urllib.parse
import urllib.request

import pytest
import websockets

from harness import speaking, waiting

MEAN_BATCH = """
  sum(asr_batch_size_sum{stage="asr"} * on(instance) group_left() %(info)s)
/ sum(asr_batch_size_count{stage="asr"} * on(instance) group_left() %(info)s)
"""


def test_held_out_speech_comes_back_as_its_words(heard, cer):
    assert len(heard) >= 50
    assert cer([each.pair for each in heard]) <= 0.05
    assert [each.refusals for each in heard if each.refusals] == []


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_live_modes_bring_the_words_too(heard, speech, utterances, cer, mode):
    live = asyncio.run(speaking.speak_all(speech.url, utterances, mode))

    assert len(live) >= 50
    assert cer([each.pair for each in live]) <= 0.05
    assert [each.refusals for each in live if each.refusals] == []
    (metrics,) = speech.metrics().values()
    finals = metrics.value("asr_final_latency_seconds_count", mode=mode)
    assert finals >= len(utterances)
    batches = metrics.value("asr_batch_size_count", stage="asr_online")
    assert metrics.value("asr_batch_size_sum", stage="asr_online") > batches


def test_concurrent_sessions_share_batches(heard, speech):
    (metrics,) = speech.metrics().values()

    batches = metrics.value("asr_batch_size_count", stage="asr")
    assert metrics.value("asr_batch_size_sum", stage="asr") > batches
    assert metrics.value("asr_batch_size_bucket", stage="asr", le="1.0") < batches


def test_prometheus_knows_the_batches_of_this_service(heard, speech, prometheus):
    info = f'asr_server_info{{asr_namespace="{speech.namespace.name}",asr_service="speech"}}'

    def mean_batch():
        query = urllib.parse.urlencode({"query": MEAN_BATCH % {"info": info}})
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    waiting.wait_for(
        "mean batch above 1 in Prometheus",
        mean_batch,
        lambda found: found and float(found[0]["value"][1]) > 1,
    )


@contextlib.asynccontextmanager
async def good_session(speech, utterance, transcripts):
    """Have a session open, half-way through an utterance; in the end it must hear its words."""
    pause = speaking.Pause()
    session = asyncio.create_task(speaking.speak(speech.url, utterance, pause))
    await asyncio.wait_for(pause.reached.wait(), speaking.PATIENCE_S)
    yield
    pause.over.set()
    assert (await session).text == transcripts[utterance.text]


@pytest.mark.parametrize(
    "garbage",
    ["{not json", "[]", '{"mode": "telepathy"}', '{"mode": "offline", "audio_fs": "fast"}'],
)
async def test_garbage_gets_an_error_message_and_hurts_nobody_else(
    speech, utterances, transcripts, garbage
):
    async with (
        good_session(speech, utterances[0], transcripts),
        websockets.connect(speech.url) as bad,
    ):
        await bad.send(garbage)
        answer = json.loads(await asyncio.wait_for(bad.recv(), 10))

    assert answer["error"]


async def test_bytes_that_are_no_websocket_hurt_nobody(speech, utterances, transcripts):
    host, port = speech.url.removeprefix("ws://").split(":")

    async with good_session(speech, utterances[0], transcripts):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(bytes(range(256)) * 64)
        await asyncio.wait_for(reader.read(), 30)
        writer.close()
