"""The real process with SenseVoice-Small in place of Paraformer; its weights are random."""

import shutil

import pytest

from asr_server.engine import startup
from asr_server.link import messages
from asr_server.models import loading, tokens
from tests.component.asr_server.engine.conftest import EngineProcess
from tests.component.asr_server.models import sense_voice_folder


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    made = shutil.copytree(loading.demo_directory(), tmp_path_factory.mktemp("models") / "sense")
    (made / "manifest.json").unlink()
    shutil.rmtree(made / "asr")
    sense_voice_folder.write_folder(made / "asr")
    return made


@pytest.fixture(scope="module")
def engine(directory):
    started = EngineProcess(model=directory)
    assert isinstance(started.receive(), messages.Loaded)
    yield started
    started.close()


@pytest.mark.slow
def test_recordings_and_streams_have_its_text_and_no_marks_of_another_model(
    engine, directory, utterances
):
    audio = [utterance.audio for utterance in utterances[:6]]
    answers = engine.answer(*map(engine.put, audio))
    heard = engine.listen(*audio, mode="2pass")
    choice = startup.ModelChoice(str(directory), "cpu", "float32", threads=1)
    models, _ = startup.start(choice, messages.BatchLimits(4, 8.0, 5.0))
    for samples, answer, stream in zip(audio, answers, heard, strict=True):
        (span,) = models.vad.detect([samples])[0]
        (said,) = models.recognizer.recognize([samples[span.start_ms * 16 : span.end_ms * 16]])
        assert answer.text == stream.text("2pass") == tokens.join(said.tokens) != ""
