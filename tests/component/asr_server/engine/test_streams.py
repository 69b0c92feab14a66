"""Streams through the real process with the demo models."""

import numpy as np
import pytest

from asr_server.link import messages


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_streams_of_many_sessions_are_recognised_in_batches(engine, utterances, cer, mode):
    spoken = utterances[:60]
    engine.batch_sizes("vad")
    heard = engine.listen(*[with_silence(u.audio, 0.5, 1.0) for u in spoken], mode=mode)
    pairs = [(u.text, without_marks(h.text(mode))) for u, h in zip(spoken, heard, strict=True)]
    assert cer(pairs) <= 0.05
    ran = [report for report in engine.reports if isinstance(report, messages.BatchRan)]
    for stage in {"online": ("vad", "asr_online"), "2pass": ("vad", "asr", "punc")}[mode]:
        sizes = [report.size for report in ran if report.stage == stage]
        assert max(sizes) > 4, stage
    assert all(account(stream) for stream in heard)


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_words_do_not_depend_on_the_cutting_and_the_company(engine, utterances, mode):
    recordings = [
        np.concatenate([with_silence(u.audio, 0.3, 1.0) for u in utterances[n : n + 3]])
        for n in range(0, 12, 3)
    ]
    together = engine.listen(*recordings, mode=mode)
    for frame_samples in (160, 1280, 1 << 20):
        (alone,) = engine.listen(recordings[0], mode=mode, frame_samples=frame_samples)
        assert said(alone, mode) == said(together[0], mode)
    assert [len(stream.finals) for stream in together] == [3] * 4


@pytest.mark.parametrize("mode", ["online", "2pass"])
@pytest.mark.parametrize("samples", [0, 1, 399, 48_000])
def test_silence_of_any_length_is_settled_without_a_final(engine, silence, mode, samples):
    (heard,) = engine.listen(silence[:samples], mode=mode)
    assert heard.finals == []
    assert account(heard)


@pytest.mark.parametrize("mode", ["online", "2pass"])
def test_speech_up_to_the_last_sample_is_recognised(engine, utterances, cer, mode):
    heard = engine.listen(*[utterance.audio for utterance in utterances[:20]], mode=mode)
    pairs = [(u.text, without_marks(h.text(mode))) for u, h in zip(utterances, heard, strict=False)]
    assert cer(pairs) <= 0.05
    assert all(account(stream) for stream in heard)


def test_a_long_recording_has_the_words_of_its_utterances(engine, utterances, cer):
    spoken = utterances[:40]
    recording = np.concatenate([with_silence(u.audio, 0.5, 1.0) for u in spoken])
    (answer,) = engine.answer(engine.put(recording))
    assert len(recording) > 120 * 16_000
    text = "".join(utterance.text for utterance in spoken)
    assert cer([(text, without_marks(answer.text))]) <= 0.05


def test_a_stream_fails_alone(engine, utterances):
    engine.send(messages.OpenStream(99_999, "2pass", (0, 10, 5)))
    engine.send(messages.Feed(99_999, engine.arena.samples, 1, 0.0))
    while isinstance(failed := engine.receive(), messages.Overload):
        pass  # the machine was busy while the tests before were listened to
    assert isinstance(failed, messages.StreamFailed)
    (heard,) = engine.listen(utterances[0].audio, mode="2pass")
    assert isinstance(heard.end, messages.StreamEnded)


def account(heard):
    """Say whether every sample is settled, and no two finals share one."""
    edges = [edge for final in heard.finals for edge in (final.start, final.end)]
    return (
        isinstance(heard.end, messages.StreamEnded)
        and heard.settled == heard.samples
        and edges == sorted(edges)
        and all(0 <= edge <= heard.samples for edge in edges)
    )


def said(heard, mode):
    return heard.text(mode), [(final.start, final.end) for final in heard.finals]


def with_silence(audio, before_s, after_s):
    return np.pad(audio, (round(before_s * 16_000), round(after_s * 16_000)))


def without_marks(text):
    return "".join(character for character in text if character not in "，。？、,.? ")
