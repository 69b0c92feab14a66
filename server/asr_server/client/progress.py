"""What the user sees while it goes on: a line per file, and on a terminal what is being heard."""

import sys
from typing import TextIO


class Progress:
    """Counts inputs and tells. Everything goes to standard error."""

    def __init__(self, total: int, *, quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total, self._done = total, 0
        self._quiet = quiet
        self._changes = self._stream.isatty() and not quiet
        self._shown = 0

    def tell(self, line: str) -> None:
        """Tell something that matters, quiet or not."""
        self._clear()
        print(line, file=self._stream, flush=True)

    def finish(self, name: str, said: str, *, matters: bool = False) -> None:
        """An input is done, well or not."""
        self._done += 1
        if matters or not self._quiet:
            self.tell(f"[{self._done}/{self._total}] {name}: {said}")

    def show(self, text: str) -> None:
        """Show what is being heard, until something else is shown."""
        if self._changes:
            self._clear()
            line = text[-60:]
            self._shown = len(line)
            print(line, end="", file=self._stream, flush=True)

    def _clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=self._stream)
            self._shown = 0
