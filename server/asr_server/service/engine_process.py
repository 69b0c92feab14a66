"""The engine process: started, watched, and started again when it dies.

A first engine that cannot load its models ends the server, with the reason; later ones are tried
again with growing pauses, because what worked once may work again. The channel's end is the sign of
an engine's death, and closing it is how the server ends an engine. One that hangs is killed, also
where it never comes to an end of loading.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
import sys
from collections.abc import Callable

from asr_server.link.channel import ChannelError, FrontChannel
from asr_server.link.messages import Loaded, LoadFailed, ToFront
from asr_server.metrics import EngineMetrics
from asr_server.service.engine_link import EngineLink
from asr_server.settings import ServerSettings, engine_environment

PROGRESS_S = 5
STABLE_S = 30.0  # an engine that lived shorter is restarted after a pause
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
MAX_FAILED_STARTS = 5
LOAD_S = 1800.0  # gigabytes from a slow volume and every shape warmed up take minutes
EXIT_S, KILLED_S = 3.0, 30.0
WATCH_S = 1.0
STALLED_LOOKS = 2  # one after the other

logger = logging.getLogger(__name__)


class EngineError(Exception):
    """No engine can be had; the text says why and what to do."""


def build_command(settings: ServerSettings) -> tuple[str, ...]:
    """Return the command of the real engine; descriptors and limits are added at each start."""
    command = [sys.executable, "-m", "asr_server.engine", "--model", settings.model]
    command += ["--device", settings.device, "--dtype", settings.dtype]
    if settings.threads:
        command += ["--threads", str(settings.threads)]
    return tuple(command)


class EngineProcess:
    """Keeps one engine alive behind a link, for as long as `run` runs."""

    def __init__(
        self,
        command: tuple[str, ...],
        link: EngineLink,
        metrics: EngineMetrics,
        on_loaded: Callable[[], None],
    ) -> None:
        self._command = command
        self._link = link
        self._metrics = metrics
        self._on_loaded = on_loaded
        self._has_loaded = False

    async def run(self) -> None:
        """Keep an engine running; cancelling ends it. Raises EngineError when there can be none."""
        clock = asyncio.get_running_loop().time
        failed_starts = short_lives = 0
        while True:
            started_at = clock()
            try:
                await self._run_one()
                failed_starts = 0
            except EngineError as error:
                failed_starts += 1
                if not self._has_loaded or failed_starts == MAX_FAILED_STARTS:
                    self._link.fail_all(f"there is no recognition engine: {error}")
                    raise
                logger.error("the engine did not start: %s", error)
            short_lives = short_lives + 1 if clock() - started_at < STABLE_S else 0
            self._metrics.restarts.inc()
            await asyncio.sleep(BACKOFF_S[min(short_lives, len(BACKOFF_S) - 1)])

    async def _run_one(self) -> None:
        front, back = socket.socketpair()
        channel = await FrontChannel.open(front)
        process = watching = None
        try:
            with back:
                process = await self._spawn(back.fileno())
            await self._wait_until_loaded(channel)
            self._link.connect(channel)
            self._has_loaded = True
            self._on_loaded()
            watching = asyncio.create_task(self._end_when_stalled(process, channel))
            while (message := await _receive(channel)) is not None:
                self._link.handle(message)
        finally:
            if watching is not None:
                watching.cancel()
            self._link.disconnect()
            await channel.close()
            if process is not None:
                await _end(process)
        logger.error("the engine died (status %s) and is started again", process.returncode)

    async def _end_when_stalled(
        self, process: asyncio.subprocess.Process, channel: FrontChannel
    ) -> None:
        """Kill an engine that hangs, its own watchdog included, and hear no more of it.

        Where this comes too late, both were frozen or the front was busy: that is no hang, and what
        the engine has said meanwhile is read before the next look.
        """
        clock = asyncio.get_running_loop().time
        looked_at, stalled = clock(), 0
        while stalled < STALLED_LOOKS:
            await asyncio.sleep(WATCH_S)
            before, looked_at = looked_at, clock()
            self._link.give_time(max(0.0, looked_at - before - WATCH_S))
            stalled = stalled + 1 if self._link.stalled else 0
        logger.error("the engine says nothing any more: it hangs, and is killed")
        process.kill()
        channel.abort()  # a process that cannot be killed keeps its end open

    async def _spawn(self, channel_fd: int) -> asyncio.subprocess.Process:
        arena, limits = self._link.arena, self._link.limits
        more = ["--fd", channel_fd, "--arena-fd", arena.fd, "--arena-samples", arena.samples]
        more += ["--batch-size", limits.batch_size, "--batch-audio-s", limits.batch_audio_s]
        more += ["--max-wait-ms", limits.max_wait_ms]
        return await asyncio.create_subprocess_exec(
            *self._command,
            *map(str, more),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(channel_fd, arena.fd),
            env=engine_environment(),
            start_new_session=True,  # the terminal's Ctrl-C is for the front, which drains
        )

    async def _wait_until_loaded(self, channel: FrontChannel) -> None:
        progress = asyncio.create_task(_tell_progress())
        try:
            async with asyncio.timeout(LOAD_S):
                first = await _receive(channel)
        except TimeoutError:
            raise EngineError(
                f"the models were not loaded within {LOAD_S:g} s: the device or the volume hangs, "
                "or the model is too large for this machine"
            ) from None
        finally:
            progress.cancel()
        match first:
            case Loaded(model=model, device=device, dtype=dtype, load_s=load_s):
                logger.info("%s is ready on %s in %s after %.1f s", model, device, dtype, load_s)
            case LoadFailed(reason=reason):
                raise EngineError(reason)
            case _:
                raise EngineError("the engine ended before its models were loaded; see its log")


async def _receive(channel: FrontChannel) -> ToFront | None:
    try:
        return await channel.receive()
    except ChannelError as error:
        logger.error("the engine is out of order and is ended: %s", error)
        return None


async def _tell_progress() -> None:
    for waited_s in itertools.count(PROGRESS_S, PROGRESS_S):
        await asyncio.sleep(PROGRESS_S)
        logger.info("loading models for %d s", waited_s)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Wait for a process whose channel is closed, or kill it.

    One that waits for a broken device or volume cannot be killed: it is left to itself.
    """
    try:
        async with asyncio.timeout(EXIT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILLED_S):
                await process.wait()
                return
        logger.error("the engine (process %d) cannot be killed: its device hangs", process.pid)
