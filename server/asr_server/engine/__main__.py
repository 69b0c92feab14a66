"""The entry of the engine process; its parent is the front, which hands down both descriptors.

The end of the channel ends the process. SIGTERM and SIGINT do not: they reach the whole group, and
the front decides how long the engine is needed.
"""

import argparse
import contextlib
import gc
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from asr_server import logs
from asr_server.engine import crew as crews
from asr_server.engine import inbox as inboxes
from asr_server.engine import loop, startup, watchdog
from asr_server.engine.outgoing import Outgoing
from asr_server.link import arena, channel, messages

# New objects before the collector looks at them: at Python's 700 it took a sixteenth of the time of
# an engine full of live streams, and what is over lets go of what is large without it.
GC_THRESHOLD = 10_000


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    fd: int
    arena_fd: int
    arena_samples: int
    choice: startup.ModelChoice
    limits: messages.BatchLimits


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; a wrong one ends the process with status 2."""
    parser = argparse.ArgumentParser(prog="asr_server.engine", description=__doc__)
    for name, kind in (
        ("fd", int),
        ("arena-fd", int),
        ("arena-samples", int),
        ("model", str),
        ("device", str),
        ("dtype", str),
        ("batch-size", int),
        ("batch-audio-s", float),
        ("max-wait-ms", float),
    ):
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as the CPU quota allows")
    given = parser.parse_args(arguments)
    return Options(
        fd=given.fd,
        arena_fd=given.arena_fd,
        arena_samples=given.arena_samples,
        choice=startup.ModelChoice(given.model, given.device, given.dtype, given.threads),
        limits=messages.BatchLimits(given.batch_size, given.batch_audio_s, given.max_wait_ms),
    )


def run(options: Options, front: channel.EngineChannel) -> int:
    """Load models, then answer the front until it is gone; return the exit status."""
    inbox = inboxes.Inbox(front.receive)
    inbox.start()
    began = time.monotonic()
    try:
        models, device = startup.start(options.choice, options.limits)
    except startup.StartError as error:
        front.send([messages.LoadFailed(str(error))])
        return 1
    audio = arena.attach(options.arena_fd, options.arena_samples)
    dog = watchdog.Watchdog(time.monotonic, beat=lambda: _say_alive(front))
    crew = crews.Crew(device, time.monotonic, workers=device.workers, wake=inbox.wake, watchdog=dog)
    batches = loop.BatchLoop(models, audio, options.limits, crew)
    gc.freeze()  # what torch has made stays: the collector need not look at it again
    gc.set_threshold(GC_THRESHOLD)
    load_s = time.monotonic() - began
    loaded = messages.Loaded(models.name, models.device, models.dtype, load_s)
    front.send([loaded, messages.Alive()])
    dog.start()
    outgoing, wait_s = Outgoing(), None
    while True:
        turn = batches.turn(inbox.take(wait_s))
        now = time.monotonic()
        outgoing.add(turn.replies, now)
        if leaving := outgoing.take(now):
            front.send(leaving)
        wait_s = outgoing.limit_wait(turn.wait_s, now)


def _say_alive(front: channel.EngineChannel) -> None:
    with contextlib.suppress(ConnectionError):  # the front is gone, which the inbox sees too
        front.send([messages.Alive()])


def main() -> int:
    """Run the engine of this process's command line."""
    options = parse_options()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    logs.install("info")
    try:
        return run(options, channel.EngineChannel(socket.socket(fileno=options.fd)))
    except ConnectionError:  # the front has gone while an answer was written
        return 0


if __name__ == "__main__":
    sys.exit(main())
