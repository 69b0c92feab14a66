"""An input until it is recognised: over as many connections as it takes, but not for ever."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from asr_server.client import inputs
from asr_server.client.connecting import open_connection
from asr_server.client.exchange import Announcement, CutError, NoAnswerError, Watcher, recognize
from asr_server.client.settings import ClientSettings
from asr_server.client.transcript import Transcript
from asr_server.speech import audio

ATTEMPTS = 5  # servers that restart one after the other may cut a file more than once


@dataclass(frozen=True, slots=True)
class Source:
    """What is sent, and what the server is told of it. `pieces` begins anew each time."""

    about: Announcement
    pieces: Callable[[], AsyncGenerator[bytes, None]]


def make_file_source(recording: inputs.Recording, settings: ClientSettings) -> Source:
    """Return how a file is sent: as it is, or in live modes as samples."""
    live = settings.mode != "offline"
    about = Announcement(
        mode=settings.mode,
        name=Path(recording.shown).name,
        wav_format="pcm" if live else recording.wav_format,
        sample_rate_hz=audio.SAMPLE_RATE_HZ if live else settings.sample_rate_hz,
        hotwords=settings.hotwords,
    )
    if live:
        return Source(about, lambda: _speak(recording, settings))
    return Source(about, lambda: inputs.read_file(recording))


async def transcribe(
    source: Source, settings: ClientSettings, watcher: Watcher, tell: Callable[[str], None]
) -> Transcript:
    """Send an input, again where the connection is cut, and return its transcript.

    Raises UnreachableError, NoAnswerError, and UnreadableError of the input.
    """
    server = settings.server
    for attempt in range(ATTEMPTS):
        socket = await open_connection(server, tell, again=attempt > 0)
        try:
            return await recognize(socket, source.about, source.pieces(), watcher, server.answer_s)
        except CutError as error:
            tell(f"{source.about.name}: {error}; sending it again")
        finally:
            await socket.close()
    raise NoAnswerError(f"the connection was cut {ATTEMPTS} times")


async def _speak(
    recording: inputs.Recording, settings: ClientSettings
) -> AsyncGenerator[bytes, None]:
    """Give a file as a microphone would, at `speed` times real time."""
    container = audio.Container.PCM if recording.raw else audio.Container.FILE
    samples = await asyncio.to_thread(
        inputs.read_samples, recording.path, container, settings.sample_rate_hz
    )
    loop = asyncio.get_running_loop()
    due = loop.time()
    for piece in inputs.cut_live(samples):
        if settings.speed:
            due += inputs.LIVE_PIECE_S / settings.speed
            await asyncio.sleep(due - loop.time())
        yield piece
