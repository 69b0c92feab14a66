"""A punctuated text cut at its marks, with the times of its words. Pure."""

from dataclasses import dataclass

from asr_server.speech.words import Stamp, Words


@dataclass(frozen=True, slots=True)
class Sentence:
    """The tokens up to a mark, as the text has them, and when each was said; one at least."""

    tokens: tuple[str, ...]
    mark: str
    stamps: tuple[Stamp, ...]


def split(text: str, words: Words) -> list[Sentence]:
    """Cut a text behind every mark that follows one of its words.

    What lies between two tokens is a mark, but for spaces. Capitals may differ. Where a token is
    not in the text, all is one sentence.
    """
    places = _find(text, words.tokens)
    if len(places) < len(words.tokens):
        return [Sentence(words.tokens, "", words.stamps)]
    sentences, first = [], 0
    for last, (_, end) in enumerate(places):
        following = places[last + 1][0] if last + 1 < len(places) else len(text)
        mark = text[end:following].strip()
        if mark or last + 1 == len(places):
            tokens = tuple(text[a:b] for a, b in places[first : last + 1])
            sentences.append(Sentence(tokens, mark, words.stamps[first : last + 1]))
            first = last + 1
    return sentences


def _find(text: str, tokens: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return where each token is in the text, as far as they are found."""
    folded = text.lower()
    if len(folded) != len(text):
        folded = text
    end, places = 0, []
    for token in tokens:
        start = folded.find(token.lower(), end)
        if start < 0:
            break
        end = start + len(token)
        places.append((start, end))
    return places
