"""When words were said, as fields of FunASR's messages. Pure.

Source: FunASR runtime/onnxruntime/src/util.cpp and runtime/html5/static/main.js (v1.4.3).
"""

import re
from typing import Any

import msgspec

from asr_server.speech import sentences
from asr_server.speech.words import Words

MAX_STAMPS = 15_000  # about 60 bytes each: stock clients refuse messages of over 1 MiB
_PAGE_CUT = re.compile(r"[。？，、?. ,]")


def render(text: str, words: Words) -> dict[str, Any]:
    """Return `timestamp`, JSON in a string, and `stamp_sents`; nothing where times are not known.

    `timestamp` is left out where FunASR's HTML5 page would fail on it and show no text.
    """
    if not words.stamps or len(words.stamps) > MAX_STAMPS:
        return {}
    fields: dict[str, Any] = {
        "stamp_sents": [
            {
                "text_seg": " ".join(sentence.tokens),
                "punc": sentence.mark,
                "start": sentence.stamps[0][0],
                "end": sentence.stamps[-1][1],
                "ts_list": sentence.stamps,
            }
            for sentence in sentences.split(text, words)
        ]
    }
    if _page_can_read(text, len(words.stamps)):
        fields["timestamp"] = msgspec.json.encode(words.stamps).decode()
    return fields


def _page_can_read(text: str, stamps: int) -> bool:
    """Count as the page does: one stamp for a word of letters alone, else one for a character."""
    place = 0
    for piece in filter(None, _PAGE_CUT.split(text)):
        if place >= stamps:
            return False
        place += 1 if piece.isascii() and piece.isalpha() else len(piece)
    return True
