"""People who speak at the same time: held-out speech sent with `funasr-client`, and its score.

The client is an independent one from PyPI; nothing here imports this project.
"""

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import funasr_client
import soundfile

SPEECH = Path(__file__).parents[2] / "tests" / "data" / "utterances"
CHUNK_S = 0.6


@dataclass(frozen=True, slots=True)
class Utterance:
    """Mono 16 kHz speech that the demo model was not trained on, and the words in it."""

    name: str
    text: str
    pcm: bytes

    @property
    def duration_s(self) -> float:
        """How long it takes to speak."""
        return len(self.pcm) / 2 / 16000


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back for one utterance, and how long after its end."""

    utterance: Utterance
    text: str
    latency_s: float


def load(count: int) -> list[Utterance]:
    """Pick utterances evenly from all that there are."""
    rows = json.loads((SPEECH / "manifest.json").read_text(encoding="utf-8"))["utterances"]
    return [
        Utterance(row["name"], row["text"], read_pcm(SPEECH / f"{row['name']}.flac"))
        for row in rows[:: len(rows) // count][:count]
    ]


def read_pcm(path: Path) -> bytes:
    """Read 16-bit samples from an audio file."""
    audio, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16000
    return bytes(audio.tobytes())


async def speak_all(url: str, utterances: Sequence[Utterance]) -> list[Heard]:
    """Speak in real time, each in a session of its own, so that all stop at the same moment."""
    longest_s = max(each.duration_s for each in utterances)
    sessions = (speak(url, each, longest_s - each.duration_s) for each in utterances)
    return list(await asyncio.gather(*sessions))


async def speak(url: str, utterance: Utterance, delay_s: float) -> Heard:
    """Come after a while, open a session, speak, and wait for the words."""
    clock = asyncio.get_running_loop()
    spoken_until = clock.time() + delay_s
    await asyncio.sleep(delay_s)
    client = funasr_client.async_funasr_client(
        url, mode="offline", wav_name=utterance.name, audio_fs=16000, blocking=True
    )
    async with client:
        step = int(CHUNK_S * 16000) * 2
        for start in range(0, len(utterance.pcm), step):
            chunk = utterance.pcm[start : start + step]
            spoken_until += len(chunk) / 2 / 16000
            await asyncio.sleep(spoken_until - clock.time())
            await client.send(chunk)
        await client.signal_close()
        text = "".join([message["text"] async for message in client.stream()])
    return Heard(utterance, text, clock.time() - spoken_until)


def wrong_characters(heard: Heard) -> int:
    """Return the edit distance of what was heard from what was said, punctuation left out."""
    said, found = bare(heard.utterance.text), bare(heard.text)
    costs = list(range(len(found) + 1))
    for row, character in enumerate(said, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(found, 1):
            replaced = before + (character != other)
            before = costs[column]
            costs[column] = min(replaced, before + 1, costs[column - 1] + 1)
    return costs[-1]


def error_rate(heard: Sequence[Heard]) -> float:
    """Return the character error rate over all utterances."""
    said = sum(len(bare(each.utterance.text)) for each in heard)
    return sum(map(wrong_characters, heard)) / said


def bare(text: str) -> str:
    """Return the letters and digits alone, none of them a capital."""
    return re.sub(r"\W", "", text).lower()
