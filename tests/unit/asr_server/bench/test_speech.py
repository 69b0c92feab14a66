import pytest

from asr_server.bench import corpus, speech


@pytest.fixture(scope="module")
def phrases():
    return corpus.load_phrases()


def test_what_is_said_can_be_told_from_its_words_alone(phrases):
    speaker = speech.Speaker(phrases, 1)
    said = [speaker.next() for _ in range(23 * 22 * 21)]
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


@pytest.mark.parametrize("lengths", ["numbers", "recorded", "lognormal:3.9"])
def test_the_same_seed_says_the_same_under_names_of_their_own(phrases, lengths):
    one, other = (speech.make_speaker(lengths, phrases, 5) for _ in range(2))
    said = [one.next() for _ in range(100)]
    assert said == [other.next() for _ in range(100)]
    assert len({each.name for each in said}) == 100


def test_recordings_are_all_said_before_one_is_said_again(phrases):
    speaker = speech.make_speaker("recorded", phrases, 1)
    assert len({speaker.next().text for _ in phrases}) == len(phrases)


def test_lengths_are_drawn_around_their_median(phrases):
    speaker = speech.make_speaker("lognormal:6", phrases, 1)
    lengths_s = sorted(speaker.next().duration_s for _ in range(1000))
    assert 4.5 < lengths_s[500] <= 6
    assert lengths_s[900] > 10
    assert lengths_s[-1] <= speech.LONGEST_S


def test_numbers_need_enough_phrases(phrases):
    with pytest.raises(ValueError, match="four recordings"):
        speech.make_speaker("numbers", phrases[:3], 1)
