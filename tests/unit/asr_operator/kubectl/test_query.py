"""What kubectl says when it cannot answer, and what users are told."""

import subprocess

import pytest

from asr_operator.kubectl import query

REFUSED = "The server 10.0.0.1:6443 was refused - did you specify the right host or port?"
LOGGED = 'E1126 09:08:49.397542   10364 memcache.go:265] "Unhandled Error" err="refused"'
TIMED_OUT = "Unable to connect to the server: net/http: request canceled (Client.Timeout exceeded)"
LOGGED_OUT = "error: You must be logged in to the server (the server has asked for credentials)"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f"{LOGGED}\n{LOGGED}\n{REFUSED}", f"{query.NO_SERVER}\n{REFUSED}"),
        (TIMED_OUT, f"{query.NO_SERVER}\n{TIMED_OUT}"),
        (LOGGED_OUT, f"{query.NOT_SIGNED_IN}\n{LOGGED_OUT}"),
        (LOGGED, LOGGED),
        ("error: what nobody foresaw", "error: what nobody foresaw"),
        ("", "kubectl failed, and did not say why."),
    ],
)
def test_a_refusal_is_told_with_what_to_do_and_without_logs(said, told):
    assert query.explain_refusal(said) == told


@pytest.mark.parametrize(
    "answer", ["", "no JSON", "[]", "null", '{"items": null}', '{"items": [{}]}', '{"kind": "Pod"}']
)
def test_what_is_no_answer_is_told(monkeypatch, answer):
    done = subprocess.CompletedProcess([], 0, stdout=answer, stderr="")
    monkeypatch.setattr(query.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(query.QueryError, match="What kubectl wrote is no AsrService"):
        query.read_services(["demo"])
