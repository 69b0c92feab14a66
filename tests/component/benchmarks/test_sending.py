"""Files are accounted for: each answer up to the acknowledgement, none, or the end of all."""

import contextlib
import json
import threading

import pytest
from websockets.sync.server import serve

from benchmarks.server import sending
from benchmarks.server.talks import make_talks

ACKNOWLEDGEMENT = {"is_end": True, "is_final": True}


def final(text, **more):
    return {"mode": "offline", "text": text, "is_final": True, **more}


@contextlib.contextmanager
def server(*replies, closes=False):
    """Answer the end of each input with these messages."""

    def talk(socket):
        for message in socket:
            told = json.loads(message) if isinstance(message, str) else {}
            if told.get("is_speaking") is False:
                for reply in replies:
                    if "is_end" in told or reply is not ACKNOWLEDGEMENT:
                        socket.send(json.dumps(reply))
                if closes:
                    return

    with serve(talk, "127.0.0.1", 0, subprotocols=["binary"]) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("replies", "closes", "answers", "heard", "error"),
    [
        ([final("one"), ACKNOWLEDGEMENT], False, 1, "one", None),
        ([final("one"), final("one"), ACKNOWLEDGEMENT], False, 2, "one", None),
        ([{"error": "bad"}, final("", error="bad"), ACKNOWLEDGEMENT], False, 1, "", "bad"),
        ([ACKNOWLEDGEMENT], False, 0, "", "no answer"),
        ([], False, 0, "", "no answer"),
        ([], True, 0, "", "no answer"),
        ([final("one")], False, 1, "one", None),
    ],
)
def test_answers_to_a_file_are_counted_to_the_end(
    replies, closes, answers, heard, error, monkeypatch
):
    monkeypatch.setattr(sending, "ANSWER_S", 0.3)
    (talk,) = make_talks(1, 1.0)
    with server(*replies, closes=closes) as url:
        sent = sending.send_talks(url, [talk], 1, to_the_end=True)
    assert sent.answers == {talk.name: answers}
    assert sent.heard == {talk.name: heard}
    assert sent.errors == ({talk.name: error} if error else {})


def test_who_only_wants_words_waits_for_no_acknowledgement():
    (talk,) = make_talks(1, 1.0)
    with server(final("one")) as url:  # as FunASR's own server, which sends none
        sent = sending.send_talks(url, [talk], 1)
    assert sent.heard == {talk.name: "one"}
