"""Builds every long-lived object of the front process, runs it, and says how it ended.

Exit status: 0 after a drain, 1 when the model cannot be loaded, 2 for settings that cannot be used.
"""

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import Coroutine, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from asr_server import logs, settings
from asr_server.link.arena import Arena
from asr_server.link.messages import BatchLimits, SheddingLimits
from asr_server.metrics import Metrics
from asr_server.service import bounds, engine_process, gpu, measure, watched_files
from asr_server.service.admission import LOADING, Admission
from asr_server.service.connection import Surroundings
from asr_server.service.door import Door
from asr_server.service.drain import drain
from asr_server.service.engine_link import EngineLink
from asr_server.service.gathering import Gathering
from asr_server.service.health import Health
from asr_server.service.listener import Endpoint, Listener
from asr_server.service.live_config import LiveConfig, LiveValues
from asr_server.service.pressure import Pressure
from asr_server.service.probes import ProbeServer
from asr_server.service.tls import Certificate
from asr_server.service.tokens import Tokens
from asr_server.service.transcoding import Limits, Transcoder
from asr_server.speech.effects import SessionLimits
from asr_server.speech.hotwords import parse_hotwords

REPLIES = 4096  # that may wait in one session

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server; return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        found = settings.load_settings(arguments)
        logs.install(found.log_level)
        gathering = Gathering()
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(gathering)) as runner:
            runner.run(Server(found, gathering).run())
    except settings.SettingsError as error:
        return _fail(2, str(error), settings.termination_log(arguments))
    except engine_process.EngineError as error:
        return _fail(1, str(error), settings.termination_log(arguments))
    return 0


