"""What clients say of their speech reaches the recogniser, a row each."""

import pytest

from asr_server.speech.hints import NO_HINTS, Hints

ENGLISH, BIASED = Hints("en", itn=False), Hints(hotwords=("打开",))


def listen(front, **options):
    """Return what a caller says from the first to the last."""
    caller = front.call(**options)
    return [caller.opening, caller.say((1, 1.0)), caller.end]


def test_rows_of_one_batch_have_hints_of_their_own(front):
    requests = [front.speak((1, 1.0), hints=hints) for hints in (ENGLISH, BIASED, NO_HINTS)]
    front.run(*requests, *listen(front, mode="2pass", hints=BIASED))
    assert ("asr", 3) in front.models.batches
    assert sorted(front.models.hints, key=repr) == sorted(
        [ENGLISH, BIASED, NO_HINTS, BIASED], key=repr
    )


def test_every_segment_of_an_utterance_has_the_hints(front):
    front.run(front.speak((1, 1.0), (2, 1.0), hints=ENGLISH))
    assert front.models.hints == [ENGLISH, ENGLISH]


@pytest.mark.parametrize("kind", ["an utterance", "a stream"])
def test_a_model_without_hotwords_says_so_once(front, caplog, kind):
    caplog.set_level("INFO")
    for _ in range(2):
        if kind == "a stream":
            front.run(*listen(front, hints=BIASED))
        else:
            front.run(front.speak((1, 1.0), hints=BIASED))
    assert caplog.messages == ["hotwords have no effect: the model is no SeACo-Paraformer"]


def test_nothing_is_said_where_hotwords_have_an_effect_or_are_none(front, make_front, caplog):
    caplog.set_level("INFO")
    front.run(front.speak((1, 1.0), hints=ENGLISH))
    front = make_front(takes_hotwords=True)
    front.run(front.speak((1, 1.0), hints=BIASED))
    assert caplog.messages == []
