"""The whole server with models that take hints: with random weights these change many words."""

import asyncio
import json
import shutil

import pytest
import websockets

from asr_server.models import loading
from asr_server.speech.hints import Hints
from tests.component.asr_server.models import seaco_folder, sense_voice_folder

WORDS = ("打开", "客厅", "hello")
SEACO = {
    "plain": ({}, Hints()),
    "hotwords": ({"hotwords": json.dumps(dict.fromkeys(WORDS, 20))}, Hints(hotwords=WORDS)),
}
SENSE = {
    "plain": ({}, Hints()),
    "language": ({"svs_lang": "en"}, Hints("en")),
    "no itn": ({"itn": False}, Hints(itn=False)),
    "no svs_itn": ({"svs_lang": "ko", "svs_itn": False}, Hints("ko", itn=False)),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def serve(tmp_path_factory, new_server):
    """Start a server whose `asr` is what a function writes; return it and its models."""
    servers = []

    def start(write_folder):
        folder = tmp_path_factory.mktemp("hints")
        models = shutil.copytree(loading.demo_directory(), folder / "models")
        (models / "manifest.json").unlink()
        shutil.rmtree(models / "asr")
        write_folder(models / "asr")
        servers.append(new_server(folder, f"--model={models}").wait_listening().wait_ready())
        return servers[-1], loading.load_models(models, device="cpu", dtype="float32")

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def biased(serve):
    return serve(seaco_folder.write_folder)


async def final(server, audio, mode, said):
    """Return the text of the final of one input, which has one segment."""
    async with websockets.connect(server.url) as client, asyncio.timeout(60):
        await client.send(json.dumps({"mode": mode, **said}))
        await client.send(audio.tobytes())
        await client.send(json.dumps({"is_speaking": False}))
        while not (message := json.loads(await client.recv()))["is_final"]:
            assert "error" not in message
        return message["text"]


def expected(models, audio, hints):
    """Do what the engine does."""
    (span,) = models.vad.detect([audio])[0]
    (words,) = models.recognizer.recognize([audio[span.start_ms * 16 : span.end_ms * 16]], [hints])
    if models.punctuation is None:
        return "".join(words.tokens)
    return models.punctuation.punctuate([words.tokens])[0]


async def texts(server, audio, cases):
    """Return the finals of sessions at the same time, by mode and case."""
    asked = {(mode, name): said for mode in ("offline", "2pass") for name, said in cases.items()}
    found = await asyncio.gather(
        *(final(server, audio, mode, said) for (mode, _), said in asked.items())
    )
    return {key: text.replace(" ", "") for key, text in zip(asked, found, strict=True)}


@pytest.mark.parametrize(("write", "cases"), [("seaco", SEACO), ("sense", SENSE)])
async def test_every_session_has_the_words_of_its_own_hints(
    serve, biased, utterances, write, cases
):
    server, models = biased if write == "seaco" else serve(sense_voice_folder.write_folder)
    audio = utterances[0].audio
    found = await texts(server, audio, {name: said for name, (said, _) in cases.items()})
    for name, (_, hints) in cases.items():
        wanted = expected(models, audio, hints).replace(" ", "")
        assert found["offline", name] == found["2pass", name] == wanted
    assert len(set(found.values())) == len(cases)


async def test_hotwords_of_the_service_are_in_force_without_a_restart(biased, utterances):
    server, models = biased
    server.config.write_text(json.dumps({"generation": 5, "hotwords": WORDS}))
    server.wait(lambda: server.metric("asr_config_generation") == 5, "generation 5")
    hints = Hints(hotwords=WORDS)
    audio, wanted = next(
        (utterance.audio, with_words)
        for utterance in utterances
        if (with_words := expected(models, utterance.audio, hints))
        != expected(models, utterance.audio, Hints())
    )
    found = await texts(server, audio, {"plain": {}})
    assert set(found.values()) == {wanted.replace(" ", "")}
    assert WORDS[2] not in server.log.read_text(), "hotwords are in the log"
