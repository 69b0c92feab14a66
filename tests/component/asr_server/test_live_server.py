"""Modes online and 2pass through the whole server, with the demo models and real processes."""

import asyncio
import contextlib
import json
import os
import random
import re
import signal

import numpy as np
import pytest
import websockets

WAIT_S = 60.0
FRAME_BYTES, FRAME_S = 1920, 0.06  # as FunASR's Python client cuts audio
PAUSE = np.zeros(24_000, np.int16)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_server):
    """Nothing is shed, so that crowds are in at once."""
    folder = tmp_path_factory.mktemp("server")
    server = new_server(folder, "--shed-late-ms=0").wait_listening().wait_ready()
    yield server
    server.kill()


class Speaker:
    """Speaks as FunASR's Python client does, and keeps what comes back."""

    def __init__(self, socket, mode):
        self.socket, self.mode, self.messages = socket, mode, []

    async def start(self, name="a"):
        about = {
            "mode": self.mode, "chunk_size": [5, 10, 5], "chunk_interval": 10,
            "encoder_chunk_look_back": 4, "decoder_chunk_look_back": 0, "audio_fs": 16000,
            "wav_name": name, "wav_format": "pcm", "is_speaking": True, "hotwords": "", "itn": True,
        }  # fmt: skip
        await self.socket.send(json.dumps(about))

    async def speak(self, audio):
        data = audio.tobytes()
        for start in range(0, len(data), FRAME_BYTES):
            await self.socket.send(data[start : start + FRAME_BYTES])

    async def speak_until(self, audio, heard):
        """Speak as fast as people do until a message is as wanted; return how much was said."""
        known, data = len(self.messages), audio.tobytes()
        for start in range(0, len(data), FRAME_BYTES):
            await self.socket.send(data[start : start + FRAME_BYTES])
            with contextlib.suppress(TimeoutError):
                await self.listen(heard, timeout_s=FRAME_S)
            if any(heard(message) for message in self.messages[known:]):
                return start // 2 + FRAME_BYTES // 2
        raise AssertionError(f"nothing was heard, but {self.messages}")

    async def listen(self, until, timeout_s=WAIT_S):
        """Take messages until one is as wanted."""
        async with asyncio.timeout(timeout_s):
            while True:
                self.messages.append(json.loads(await self.socket.recv()))
                if until(self.messages[-1]):
                    return self.messages[-1]

    async def end(self):
        await self.socket.send(json.dumps({"is_speaking": False, "is_end": True}))
        return await self.listen(lambda message: "is_end" in message)

    @property
    def text(self):
        """What a reader is left with: the finals of 2pass, all increments of online."""
        kept = [m["text"] for m in self.messages if m["mode"] in ("online", "2pass-offline")]
        return re.sub(r"\W", "", "".join(kept))

    @property
    def spans(self):
        return [(m["start_time"], m["end_time"]) for m in self.messages if "start_time" in m]


async def recognise(server, mode, audio, name="a"):
    async with websockets.connect(server.url) as socket:
        speaker = Speaker(socket, mode)
        await speaker.start(name)
        await speaker.speak(audio)
        await speaker.end()
        return speaker


def is_partial(message):
    return message["text"] and "start_time" not in message


