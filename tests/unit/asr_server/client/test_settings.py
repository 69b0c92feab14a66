"""The command line of asr-client."""

import pytest

from asr_server.client.arguments import UsageError
from asr_server.client.settings import parse_settings
from asr_server.speech.hotwords import Hotword

URL = "ws://localhost:10095"


def test_defaults():
    found = parse_settings([URL, "a.wav"])
    assert (found.mode, found.jobs, found.formats, found.speed) == ("offline", 4, ("txt",), 0)
    assert parse_settings([URL, "--mic"]).mode == "2pass"


def test_flags_may_stand_between_the_server_and_the_files():
    found = parse_settings([URL, "--jobs", "2", "a.wav", "--mode=online", "b.wav"])
    assert [str(path) for path in found.paths] == ["a.wav", "b.wav"]
    assert (found.jobs, found.mode) == (2, "online")


def test_hotwords_come_from_text_or_a_file(tmp_path):
    file = tmp_path / "words"
    file.write_text('{"灯光": 30}', encoding="utf-8")
    assert parse_settings([URL, "a", "--hotwords", "a b"]).hotwords == (Hotword("a"), Hotword("b"))
    assert parse_settings([URL, "a", "--hotwords", f"@{file}"]).hotwords == (Hotword("灯光", 30),)


def test_the_token_comes_from_the_environment_unless_given(monkeypatch):
    monkeypatch.setenv("ASR_TOKEN", "secret")
    assert parse_settings([URL, "a"]).server.token == "secret"
    assert parse_settings([URL, "a", "--token=other"]).server.token == "other"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "required: ws://HOST:PORT"),
        (["localhost:10095", "a"], "no server: write ws://"),
        ([URL], "name files or folders, or --mic"),
        ([URL, "a", "--mic"], "not both"),
        ([URL, "a", "--mode=3pass"], "invalid choice"),
        ([URL, "a", "--audio-fs=1"], "'1' is not a number from 4000"),
        ([URL, "a", "--jobs=nan"], "'nan' is not a number"),
        ([URL, "a", "--format=txt,doc"], "'doc' is not one of txt, json, srt, vtt"),
        ([URL, "a", "--format=txt,srt"], "several formats need --output"),
        ([URL, "a", "--insecure"], "are for wss:// servers"),
        ([URL, "a", "--hotwords=@/nowhere"], "cannot read /nowhere"),
        ([URL, "a", "--unknown"], "unrecognized arguments"),
    ],
)
def test_what_makes_no_sense_is_told(arguments, reason):
    with pytest.raises(UsageError, match=reason):
        parse_settings(arguments)
