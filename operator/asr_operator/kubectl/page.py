"""How text is laid out on a terminal: labels on the left, sentences wrapped beside them. Pure."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

INDENT = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """A label and the sentences beside it."""

    label: str
    text: str


def render_page(title: str, entries: Iterable[Entry], width: int) -> str:
    """Return a title and its entries, no line longer than `width` unless a word is."""
    listed = tuple(entries)
    column = INDENT + max((len(entry.label) for entry in listed), default=0) + 2
    lines = _wrap(title, width, "", " " * INDENT)
    for entry in listed:
        label = f"{'':{INDENT}}{entry.label:{column - INDENT}}"
        lines += _wrap(entry.text, width, label, " " * column)
    return "\n".join(lines)


def _wrap(text: str, width: int, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
