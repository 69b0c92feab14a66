"""Files of many formats through the real ffmpeg, behind a real WebSocket port."""

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from asr_server.service import intake, transcoding
from asr_server.service.drain import drain
from asr_server.service.transcoding import Limits, Transcoder, TranscodingError

FFMPEG = shutil.which("ffmpeg")
SPEECH = Path(__file__).parents[3] / "data" / "utterances" / "000.flac"
SAMPLES = 76531  # of the recording
END = json.dumps({"is_speaking": False})


@pytest.fixture(autouse=True)
def _ffmpeg_is_there():
    assert FFMPEG, "ffmpeg is missing: make setup installs it, as root on Debian or Ubuntu"


@pytest.fixture
async def heard(stage):
    """A stage that decodes files."""
    stage.decoder = Transcoder(FFMPEG, Limits(files=2, audio_s=stage.limits.utterance_s))
    return stage


@pytest.fixture(scope="session")
def encode(tmp_path_factory):
    """Encode the recording `times` times over; returns the bytes of the file."""
    folder = tmp_path_factory.mktemp("encoded")

    def encode(name, *options, times=1):
        path = folder / f"{times}-{len(options)}-{name}"
        if not path.exists():
            source = ["-stream_loop", str(times - 1), "-i", str(SPEECH)]
            command = [FFMPEG, "-nostdin", "-v", "error", *source, *options, str(path)]
            subprocess.run(command, check=True)
        return path.read_bytes()

    return encode


async def send_file(client, data, piece=10_000, wav_format="others"):
    await client.send(json.dumps({"wav_format": wav_format, "audio_fs": 8000}))
    for start in range(0, len(data), piece):
        await client.send(data[start : start + piece])
    await client.send(END)


async def receive(client, timeout_s=30.0):
    async with asyncio.timeout(timeout_s):
        return json.loads(await client.recv())


async def samples_of(client):
    return int((await receive(client))["text"].removesuffix(" samples"))


def children():
    """Return the ffmpeg processes of this one."""
    listed = [read(task / "children") for task in Path("/proc/self/task").iterdir()]
    pids = [int(pid) for pid in " ".join(listed).split()]
    return [pid for pid in pids if about(pid, "comm").strip() == "ffmpeg"]


