"""What other people's clients send, frame by frame, and that each gets what it needs.

All recordings in tests/data/traffic are replayed at once, at the pace of the clients that they came
from (`make peers RECORD=1` records them), against a real server.
"""

import asyncio
import re

import pytest
from websockets.exceptions import InvalidStatus

from traffic.recording import TRAFFIC, read, speech_bytes
from traffic.replay import is_end, replay
from traffic.server import serving

RECORDINGS = {path.stem: read(path) for path in sorted(TRAFFIC.glob("*.jsonl"))}
TYPES = {"str": str, "bool": bool}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def heard(tmp_path_factory, utterances):
    """What each client has when it stops, or why it never would."""
    samples = {each.name: each.audio.tobytes() for each in utterances}

    async def replay_all(port):
        replays = (
            replay(each, speech_bytes(each.speech, samples), f"ws://127.0.0.1:{port}")
            for each in RECORDINGS.values()
        )
        return await asyncio.gather(*replays, return_exceptions=True)

    # where nobody is refused for lateness: 42 at once are much for a machine with other work
    with serving(tmp_path_factory.mktemp("server"), "--shed-late-ms=0") as port:
        results = asyncio.run(replay_all(port))
    return dict(zip(RECORDINGS, results, strict=True))


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_client_gets_the_words_and_stops(name, heard, utterances, cer):
    recording, result = RECORDINGS[name], heard[name]
    if isinstance(result, InvalidStatus):
        result.add_note(f"The server says: {result.response.body.decode()}")
    if isinstance(result, BaseException):
        raise result
    texts = {each.name: each.text for each in utterances}
    said = "".join(texts[each] for each in recording.speech.utterances)
    assert cer([(said, re.sub(r"\W", "", result.words))]) <= 0.1, f"{said}: {result.messages}"
    assert result.subprotocol == recording.headers.get("Sec-WebSocket-Protocol")
    finals = [each for each in result.messages if each["is_final"] and not each.get("is_end")]
    assert 1 <= len(finals) <= sum(map(is_end, recording.frames))
    for message in result.messages:
        assert_fields(message, recording.client.needs)


def test_clients_that_speak_get_words_meanwhile(heard):
    speaking = [n for n, r in RECORDINGS.items() if r.client.mode != "offline" and spoken_s(r) > 4]
    assert len(speaking) > 10
    assert any(heard[name].partials for name in speaking)


def spoken_s(recording):
    times = [frame.at_s for frame in recording.frames if frame.audio]
    return times[-1] - times[0]


def assert_fields(message, needs):
    """Assert that no field is missing or of a type at which this client would fail."""
    for name, wanted in needs.items():
        kind, *absent = wanted.split(" or ")
        assert (name in message) or absent, message
        assert isinstance(message.get(name, TYPES[kind]()), TYPES[kind]), message