def check_account(speaker, samples):
    """All that was sent is answered or silence; one message is the last one."""
    *results, done = speaker.messages
    assert done["received_ms"] == done["processed_ms"] == samples // 16
    assert [m["is_final"] for m in results] == [False] * (len(results) - 1) + [True]
    edges = [edge for span in speaker.spans for edge in span]
    assert edges == sorted(edges)
    assert all(0 <= edge <= samples // 16 for edge in edges)
    for final in results:
        if speaker.mode == "2pass" and "start_time" in final and final["text"]:
            check_times(final)
        else:
            assert "timestamp" not in final
            assert "stamp_sents" not in final


def check_times(final):
    """Each word was said within its utterance, and is in a sentence."""
    times = [time for part in final["stamp_sents"] for time in part["ts_list"]]
    assert json.loads(final.get("timestamp", json.dumps(times))) == times
    edges = [final["start_time"], *(edge for time in times for edge in time), final["end_time"]]
    assert edges == sorted(edges)
    said = "".join(part["text_seg"] + part["punc"] for part in final["stamp_sents"])
    assert said.replace(" ", "") == final["text"].replace(" ", "")


@pytest.mark.parametrize("mode", ["online", "2pass"])
async def test_many_speakers_at_once_get_the_right_words(server, utterances, cer, mode):
    speakers = await asyncio.gather(
        *(recognise(server, mode, found.audio, found.name) for found in utterances)
    )
    for found, speaker in zip(utterances, speakers, strict=True):
        check_account(speaker, len(found.audio))
        assert {message["wav_name"] for message in speaker.messages} == {found.name}
    assert cer((u.text, s.text) for u, s in zip(utterances, speakers, strict=True)) <= 0.05
    assert server.metric(f'asr_final_latency_seconds_count{{mode="{mode}"}}') >= len(utterances)
    assert server.metric('asr_batch_size_sum{stage="asr_online"}') > 0


@pytest.mark.parametrize("mode", [pytest.param("online", marks=pytest.mark.slow), "2pass"])
async def test_partials_come_while_one_speaks_and_each_utterance_has_its_final(
    server, utterances, mode
):
    spoken = utterances[:3]
    async with websockets.connect(server.url) as socket:
        speaker = Speaker(socket, mode)
        await speaker.start()
        for found in spoken:
            said = await speaker.speak_until(found.audio, is_partial)
            await speaker.speak(found.audio[said:])
            await speaker.speak(PAUSE)
            await speaker.listen(lambda m: "start_time" in m)
        await speaker.end()
    assert server.metric(f'asr_first_partial_seconds_count{{mode="{mode}"}}') >= 3
    samples = sum(len(found.audio) + len(PAUSE) for found in spoken)
    check_account(speaker, samples)
    assert len(speaker.spans) >= 3
    whole = np.concatenate([part for found in spoken for part in (found.audio, PAUSE)])
    at_once = await recognise(server, mode, whole)
    assert (at_once.text, at_once.spans) == (speaker.text, speaker.spans)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", "2pass"])
async def test_words_do_not_depend_on_how_they_are_sent(server, utterances, mode):
    """Frames of any length, with pauses, and an end anywhere, in the middle of a word too."""
    draw = random.Random(2026)
    recordings = []
    for place in range(0, 20, 2):
        first, second = (found.audio for found in utterances[place : place + 2])
        whole = np.concatenate([first, PAUSE, second])
        recordings.append(whole[: draw.randint(len(first), len(whole))])
    at_once = [await recognise(server, mode, audio) for audio in recordings]
    in_pieces = await asyncio.gather(
        *(
            recognise_in_pieces(server, mode, audio, random.Random(len(audio)))
            for audio in recordings
        )
    )
    for audio, whole, cut in zip(recordings, at_once, in_pieces, strict=True):
        check_account(cut, len(audio))
        assert (cut.text, cut.spans) == (whole.text, whole.spans)


async def recognise_in_pieces(server, mode, audio, draw):
    data = audio.tobytes()
    async with websockets.connect(server.url) as socket:
        speaker = Speaker(socket, mode)
        await speaker.start()
        start = 0
        while start < len(data):
            stop = start + draw.choice([1, 319, 640, 1_920, 6_401, 40_000])
            await socket.send(data[start:stop])
            await asyncio.sleep(draw.choice([0.0, 0.0, 0.02, 0.2]))
            start = stop
        await speaker.end()
        return speaker


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", "2pass"])
async def test_a_killed_engine_loses_and_doubles_nothing(server, utterances, cer, mode):
    spoken = utterances[4:8]
    audio = np.concatenate([part for found in spoken for part in (found.audio, PAUSE)])
    second = len(spoken[0].audio) + len(PAUSE)
    undisturbed = await recognise(server, mode, audio)
    restarts = server.metric("asr_engine_restarts_total")
    async with websockets.connect(server.url) as socket:
        speaker = Speaker(socket, mode)
        await speaker.start()
        await speaker.speak(audio[:second])
        await speaker.listen(lambda m: "start_time" in m)
        said = await speaker.speak_until(audio[second:], is_partial)
        os.kill(server.engine_pid(), signal.SIGKILL)
        await speaker.speak(audio[second + said :])
        await speaker.end()
    check_account(speaker, len(audio))
    assert server.metric("asr_engine_restarts_total") == restarts + 1
    assert len(speaker.spans) == len(undisturbed.spans)
    assert cer([(undisturbed.text, speaker.text)]) <= 0.02
    assert cer([("".join(found.text for found in spoken), speaker.text)]) <= 0.05