def read(path):
    """Read a file of a thread or a process, which may end at any time."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def about(pid, name):
    return read(Path(f"/proc/{pid}/{name}"))


COMMON = [("a.mp3", []), ("a.m4a", []), ("a.opus", [])]
OTHERS = [
    ("a.mp4", ["-movflags", "+faststart"]), ("a.mov", []), ("a.aac", []), ("a.ogg", []),
    ("a.flac", []), ("a.webm", []), ("a.mka", []), ("a.wma", []), ("a.aiff", []), ("a.au", []),
    ("a.caf", []), ("a.ac3", []), ("a.w64", []), ("a.ts", []), ("a.wv", []), ("a.wav", []),
    ("b.wav", ["-c:a", "adpcm_ima_wav"]), ("b.mka", ["-ac", "2", "-ar", "44100"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options"),
    [*COMMON, *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS)],
)
async def test_files_of_every_format_are_heard_whole(heard, encode, name, options):
    await heard.start()
    data = encode(name, *options)
    async with heard.connect() as client:
        await send_file(client, data, wav_format=name.split(".")[1])
        assert abs(await samples_of(client) - SAMPLES) < 3000  # codecs add some at the edges
        await send_file(client, data, piece=len(data))
        assert abs(await samples_of(client) - SAMPLES) < 3000
    assert children() == []


async def test_amr_is_heard(heard):
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, b"#!AMR\n" + (b"\x3c" + b"\x55" * 31) * 50, wav_format="amr")
        assert abs(await samples_of(client) - 16000) < 500


@pytest.mark.parametrize(
    "flags", ["-faststart", pytest.param("+faststart", marks=pytest.mark.slow)]
)
async def test_an_mp4_with_its_index_at_its_end_is_heard_too(heard, encode, flags):
    heard.limits = replace(heard.limits, utterance_s=300.0, queued_s=300.0)
    heard.budget.limit_samples = 16000 * 300
    heard.decoder = Transcoder(FFMPEG, Limits(files=2, audio_s=300.0))
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, encode("a.m4a", "-movflags", flags, times=50), wav_format="m4a")
        assert abs(await samples_of(client) - 50 * SAMPLES) < 5000


async def test_bytes_that_come_one_by_one_and_inputs_of_all_kinds_share_a_connection(heard, encode):
    await heard.start()
    async with heard.connect() as client:
        wav = encode("a.wav")
        await send_file(client, wav[:5000], piece=1)
        assert await samples_of(client) > 2000
        await send_file(client, encode("a.mp3"))
        assert abs(await samples_of(client) - SAMPLES) < 3000
        await client.send(json.dumps({"wav_format": "pcm", "audio_fs": 16000}))
        await client.send(b"\x01\x00" * 16000)
        await client.send(END)
        assert await samples_of(client) == 16000
        await send_file(client, b"")
        assert (await receive(client))["text"] == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hello, this is no audio at all", "cannot be decoded: Invalid data found"),
        (bytes(range(256)) * 400, "the file cannot be decoded"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), "the file cannot be decoded"),
        (b"#EXTM3U\nhttp://127.0.0.1:9/a.ts\n" * 9, "the file cannot be decoded"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "cannot be decoded"),
        (b"ID3", "cannot be decoded"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt \x02\x00\x00\x00ab", "cannot be decoded"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "inside its WAV header"),
    ],
)
async def test_what_is_no_audio_is_refused_with_a_reason_and_the_connection_lives(
    heard, encode, data, reason
):
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, data)
        answers = [await receive(client)]
        if not answers[0]["is_final"]:
            answers.append(await receive(client))
        assert all(reason in answer["error"] for answer in answers)
        assert "pipe:" not in answers[0]["error"]
        assert answers[-1]["is_final"]
        await send_file(client, encode("a.mp3"))
        assert abs(await samples_of(client) - SAMPLES) < 3000
    assert children() == []


async def test_a_video_without_sound_is_told_and_one_with_sound_is_heard(heard, encode):
    picture = ["-f", "lavfi", "-i", "color=c=black:s=64x64:d=2"]
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, encode("a.mkv", *picture, "-shortest"))
        assert abs(await samples_of(client) - 32000) < 3000
        await send_file(client, encode("b.mp4", *picture, "-map", "1:v"))
        assert "there is no audio in it" in (await receive(client))["error"]


async def test_a_file_that_is_longer_than_an_input_may_be_is_refused_and_decoded_no_further(
    heard, encode
):
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, encode("a.mp3", times=50))
        assert "may last 40 s" in (await receive(client))["error"]
        assert (await receive(client))["is_final"]
    assert heard.budget.held_samples == 0


async def test_what_a_file_decodes_to_is_held_against_the_budget(heard, encode):
    heard.budget.limit_samples = 16000 * 10
    await heard.start()
    async with heard.connect() as client:
        await send_file(client, encode("a.flac", times=4))
        assert "audio buffer of this server is full" in (await receive(client))["error"]
    assert heard.value("asr_received_items_total", **{"class": "file"}) == 1


async def test_files_wait_for_each_other_and_for_no_longer_than_they_may(
    heard, encode, eventually, monkeypatch
):
    await heard.start()
    data = encode("a.mp3", times=3)
    async with heard.connect() as one, heard.connect() as two, heard.connect() as three:
        for client in (one, two):
            await client.send(json.dumps({"wav_format": "mp3"}))
            await client.send(data[:1000])
        await eventually(lambda: len(children()) == 2)
        monkeypatch.setattr(transcoding, "ROOM_S", 0.1)
        await send_file(three, data)
        assert "other files are being decoded" in (await receive(three))["error"]
        assert (await receive(three))["is_final"]
        await one.send(data[1000:])
        await one.send(END)
        assert abs(await samples_of(one) - 3 * SAMPLES) < 3000
        await send_file(three, data)
        assert abs(await samples_of(three) - 3 * SAMPLES) < 3000
    await eventually(lambda: children() == [])


async def test_the_child_of_a_client_that_leaves_is_gone_too(heard, encode, eventually):
    await heard.start()
    async with heard.connect() as client:
        await client.send(json.dumps({"wav_format": "mp3"}))
        await client.send(encode("a.mp3")[:5000])
        await eventually(lambda: len(children()) == 1)
    await eventually(lambda: children() == [])
    await eventually(lambda: heard.budget.held_samples == 0)


async def test_a_child_that_hangs_is_given_up(heard, encode, eventually, monkeypatch):
    monkeypatch.setattr(transcoding, "FINISH_S", 0.2)
    monkeypatch.setattr(transcoding, "STALL_S", 0.2)
    await heard.start()
    async with heard.connect() as client, heard.connect() as other:
        for piece in (1000, 400_000):  # it hangs at the end, or takes no more
            await client.send(json.dumps({"wav_format": "mp3"}))
            await client.send(encode("a.mp3")[:1000])
            await eventually(lambda: len(children()) == 1)
            os.kill(children()[0], 19)
            await client.send(bytes(piece))
            await client.send(END)
            assert "takes too long" in (await receive(client))["error"]
            assert (await receive(client))["is_final"]
        await eventually(lambda: children() == [])
        await other.send(b"\x01\x00" * 16000)
        await other.send(END)
        assert await samples_of(other) == 16000


async def test_a_drain_waits_for_a_file_that_is_being_decoded(heard, encode):
    await heard.start()
    data = encode("a.mp3")
    async with heard.connect() as client:
        await client.send(json.dumps({"wav_format": "mp3"}))
        await client.send(data[:1000])
        draining = asyncio.create_task(drain(heard.listener, heard.admission, 30, asyncio.Event()))
        await client.send(data[1000:])
        await client.send(END)
        assert abs(await samples_of(client) - SAMPLES) < 3000
        async with asyncio.timeout(30):
            await draining


@pytest.mark.parametrize("ends", [True, False])
async def test_the_end_of_a_drain_ends_what_hangs_and_says_so(heard, encode, eventually, ends):
    await heard.start()
    async with heard.connect() as client:
        await client.send(json.dumps({"wav_format": "mp3"}))
        await client.send(encode("a.mp3")[:1000])
        await eventually(lambda: len(children()) == 1)
        os.kill(children()[0], 19)
        if ends:
            await client.send(END)
        async with asyncio.timeout(30):
            await drain(heard.listener, heard.admission, 0.1, asyncio.Event())
        answers = [await receive(client), await receive(client)]
        assert [answer["is_final"] for answer in answers] == [False, True]
        assert all("shuts down before the file is decoded" in each["error"] for each in answers)
        with pytest.raises(ConnectionClosed):
            await receive(client)
    await eventually(lambda: children() == [])


async def test_without_ffmpeg_only_wav_and_pcm_are_accepted(stage, encode):
    await stage.start()
    async with stage.connect() as client:
        await send_file(client, encode("a.mp3"))
        assert "for other formats this server would need ffmpeg" in (await receive(client))["error"]
        assert (await receive(client))["is_final"]
        await send_file(client, encode("a.wav"))
        assert await samples_of(client) == SAMPLES


async def test_a_program_that_cannot_be_started_is_told():
    with pytest.raises(TranscodingError, match="cannot be started: No such file"):
        await Transcoder("/nowhere", Limits(1, 10)).start(lambda _: True, seeks=False)


async def test_a_child_is_bounded_and_knows_nothing_of_us(encode):
    decoder = Transcoder(FFMPEG, Limits(1, 10))
    child = await decoder.start(lambda _: True, seeks=False)
    (pid,) = children()
    limits = about(pid, "limits")
    for name, most in (("cpu time", 60), ("address space", 512 << 20), ("file size", 512 << 20)):
        assert any(f"Max {name}" in line and f" {most} " in line for line in limits.splitlines())
    assert about(pid, "environ") == ""
    await child.close()
    assert children() == []


@pytest.mark.parametrize(
    ("head", "ended", "step"),
    [
        (b"RIFF", False, "wait"),
        (b"RIFF", True, "hear"),
        (b"ID3", False, "wait"),
        (b"ID3", True, "decode"),
        (b"OggS" + bytes(8), False, "decode"),
        (b"RIFF1234WAVEfmt ", False, "wait"),
        (b"RIFF1234AVI fmt ", False, "decode"),
    ],
)
def test_the_head_of_a_file_decides(head, ended, step):
    assert intake.decide_next(head, ended=ended) == step
