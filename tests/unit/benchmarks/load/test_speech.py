import pytest

from benchmarks.load import speech


@pytest.fixture(scope="module")
def phrases():
    return speech.load_phrases()


def test_what_is_said_can_be_told_from_its_words_alone(phrases):
    speaker = speech.Speaker(phrases, 1)
    said = [speaker.next() for _ in range(24 * 23 * 22)]
    assert len({each.text for each in said}) == len({each.name for each in said}) == len(said)
    with pytest.raises(ValueError, match="nothing is left to say"):
        speaker.next()


def test_audio_lasts_as_long_as_it_says(phrases):
    utterance = speech.Speaker(phrases, 1).next()
    assert len(utterance.pcm) / speech.BYTES_PER_S == pytest.approx(utterance.duration_s)
    assert all(phrase.pcm in utterance.pcm for phrase in utterance.phrases)


def test_phrases_have_no_long_silence_around_them(phrases):
    assert all(0.5 < len(phrase.pcm) / speech.BYTES_PER_S < 3.5 for phrase in phrases)


def test_punctuation_is_no_word():
    assert speech.words("再见。 请再说一遍, ok?") == "再见请再说一遍ok"
