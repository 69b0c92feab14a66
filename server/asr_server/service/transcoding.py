"""Files of any format to mono 16 kHz int16, by ffmpeg in a child process.

The child reads one pipe and writes another: it can open no file and no network connection, knows
only formats that hold audio, and is bounded in memory, processor time and output. One exception:
an MP4 file may have its index at its end, so ffmpeg keeps such a file in a deleted file of /tmp.
"""

import asyncio
import contextlib
import os
import re
import resource
from collections.abc import Callable
from dataclasses import dataclass

from asr_server.speech.audio import SAMPLE_RATE_HZ

READ_BYTES = 64 * 1024
TELL_BYTES = 2048  # of what ffmpeg says about a file that it cannot decode
STALL_S = 30.0  # ffmpeg may take no input for so long
FINISH_S = 120.0  # and for so long it may work on after the last of it
ROOM_S = 10.0  # how long a file waits until another one is done: less than a server has to end
MEMORY_BYTES = 512 << 20
SPOOL_BYTES = 512 << 20  # of a file that is kept in /tmp: half of the space that a pod has there
OPEN_FILES = 32
NICENESS = 10  # speech in flight goes first

DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpegts,ogg,"
    "w64,wav,wv"
)
DECODERS = (
    "aac,aac_latm,ac3,adpcm_g722,adpcm_g726,adpcm_ima_qt,adpcm_ima_wav,adpcm_ms,alac,amrnb,amrwb,"
    "ape,eac3,flac,gsm,gsm_ms,libspeex,mp1,mp1float,mp2,mp2float,mp3,mp3float,opus,pcm_alaw,pcm_f32be,"
    "pcm_f32le,pcm_f64be,pcm_f64le,pcm_mulaw,pcm_s16be,pcm_s16le,pcm_s24be,pcm_s24le,pcm_s32be,"
    "pcm_s32le,pcm_s8,pcm_u8,speex,vorbis,wavpack,wmav1,wmav2,wmapro"
)
CANNOT = "the file cannot be decoded"


class TranscodingError(Exception):
    """The file cannot be decoded; the text says why, for the client."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What decoding may cost: files at a time, and seconds of audio in each."""

    files: int
    audio_s: float


class Transcoder:
    """Starts one child per file, and not more than allowed at a time."""

    def __init__(self, program: str, limits: Limits) -> None:
        self._program = program
        self._limits = limits
        self._room = asyncio.Semaphore(limits.files)

    async def start(self, take: Callable[[bytes], bool], *, seeks: bool) -> "Transcoding":
        """Begin a file. `take` gets what is decoded; it says whether it wants more.

        `seeks`: the file's index may be at its end. Raises TranscodingError when there is no room.
        """
        try:
            async with asyncio.timeout(ROOM_S):
                await self._room.acquire()
        except TimeoutError:
            raise TranscodingError("other files are being decoded: send this one later") from None
        try:
            process = await self._spawn(seeks=seeks)
        except OSError as error:
            self._room.release()
            raise TranscodingError(f"ffmpeg cannot be started: {error.strerror}") from None
        except BaseException:
            self._room.release()
            raise
        return Transcoding(process, take, self._limits.audio_s, self._room.release)

    async def _spawn(self, *, seeks: bool) -> asyncio.subprocess.Process:
        command = build_command(self._program, self._limits.audio_s, seeks=seeks)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env={}, cwd="/"
        )
        with contextlib.suppress(ProcessLookupError):  # it has ended; that is seen later
            _bound(process.pid, cpu_s=60 + int(self._limits.audio_s / 20))
        return process


class Transcoding:
    """One file, from its first byte to its last."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        take: Callable[[bytes], bool],
        audio_s: float,
        released: Callable[[], None],
    ) -> None:
        self._process = process
        self._take = take
        self._released = released
        self._until = _now() + audio_s + FINISH_S  # a file may be spoken while it is sent
        self._said = b""
        self._work = asyncio.gather(self._pump(), self._listen(), process.wait())

    async def feed(self, data: bytes) -> None:
        """Give the child the next bytes; returns when it has room for more.

        Raises TranscodingError.
        """
        assert self._process.stdin is not None
        if self._process.stdin.is_closing():
            return  # the child has all it needs
        try:
            async with asyncio.timeout(min(STALL_S, self._until - _now())):
                self._process.stdin.write(data)
                await self._process.stdin.drain()
        except TimeoutError:
            raise TranscodingError("decoding the file takes too long") from None
        except (BrokenPipeError, ConnectionResetError):  # the child needs no more, or has failed
            await self._end()

    async def finish(self) -> None:
        """Return when all is decoded. Raises TranscodingError."""
        await self._end()

    def kill(self) -> None:
        """Decode no further."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the child, whatever it does."""
        self.kill()
        await asyncio.gather(self._work, return_exceptions=True)
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await self._process.stdin.wait_closed()
        self._released()
        self._released = lambda: None

    async def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(FINISH_S):
                await asyncio.shield(self._work)
        except TimeoutError:
            raise TranscodingError("decoding the file takes too long") from None
        if status := self._process.returncode:
            raise TranscodingError(explain(status, self._said))

    async def _pump(self) -> None:
        assert self._process.stdout is not None
        wanted = True
        while data := await self._process.stdout.read(READ_BYTES):
            wanted = wanted and self._take(data)
            if not wanted:
                self.kill()

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while said := await self._process.stderr.read(READ_BYTES):
            self._said = (self._said + said)[-TELL_BYTES:]


def build_command(program: str, audio_s: float, *, seeks: bool) -> list[str]:
    """Return the command of a child that decodes at most `audio_s` seconds and a little more."""
    source = ["-read_ahead_limit", "-1", "-i", "cache:pipe:0"] if seeks else ["-i", "pipe:0"]
    return [
        *(program, "-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"),
        *("-protocol_whitelist", "cache,pipe" if seeks else "pipe"),
        *("-format_whitelist", DEMUXERS, "-codec_whitelist", DECODERS),
        *source,
        *("-map", "0:a:0", "-vn", "-sn", "-dn", "-t", str(audio_s + 1)),
        *("-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-f", "s16le", "pipe:1"),
    ]


def explain(status: int, said: bytes) -> str:
    """Say why ffmpeg ended with this status; `said` is the end of what it wrote."""
    if status < 0:
        return f"{CANNOT}: it takes too much memory or time"
    lines = said.decode(errors="replace").splitlines() or ["ffmpeg does not say why"]
    reason = re.sub(r"^(\[[^]]*\] )?(cache:)?(pipe:0: )?", "", lines[-1])
    if any("matches no streams" in line for line in lines):
        reason = "there is no audio in it"
    elif "Error while opening decoder" in reason:
        reason = "its audio has a format that is not accepted"
    return f"{CANNOT}: {reason[:200]}"


def _bound(pid: int, *, cpu_s: int) -> None:
    """Limit a child before it has got any data. Raises ProcessLookupError."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, SPOOL_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.prlimit(pid, kind, (most, most))
    os.setpriority(os.PRIO_PROCESS, pid, NICENESS)


def _now() -> float:
    return asyncio.get_running_loop().time()
