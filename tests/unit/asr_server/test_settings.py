"""Flags and environment become settings, or one line that names what is wrong."""

from dataclasses import fields
from pathlib import Path

import pytest

from asr_server import settings
from asr_server.settings import SettingsError, parse_settings


def test_a_flag_wins_over_the_environment_and_both_over_the_default():
    environment = {"ASR_PORT": "1", "ASR_BATCH_SIZE": "2"}
    found = parse_settings(["--port=3"], environment)
    assert (found.port, found.batch_size, found.probe_port) == (3, 2, 8081)


def test_every_setting_can_be_given_both_ways():
    for setting in settings.SETTINGS:
        text = setting.default or "x"
        by_flag = parse_settings([f"--{setting.flag}", text], {})
        by_variable = parse_settings([], {setting.variable: text})
        assert by_flag == by_variable
    names = {setting.name for setting in settings.SETTINGS}
    found = {field.name for field in fields(settings.ServerSettings)}
    assert found == names | {"namespace", "service", "pod"}


def test_the_identity_comes_from_the_environment():
    found = parse_settings([], {"ASR_NAMESPACE": "a", "ASR_SERVICE": "b", "ASR_POD": "c"})
    assert (found.namespace, found.service, found.pod) == ("a", "b", "c")


def test_the_operators_arguments_are_understood():
    arguments = ["--model=/models/a", "--device=cuda", "--dtype=float16"]
    arguments += ["--live-config=/etc/asr-server/live/config.json", "--drain-timeout=600"]
    found = parse_settings(arguments, {})
    assert (found.model, found.device, found.dtype) == ("/models/a", "cuda", "float16")
    assert found.live_config == Path("/etc/asr-server/live/config.json")
    assert found.drain_timeout_s == 600


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["--port=x"], {}, "--port: 'x' is not a whole number from 0 to 65535"),
        (["--port=-1"], {}, "--port: "),
        (["--port=\u0661"], {}, "--port: "),
        ([], {"ASR_PORT": "tcp://10.0.0.1:10095"}, "ASR_PORT: 'tcp://10.0.0.1:10095' is not"),
        (["--device=tpu"], {}, "--device: 'tpu' is not one of cpu, cuda"),
        (["--dtype=int8"], {}, "--dtype: 'int8' is not one of float32, float16, bfloat16"),
        (["--batch-size=0"], {}, "--batch-size: "),
        (["--batch-audio-s=nan"], {}, "--batch-audio-s: 'nan' is not a number from 0.1 to 36000"),
        (["--drain-timeout=soon"], {}, "--drain-timeout: "),
        (["--model="], {}, "--model: must not be empty"),
        (["--bogus=1"], {}, "unrecognized arguments: --bogus=1"),
        (["--drain=1"], {}, "unrecognized arguments: --drain=1"),
        (["--port"], {}, "argument --port: expected one argument"),
        (["--audio-buffer-mb=1"], {}, "--max-utterance: 14400 s do not fit"),
        (["--port=8081"], {}, "--probe-port: 8081 is the port of the WebSocket already"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(arguments, environment, reason):
    with pytest.raises(SettingsError) as caught:
        parse_settings(arguments, environment)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["--termination-log=/a", "--port=x"], "/a"),
        (["--bogus"], "/dev/termination-log"),
        (["--termination-log"], "/dev/termination-log"),
    ],
)
def test_where_to_write_a_failure_is_known_even_when_settings_are_bad(arguments, path):
    assert settings.termination_log(arguments) == Path(path)


def test_help_says_what_each_flag_does(capsys):
    with pytest.raises(SystemExit) as caught:
        parse_settings(["--help"], {})
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"--{setting.flag}" in shown for setting in settings.SETTINGS)
