"""The real process with the demo models, over a real socket pair and a real arena."""

import signal

import numpy as np
import pytest

from asr_server.link import messages

LIMITS = messages.BatchLimits(batch_size=32, batch_audio_s=120.0, max_wait_ms=20.0)


def test_utterances_of_many_sessions_are_recognised_in_batches(engine, utterances, cer):
    spoken = utterances[:40]
    answers = engine.answer(*[engine.put(utterance.audio) for utterance in spoken])
    pairs = [(u.text, without_marks(a.text)) for u, a in zip(spoken, answers, strict=True)]
    assert cer(pairs) <= 0.05
    assert max(engine.batch_sizes("asr")) > 8


def test_the_answer_does_not_depend_on_the_company(engine, utterances, silence):
    spoken = [utterance.audio for utterance in utterances[:6]]
    alone = [engine.answer(engine.put(audio))[0] for audio in spoken]
    together = engine.answer(*map(engine.put, [silence, *spoken, silence]))
    assert [a.text for a in together] == ["", *[a.text for a in alone], ""]
    assert [a.segments for a in together[1:-1]] == [a.segments for a in alone]


@pytest.mark.parametrize("samples", [0, 1, 399, 16_000])
def test_silence_of_any_length_has_an_empty_text(engine, silence, samples):
    (answer,) = engine.answer(engine.put(silence[:samples]))
    assert (answer.text, answer.segments) == ("", ())


def test_segments_say_where_the_words_are(engine, utterances, silence):
    first, second = utterances[0].audio, utterances[1].audio
    (answer,) = engine.answer(engine.put(np.concatenate([first, silence, second])))
    assert len(answer.segments) == 2
    gap_ms = (len(first) // 16, (len(first) + len(silence)) // 16)
    assert answer.segments[0].end_ms <= gap_ms[0] + 500
    assert answer.segments[1].start_ms >= gap_ms[1] - 500
    assert all(segment.tokens for segment in answer.segments)


def test_a_new_configuration_holds_from_the_next_batch_on(engine, utterances):
    engine.batch_sizes("asr")
    limits = messages.BatchLimits(batch_size=2, batch_audio_s=120.0, max_wait_ms=20.0)
    engine.send(messages.Configure(limits))
    engine.answer(*[engine.put(utterances[0].audio) for _ in range(6)])
    assert max(engine.batch_sizes("asr")) <= 2
    engine.send(messages.Configure(LIMITS))
    engine.answer(*[engine.put(utterances[0].audio) for _ in range(6)])
    assert max(engine.batch_sizes("asr")) > 2


def test_a_request_for_audio_that_is_not_there_fails_alone(engine, utterances):
    good = engine.put(utterances[0].audio)
    bad = messages.Recognize(10_000, "file", engine.arena.samples, 16_000, 0.0, 0.0)
    engine.send(bad)
    (answer,) = engine.answer(good)
    assert isinstance(answer, messages.Recognized)


def test_an_idle_engine_says_that_its_process_runs(engine):
    while not isinstance(engine.receive_any(), messages.Alive):
        pass


def test_signals_for_the_whole_group_do_not_end_the_engine(engine, utterances):
    for number in (signal.SIGTERM, signal.SIGINT):
        engine.process.send_signal(number)
    (answer,) = engine.answer(engine.put(utterances[0].audio))
    assert isinstance(answer, messages.Recognized)


@pytest.mark.slow
def test_closing_the_channel_ends_the_engine_in_the_middle_of_its_work(ending_engine):
    long = np.random.default_rng(0).integers(-8000, 8000, 600 * 16_000, dtype=np.int16)
    ending_engine.send(ending_engine.put(long))
    assert ending_engine.close_channel() == 0


@pytest.mark.slow
def test_a_folder_without_models_is_a_failure_that_says_what_to_do(failing_engine):
    failed = failing_engine.receive()
    assert isinstance(failed, messages.LoadFailed)
    assert failed.reason.endswith("absent is not a directory; give one that holds asr and vad")
    assert failing_engine.receive() is None
    assert failing_engine.close_channel() == 1


def without_marks(text):
    return "".join(character for character in text if character not in "，。？、,.?")
