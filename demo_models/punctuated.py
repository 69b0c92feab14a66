"""Punctuated texts of the grammar: what the punctuation model learns, and is tested with."""

import random
from dataclasses import dataclass

from asr_server.models import punctuation
from demo_models import configs, grammar

NONE, COMMA, STOP, QUESTION = (configs.MARKS.index(mark) for mark in ("_", "，", "。", "？"))
_OPENINGS = {  # these take a comma
    "好的没问题",
    "不用了谢谢",
    "请您稍等一下",
    "谢谢您的来电",
    "我回来了",
    "我出门了",
    "hello",
    "yes please",
    "no thank you",
    "good morning",
}
_QUESTION_ENDS = (
    *("么样", "吗", "多少钱", "怎么办", "优惠活动", "星期几", "几点了", "帮您", "什么时候到"),
    "what time is it",
)
_DIGITS = {*grammar.DIGITS, *grammar.ENGLISH_DIGITS}
_MAKERS = (grammar.draw_mandarin, grammar.draw_english, grammar.draw_mixed)
_SHARES = (65, 25, 10)


@dataclass(frozen=True, slots=True)
class Marked:
    """Tokens and the number of the mark after each."""

    tokens: list[str]
    marks: list[int]

    def render(self) -> str:
        """Return the text as the server writes it."""
        return punctuation.render(self.tokens, [configs.MARKS[mark] for mark in self.marks])


def draw_marked(draw: random.Random, *, held_out: bool) -> Marked:
    """Return one to five sentences, mostly of one language.

    No number follows another: nothing would say where the second begins.
    """
    make = draw.choices(_MAKERS, _SHARES)[0]
    count = draw.randint(1, 5)
    phrases: list[list[str]] = []
    while len(phrases) < count:
        maker = make if draw.random() < 0.9 else draw.choice(_MAKERS)
        kind, script = maker(draw, held_out=held_out)
        words = grammar.split_tokens(script)
        follows_number = phrases and phrases[-1][-1] in _DIGITS and words[0] in _DIGITS
        if "pair" not in kind and not follows_number:
            phrases.append(words)
    tokens: list[str] = []
    marks: list[int] = []
    for position, words in enumerate(phrases):
        tokens += words
        mark = _mark(grammar.join_tokens(words), is_last=position == count - 1)
        marks += [NONE] * (len(words) - 1) + [mark]
    return Marked(tokens, marks)


def _mark(phrase: str, *, is_last: bool) -> int:
    if phrase.endswith(_QUESTION_ENDS):
        return QUESTION
    return COMMA if phrase in _OPENINGS and not is_last else STOP