class Server:
    """The parts of the front process, and how they are joined."""

    def __init__(self, found: settings.ServerSettings, gathering: Gathering) -> None:
        self._settings = found
        self._metrics = metrics = Metrics()
        arena = Arena.create(found.audio_buffer_mb * settings.SAMPLES_PER_MB)
        reports = measure.EngineReports(metrics.engine)
        flags = _flags(found)
        self._link = EngineLink(arena, _batch_limits(flags), reports.observe)
        self._pressure = Pressure(self._link, metrics.server)
        self._door = Door(self._pressure.find_room, metrics.server.waiting_sessions)
        command = engine_process.build_command(found)
        self._engine = engine_process.EngineProcess(command, self._link, metrics.engine, self._open)
        self._admission = Admission(
            metrics.session,
            found.max_sessions,
            found.max_sessions_per_address,
            self._door,
        )
        budget = bounds.AudioBudget(arena.samples)
        limits = SessionLimits(found.max_utterance_s, found.max_utterance_s, REPLIES)
        around = Surroundings(
            self._link, budget, limits, metrics.session, _find_decoder(found), gathering
        )
        self._certificate, self._tokens = _load_certificate(found), _load_tokens(found)
        self._listener = Listener(
            self._admission, around, bounds.Bounds(found.idle_timeout_s), self._tokens
        )
        self._live_config = LiveConfig(flags, metrics.server, self._put_in_force)
        self._probes = ProbeServer(Health(self._admission, self._link, metrics.registry).pages)
        loads = (reports.duty, self._admission.used_ratio, budget.used_ratio)
        metrics.server.saturation.set_function(lambda: max(load() for load in loads))
        metrics.engine.queue_audio_s.labels("file").set_function(self._link.unanswered_s)
        metrics.engine.queue_audio_s.labels("final").set_function(self._link.streams.unsettled_s)
        _set_info(metrics, found)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; a second signal ends the drain.

        Raises EngineError when there can be no engine, SettingsError when a port is taken.
        """
        stop, hurry = _watch_signals()
        await self._listen()
        tasks = [asyncio.create_task(task) for task in self._background()]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                timeout_s = self._settings.drain_timeout_s
                await drain(self._listener, self._admission, timeout_s, hurry)
        finally:
            await self._listener.stop()
            self._probes.close()
            await _end(tasks)

    async def _listen(self) -> None:
        host, port, probe_port = self._settings.host, self._settings.port, self._settings.probe_port
        name = "probe-port"
        try:
            probe_port = await self._probes.start(host, probe_port)
            name = "port"
            tls = None if self._certificate is None else self._certificate.context
            endpoint = Endpoint(host, port, self._settings.max_message_bytes, tls)
            port = await self._listener.start(endpoint)
        except OSError as error:
            raise settings.SettingsError(f"--{name}: cannot listen: {error.strerror}") from None
        fields = {"host": host, "port": port, "probe_port": probe_port, "tls": tls is not None}
        logger.info("listening", extra={"fields": fields})

    def _background(self) -> list[Coroutine[Any, Any, None]]:
        tasks = [
            self._engine.run(),
            self._listener.sweep(),
            measure.watch_loop_lag(self._metrics.server, self._look),
            measure.watch_cpu(self._metrics.server),
        ]
        if self._settings.live_config is not None:
            tasks.append(self._live_config.watch(self._settings.live_config))
        watched = [each for each in (self._certificate, self._tokens) if each is not None]
        tasks += [watched_files.watch(each, self._metrics.server) for each in watched]
        if self._settings.device != "cpu":
            tasks.append(gpu.watch_gpu(self._metrics.registry, gpu.open_nvml))
        return tasks

    def _look(self, lag_s: float, now: float) -> None:
        self._pressure.look(lag_s, now)
        self._door.let_in()

    def _open(self) -> None:
        if self._admission.closed is LOADING:
            self._admission.closed = None
            logger.info("ready")

    def _put_in_force(self, values: LiveValues) -> None:
        shedding = SheddingLimits(values.shed_late_ms, values.partial_interval_ms)
        self._link.configure(_batch_limits(values), shedding)
        self._link.hotwords = values.hotwords
        self._admission.limit(values.max_sessions)
        logger.info("configuration in force", extra={"fields": values.describe()})


def _flags(found: settings.ServerSettings) -> LiveValues:
    return LiveValues(
        0,
        found.batch_size,
        found.batch_audio_s,
        found.max_wait_ms,
        found.max_sessions,
        found.shed_late_ms,
        found.partial_interval_ms,
        _read_hotwords(found.hotwords),
    )


def _batch_limits(values: LiveValues) -> BatchLimits:
    return BatchLimits(values.batch_size, values.batch_audio_s, values.max_wait_ms)


def _read_hotwords(text: str) -> tuple[str, ...]:
    try:
        return tuple(found.word for found in parse_hotwords(text))
    except ValueError as error:
        raise settings.SettingsError(f"--hotwords: {error}") from None


def _find_decoder(found: settings.ServerSettings) -> Transcoder | None:
    program = shutil.which("ffmpeg")
    if not found.decoders:
        return None
    if program is None:
        logger.warning("no ffmpeg on PATH: of files only wav is accepted")
        return None
    return Transcoder(program, Limits(found.decoders, found.max_utterance_s))


def _load_certificate(found: settings.ServerSettings) -> Certificate | None:
    if found.cert is None and found.key is None:
        return None
    if found.cert is None or found.key is None:
        lacking, given = ("cert", "key") if found.cert is None else ("key", "cert")
        raise settings.SettingsError(f"--{lacking}: is needed with --{given}")
    try:
        return Certificate(found.cert, found.key)
    except ValueError as error:
        raise settings.SettingsError(f"--cert {found.cert}, --key {found.key}: {error}") from None


def _load_tokens(found: settings.ServerSettings) -> Tokens | None:
    if found.auth_tokens is None:
        return None
    try:
        return Tokens(found.auth_tokens)
    except ValueError as error:
        raise settings.SettingsError(f"--auth-tokens {found.auth_tokens}: {error}") from None


def _set_info(metrics: Metrics, found: settings.ServerSettings) -> None:
    identity = (found.namespace, found.service, found.pod)
    about = (_find_version(), found.device, found.model)
    metrics.server.info.labels(*identity, *about).set(1)


def _find_version() -> str:
    try:
        return metadata.version("asr-server")
    except metadata.PackageNotFoundError:  # run from a checkout, as by make gpu
        return "unknown"


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks that run for ever; what made one of them fail is raised."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def _watch_signals() -> tuple[asyncio.Event, asyncio.Event]:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def stop_or_hurry() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop_or_hurry)
    return stop, hurry


def _fail(status: int, reason: str, log: Path) -> int:
    """Say in one line why the server ends, where a person and where Kubernetes looks."""
    line = f"asr-server: {' '.join(reason.split())}\n"
    sys.stderr.write(line)
    if log != settings.TERMINATION_LOG or log.exists():  # only Kubernetes makes that file
        try:
            log.write_text(line)
        except OSError as error:
            sys.stderr.write(f"asr-server: cannot write {log}: {error.strerror}\n")
    return status
