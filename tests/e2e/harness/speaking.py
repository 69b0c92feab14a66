"""Speaking to a service with `funasr-client`, a FunASR client that others wrote.

Retry policy, as an application would have it: a session that cannot be opened (connection refused,
HTTP 503) is tried again every RETRY_S for at most PATIENCE_S. A session that was opened is never
tried again: what it said must come back.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import funasr_client
import websockets

RETRY_S = 0.2
PATIENCE_S = 30
CHUNK = 9600  # samples: 0.6 s

Mode = Literal["offline", "online", "2pass"]


class Utterance(Protocol):
    """What is said, in words and as 16 kHz int16 samples."""

    name: str
    text: str
    audio: Any


@dataclass(frozen=True, slots=True)
class Heard:
    """What one session brought: the text, and every refusal before it was opened."""

    said: str
    text: str
    refusals: tuple[str, ...]

    @property
    def pair(self) -> tuple[str, str]:
        """Return what was said and what was heard, as words: punctuation is not spoken."""
        return self.said, "".join(each for each in self.text if each.isalnum())


@dataclass(slots=True)
class Pause:
    """A stop half-way through an utterance, with the session open."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def open_session(
    url: str, name: str = "", mode: Mode = "offline"
) -> tuple[Any, tuple[str, ...]]:
    """Open a session under the retry policy; return the client and the refusals."""
    refusals: list[str] = []
    end = time.monotonic() + PATIENCE_S
    while True:
        client = funasr_client.async_funasr_client(
            url, mode=mode, wav_name=name, wav_format="pcm", audio_fs=16000, blocking=True
        )
        try:
            await client.connect()
        except (OSError, websockets.InvalidHandshake) as error:
            refusals.append(repr(error))
            assert time.monotonic() < end, f"no session within {PATIENCE_S} s: {refusals}"
            await asyncio.sleep(RETRY_S)
        else:
            return client, tuple(refusals)


async def speak(
    url: str, utterance: Utterance, pause: Pause | None = None, mode: Mode = "offline"
) -> Heard:
    """Speak one utterance in a session of its own, with a pause half-way if one is given.

    What is heard is what a reader is left with: in mode 2pass the finals, which replace the
    partials before them; in mode online all increments.
    """
    client, refusals = await open_session(url, utterance.name, mode)
    try:
        starts = range(0, len(utterance.audio), CHUNK)
        for number, start in enumerate(starts):
            if pause and number == len(starts) // 2:
                pause.reached.set()
                await pause.over.wait()
            await client.send(utterance.audio[start : start + CHUNK].tobytes())
        await client.signal_close()
        messages = [message async for message in client.stream()]
    finally:
        # A draining server closes after the final message; the client then fails to say goodbye.
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.close()
    kept = (message["text"] for message in messages if message["mode"] != "2pass-online")
    return Heard(utterance.text, "".join(kept), refusals)


async def speak_all(
    url: str, utterances: Sequence[Utterance], mode: Mode = "offline"
) -> list[Heard]:
    """Speak all utterances at the same time, each in a session of its own."""
    return list(await asyncio.gather(*(speak(url, each, mode=mode) for each in utterances)))
