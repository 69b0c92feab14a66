"""`asr-client`: recognises files and the microphone, and says how it ended by its exit status."""

import asyncio
import signal
import sys
from collections.abc import Sequence

from asr_server.client import inputs, microphone
from asr_server.client.arguments import UsageError
from asr_server.client.attempts import Source, transcribe
from asr_server.client.batch import Batch
from asr_server.client.connecting import UnreachableError, make_tls
from asr_server.client.exchange import Announcement, NoAnswerError, Watcher
from asr_server.client.progress import Progress
from asr_server.client.settings import ClientSettings, parse_settings
from asr_server.speech.audio import SAMPLE_RATE_HZ

OK, SOME_FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    try:
        settings = parse_settings(sys.argv[1:] if arguments is None else arguments)
        make_tls(settings.server)
        return asyncio.run(run(settings))
    except UsageError as error:
        return _fail(USAGE, str(error))
    except UnreachableError as error:
        return _fail(UNREACHABLE, f"{settings.server.url}: {error}")
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted")


async def run(settings: ClientSettings) -> int:
    """Do what was asked for; return the exit status. Raises UsageError and UnreachableError."""
    return await (_run_microphone(settings) if settings.microphone else _run_files(settings))


async def _run_files(settings: ClientSettings) -> int:
    recordings = inputs.find_recordings(settings.paths)
    if len(recordings) > 1 and settings.output is None and settings.formats[0] in ("srt", "vtt"):
        raise UsageError("subtitles of several files need --output FOLDER")
    batch = Batch(recordings, settings)
    queue = iter(recordings)
    jobs = [asyncio.create_task(batch.work(queue)) for _ in recordings[: settings.jobs]]
    try:
        await asyncio.gather(*jobs)
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)
    return SOME_FAILED if batch.outcomes["failed"] else OK


async def _run_microphone(settings: ClientSettings) -> int:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    progress = Progress(1, quiet=settings.quiet)
    about = Announcement(settings.mode, "microphone", "pcm", SAMPLE_RATE_HZ, settings.hotwords)
    watcher = Watcher(progress.show, lambda text: print(text, flush=True))
    if not settings.quiet:
        progress.tell("listening; Ctrl-C ends it")
    try:
        source = Source(about, lambda: microphone.listen(stop))
        found = await transcribe(source, settings, watcher, progress.tell)
        if found.problem is not None:
            raise NoAnswerError(found.problem)
    except (inputs.UnreadableError, NoAnswerError) as error:
        return _fail(SOME_FAILED, f"microphone: {error}")
    return OK


def _fail(status: int, reason: str) -> int:
    print(f"asr-client: {reason}", file=sys.stderr)
    return status
