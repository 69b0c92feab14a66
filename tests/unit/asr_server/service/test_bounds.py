"""When the server closes a connection."""

from dataclasses import replace

import pytest

from asr_server.service.bounds import (
    RESTART,
    AudioBudget,
    Bounds,
    ConnectionView,
    decide_close,
)

BOUNDS = Bounds(idle_s=300.0, first_message_s=30.0, unread_s=60.0)
QUIET = ConnectionView(
    opened_at=0.0, heard_at=0.0, blocked_since=None, in_input=False, has_audio=False, owed=False
)


def change(**fields):
    return replace(QUIET, **fields)


@pytest.mark.parametrize(
    ("view", "now", "code"),
    [
        (QUIET, 300.0, None),
        (QUIET, 300.1, 1008),
        (change(heard_at=None), 30.0, None),
        (change(heard_at=None), 30.1, 1008),
        (change(heard_at=29.0), 31.0, None),
        (change(in_input=True, has_audio=True), 300.1, 1008),
        (change(owed=True), 4000.0, None),
        (change(owed=True, blocked_since=10.0), 70.0, None),
        (change(owed=True, blocked_since=10.0), 70.1, 1013),
    ],
)
def test_while_serving_only_silence_and_unread_replies_close(view, now, code):
    close = decide_close(view, BOUNDS, now, draining=False)
    assert (close and close.code) == code


@pytest.mark.parametrize(
    ("view", "now", "close"),
    [
        (QUIET, 0.0, RESTART),
        (change(heard_at=None), 0.0, RESTART),
        (change(owed=True), 4000.0, None),
        (change(in_input=True), 2.1, RESTART),
        (change(in_input=True), 1.9, None),
        (change(in_input=True, has_audio=True), 500.0, None),
        (change(in_input=True, has_audio=True, silence_s=9.9), 0.0, None),
        (change(in_input=True, has_audio=True, silence_s=10.0), 0.0, RESTART),
    ],
)
def test_while_draining_a_session_goes_as_soon_as_nothing_is_owed_to_it(view, now, close):
    assert decide_close(view, BOUNDS, now, draining=True) == close


@pytest.mark.parametrize(
    ("view", "speaking"),
    [
        (QUIET, False),
        (change(in_input=True), False),
        (change(in_input=True, has_audio=True), True),
        (change(in_input=True, has_audio=True, silence_s=10.0), False),
    ],
)
def test_who_is_silent_for_long_does_not_speak(view, speaking):
    assert view.speaking == speaking


@pytest.mark.parametrize(
    ("held", "own", "refused"),
    [
        (160, 10, False),
        (161, 10, True),
        (161, 1, True),
        (150, 11, False),
        (150, 150, False),
        (151, 11, True),
        (151, 10, False),
    ],
)
def test_the_last_of_the_audio_buffer_is_for_those_who_hold_little(held, own, refused):
    budget = AudioBudget(160)
    budget.held_samples = held
    assert budget.refuses(own) == refused
    assert budget.used_ratio() == held / 160
