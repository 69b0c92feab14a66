"""Hostile talk against the session: nothing is found, and what is broken would be."""

import json

import pytest

from asr_server.speech import effects, messages
from asr_server.speech.live import LiveInput
from asr_server.speech.outbox import Outbox
from asr_server.speech.session import Session
from benchmarks.fuzz.__main__ import run_sessions
from benchmarks.fuzz.conversation import Conversation
from benchmarks.fuzz.grammar import Speaker


def test_thousands_of_hostile_messages_break_no_rule():
    totals, findings = run_sessions("test", 0, 8000)
    assert findings == []
    assert totals["messages"] >= 8000
    for kind in ("malformed", "errors", "replies", "acknowledgements", "disconnect"):
        assert totals[kind] > 0, f"no {kind} in this talk: it tries too little"


def test_the_same_seed_says_the_same_and_another_does_not():
    assert Speaker("1-2").talk() == Speaker("1-2").talk() != Speaker("1-3").talk()


def test_talk_has_every_mode_and_every_kind_of_message():
    said = [message for number in range(300) for message in Speaker(f"test-{number}").talk()]
    texts = [message for message in said if isinstance(message, str)]
    for wanted in ("2pass", "online", "offline", "mp3", "is_end", "\x00", "[5, 10, 5]"):
        assert any(wanted in text for text in texts)
    audio = [message for message in said if isinstance(message, bytes)]
    assert {len(piece) for piece in audio} >= {0, 1, 3, 1920}
    assert any(piece.startswith(b"RIFF") for piece in audio)


def broken(monkeypatch, owner, name, wrong):
    """Let a method of the session's parts give back something wrong."""
    right = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given, **named: wrong(right(*given, **named)))


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        (Outbox, "flush", lambda replies: replies[1:]),
        (Outbox, "flush", lambda replies: replies * 2),
        (Outbox, "flush", lambda replies: replies[::-1]),
        (LiveInput, "end", lambda _: []),
        (Session, "receive_audio", lambda due: [*due, effects.Reply("{}")]),
        (messages, "render_error", lambda message: message.replace('"wav_name"', '"name"')),
        (messages, "render_acknowledgement", lambda message: message.replace("is_end", "end")),
        (Session, "end_input", lambda due: 1 / 0),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(monkeypatch, owner, name, wrong):
    broken(monkeypatch, owner, name, wrong)
    assert run_sessions("test", 0, 4000)[1]


def test_a_finding_names_the_session_that_shows_it_again(monkeypatch, capsys):
    broken(monkeypatch, messages, "render_error", lambda _: json.dumps({"mode": "offline"}))
    number = run_sessions("test", 0, 4000)[1][0]["session"]
    with pytest.raises(AssertionError, match="a message without"):
        Conversation(f"test-{number}").run()
    assert f"FINDING in session {number}" in capsys.readouterr().out
