"""The microphone, through PortAudio, as pieces of 16 kHz mono int16."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from asr_server.client.inputs import LIVE_PIECE_S, UnreadableError
from asr_server.speech.audio import SAMPLE_RATE_HZ

LATE_PIECES = 500  # half a minute that the server has not taken: more is not worth to wait for


async def listen(stop: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """Give what is said until `stop`. Raises UnreadableError when there is no microphone."""
    try:
        import sounddevice
    except ImportError:
        raise UnreadableError("needs sounddevice: pip install 'asr-server[microphone]'") from None
    except OSError:
        raise UnreadableError("needs PortAudio: apt-get install libportaudio2") from None
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    def take(samples: Any, *_: object) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, bytes(samples))

    options = {"samplerate": SAMPLE_RATE_HZ, "channels": 1, "dtype": "int16"}
    block = int(LIVE_PIECE_S * SAMPLE_RATE_HZ)
    try:
        stream = sounddevice.RawInputStream(**options, blocksize=block, callback=take)
    except sounddevice.PortAudioError as error:
        raise UnreadableError(f"cannot be opened; is there one? ({error})") from None
    with stream:
        while not stop.is_set():
            if pieces.qsize() > LATE_PIECES:
                raise UnreadableError("the server takes the audio too slowly")
            yield await pieces.get()
