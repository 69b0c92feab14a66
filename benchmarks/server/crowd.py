"""Live sessions and files at once, and an account of every answer: the load for faults."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass
from typing import Any

from benchmarks.server.benching import Load, bench, count_harm
from benchmarks.server.sending import Sent, send_talks
from benchmarks.server.talks import Talk, find_cer

MOST_CER = 0.05  # of a file whose words are right


@dataclass(frozen=True, slots=True)
class Account:
    """What became of everything that was said and sent."""

    trial: dict[str, Any]
    files: int
    files_harmed: int
    """Without an answer, with two, or with other words."""
    files_failed: int
    """With one answer: an error."""

    @property
    def lost_or_doubled(self) -> int:
        """Finals lost, doubled or mixed up, sessions cut, and files harmed."""
        return count_harm(self.trial) + self.files_harmed

    @property
    def harmed(self) -> int:
        """Those, and files that failed."""
        return self.lost_or_doubled + self.files_failed

    @property
    def worst(self) -> str:
        """The longest that a live final took."""
        return "never" if self.trial["worst_s"] is None else f"{self.trial['worst_s']:.1f} s"

    @property
    def said(self) -> str:
        """What the count is of."""
        account = self.trial["account"]
        told = (
            f"{account['sent']} live utterances, CER {account['cer']:.1%}, and {self.files} files"
        )
        bad = {"harmed": self.files_harmed, "answered with an error": self.files_failed}
        return ", ".join(
            [told, *(f"of which {count} {how}" for how, count in bad.items() if count)]
        )


class Crowd:
    """A load under way."""

    def __init__(self, load: Load, files: "futures.Future[list[Sent]]", talks: Sequence[Talk]):
        self._load = load
        self._files = files
        self._talks = talks
        self.enough = threading.Event()

    def finish(self) -> Account:
        """Send no more files, and wait for everything. Raises what sending raised."""
        self.enough.set()
        sent = self._files.result()
        trial = self._load.finish()["trials"][0]
        failed = sum(_has_failed(talk, each) for each in sent for talk in self._talks)
        wrong = sum(_is_wrong(talk, each) for each in sent for talk in self._talks)
        return Account(
            trial,
            files=len(self._talks) * len(sent),
            files_harmed=wrong - failed,
            files_failed=failed,
        )


@contextlib.contextmanager
def crowd(
    url: str, talks: Sequence[Talk], *, sessions: int, duration_s: int, wait_s: int = 120
) -> Iterator[Crowd]:
    """Let sessions speak beside the block, and files come again and again until `finish`."""
    flags = (f"--sessions={sessions}", f"--duration={duration_s}", "--max-cer=1")
    with (
        bench(url, *flags, f"--timeout={wait_s}") as load,
        futures.ThreadPoolExecutor(1, "files") as pool,
    ):
        found: futures.Future[list[Sent]] = futures.Future()
        under_way = Crowd(load, found, talks)
        pool.submit(_send_until, under_way.enough, url, talks, found)
        try:
            yield under_way
        finally:
            under_way.enough.set()


def _send_until(
    enough: threading.Event, url: str, talks: Sequence[Talk], found: "futures.Future[list[Sent]]"
) -> None:
    sent = []
    try:
        while not enough.is_set():
            sent.append(send_talks(url, talks, len(talks), to_the_end=True))
    except Exception as error:  # noqa: BLE001  # it is raised where it is waited for
        found.set_exception(error)
    else:
        found.set_result(sent)


def _has_failed(talk: Talk, sent: Sent) -> bool:
    return sent.answers[talk.name] == 1 and talk.name in sent.errors


def _is_wrong(talk: Talk, sent: Sent) -> bool:
    return sent.answers[talk.name] != 1 or find_cer([talk], sent.heard) > MOST_CER
