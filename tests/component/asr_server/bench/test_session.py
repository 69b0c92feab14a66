"""Sessions of the load against a scripted server with real sockets, whose faults must be found."""

import asyncio
import http
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.server import ServerConnection, serve

from asr_server.bench import arrivals, ledger, session, speech
from asr_server.client.arguments import ServerAddress

AUDIO_BYTES = speech.BYTES_PER_S // 10

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(session, "CHUNK_BYTES", AUDIO_BYTES // 10)


@dataclass
class Scripted:
    """A server that acts on or `during` the n-th utterance (from 0) as the script says."""

    script: dict[int | str, Callable] = field(default_factory=dict)
    refusals: int = 0
    texts: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, int]] = field(default_factory=list)

    async def handle(self, socket: ServerConnection) -> None:
        audio_bytes, name = 0, ""
        async for message in socket:
            if isinstance(message, bytes):
                audio_bytes += len(message)
                if act := self.script.pop(f"during {len(self.heard)}", None):
                    await act(socket, name)
                continue
            fields = json.loads(message)
            name = fields.get("wav_name", name)
            if not fields["is_speaking"]:
                number = len(self.heard)
                self.heard.append((name, audio_bytes))
                audio_bytes = 0
                await self.script.pop(number, self.answer)(socket, name)

    async def answer(self, socket: ServerConnection, name: str, text: str | None = None) -> None:
        answer = {"mode": "offline", "wav_name": name, "is_final": True}
        text = self.texts[name] if text is None else text
        await socket.send(json.dumps(answer | {"text": text}))

    def admit(self, socket, _request):
        if self.refusals:
            self.refusals -= 1
            return socket.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "full\n")
        return None


def say(*texts):
    silence = bytes(AUDIO_BYTES)
    phrases = [(speech.Phrase(text, silence),) for text in texts]
    turns = [
        arrivals.Turn(0.0, speech.Utterance(f"{text}-id", text, phrase))
        for text, phrase in zip(texts, phrases, strict=True)
    ]
    return arrivals.SessionPlan(0.0, tuple(turns))


async def speak(server, *texts, mode="offline"):
    """Let one session say the texts; return what the ledger has of it."""
    server.texts = {f"{text}-id": text for text in texts}
    async with serve(server.handle, "127.0.0.1", 0, process_request=server.admit) as listening:
        port = listening.sockets[0].getsockname()[1]
        book = ledger.Ledger()
        clock = asyncio.get_running_loop().time
        at = ServerAddress(f"ws://127.0.0.1:{port}")
        around = session.Surroundings(at, book, clock, lambda _late_s: None, mode)
        await session.Session(say(*texts), around).run()
    return book


async def test_all_that_is_said_arrives_once_and_in_order():
    server = Scripted()
    account = (await speak(server, "a", "b", "c")).settle()
    assert account.is_whole
    assert (account.sent, account.received, account.sessions) == (3, 3, 1)
    assert server.heard == [(f"{text}-id", AUDIO_BYTES) for text in "abc"]


async def test_a_client_that_is_refused_knocks_again(monkeypatch):
    monkeypatch.setattr(session, "RETRY_S", 0.0)
    book = await speak(Scripted(refusals=2), "a")
    assert book.settle().is_whole
    assert book.events["turned_away"] == 2


async def test_a_client_that_is_refused_for_too_long_gives_up(monkeypatch):
    monkeypatch.setattr(session, "RETRY_S", 0.0)
    monkeypatch.setattr(session, "PATIENCE_S", 0.0)
    account = (await speak(Scripted(refusals=99), "a")).settle()
    assert (account.given_up, account.sent, account.is_whole) == (1, 0, False)


async def test_a_session_that_is_moved_between_utterances_goes_on_elsewhere():
    server = Scripted()

    async def answer_and_move(socket, name):
        await server.answer(socket, name)
        await socket.close(1012)

    server.script[0] = answer_and_move
    account = (await speak(server, "a", "b", "c")).settle()
    assert account.is_whole
    assert (account.received, account.moved) == (3, 1)


async def test_what_had_been_begun_before_a_move_is_said_again():
    server = Scripted()

    async def move(socket, _name):
        await socket.close(1012)

    server.script["during 1"] = move
    account = (await speak(server, "a", "b", "c")).settle()
    assert account.is_whole
    assert (account.received, account.moved, account.said_again) == (3, 1, 1)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013])
async def test_any_other_close_is_a_cut_stream(code):
    server = Scripted()

    async def cut(socket, _name):
        await socket.close(code)

    server.script["during 1"] = cut
    account = (await speak(server, "a", "b")).settle()
    assert (account.cut, account.moved, account.is_whole) == (1, 0, False)


async def test_a_move_that_leaves_an_answer_owed_is_a_cut_and_a_loss():
    server = Scripted()

    async def move_unanswered(socket, _name):
        await socket.close(1012)

    server.script[1] = move_unanswered
    account = (await speak(server, "a", "b")).settle()
    assert (account.cut, account.lost, account.moved) == (1, 1, 0)


async def test_an_answer_that_never_comes_is_lost(monkeypatch):
    monkeypatch.setattr(session, "ANSWER_WITHIN_S", 0.5)
    server = Scripted()

    async def keep_silent(_socket, _name):
        pass

    server.script[1] = keep_silent
    account = (await speak(server, "a", "b", "c")).settle()
    assert (account.sent, account.received, account.lost) == (3, 2, 1)


async def test_an_answer_that_comes_twice_is_found():
    server = Scripted()

    async def answer_twice(socket, name):
        await server.answer(socket, name)
        await server.answer(socket, name)

    server.script[0] = answer_twice
    assert (await speak(server, "a", "b")).settle().doubled == 1


@pytest.mark.parametrize("nonsense", ["<html>", "[]", b"\xff\x00"])
async def test_a_message_that_makes_no_sense_is_found_and_the_rest_goes_on(nonsense):
    server = Scripted()

    async def babble(socket, name):
        await socket.send(nonsense)
        await server.answer(socket, name)

    server.script[0] = babble
    account = (await speak(server, "a", "b")).settle()
    assert (account.sent, account.lost, account.doubled) == (2, 0, 1)


async def test_words_of_another_utterance_are_found():
    server = Scripted()

    async def answer_with_other_words(socket, name):
        await server.answer(socket, name, text="a")

    server.script[1] = answer_with_other_words
    assert (await speak(server, "a", "b")).settle().mixed_up == 1


async def test_the_words_of_a_live_input_are_spread_over_several_messages():
    server = Scripted()

    async def answer_in_parts(socket, name):
        for text, final in (("一", False), ("二", False), ("", True)):
            answer = {"mode": "online", "wav_name": name, "is_final": final, "text": text}
            await socket.send(json.dumps(answer))

    server.script[0] = answer_in_parts
    book = await speak(server, "一二", mode="online")
    assert book.settle().is_whole
    assert book.settle().misheard == 0


async def test_a_server_that_never_says_that_a_file_is_final_is_understood():
    server = Scripted()

    async def answer_without_end(socket, name):
        answer = {"mode": "offline", "wav_name": name, "is_final": False, "text": "a"}
        await socket.send(json.dumps(answer))

    server.script[0] = answer_without_end
    assert (await speak(server, "a")).settle().is_whole
