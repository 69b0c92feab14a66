import pytest

from asr_operator import settings
from asr_operator.settings import OperatorSettings, SettingsError

IMAGE = {"ASR_OPERATOR_SERVER_IMAGE": "asr-server:1"}


def test_only_the_image_is_required():
    assert settings.parse_settings([], IMAGE) == OperatorSettings(server_image="asr-server:1")


def test_every_setting_is_read_from_the_environment():
    environment = {
        "ASR_OPERATOR_SERVER_IMAGE": " asr-server:2 ",
        "ASR_OPERATOR_NAMESPACES": "a, b,",
        "ASR_OPERATOR_IMAGE_ALLOW_LIST": "registry.example/*",
        "ASR_OPERATOR_IMAGE_PULL_SECRETS": "pull",
        "ASR_OPERATOR_RESYNC_SECONDS": "10",
        "ASR_OPERATOR_WORKERS": "2",
        "ASR_OPERATOR_METRICS_PORT": "1",
        "ASR_OPERATOR_PROBE_PORT": "2",
        "ASR_OPERATOR_LOG_LEVEL": "debug",
    }
    assert {setting.variable for setting in settings.SETTINGS} == set(environment)
    assert settings.parse_settings([], environment) == OperatorSettings(
        server_image="asr-server:2",
        namespaces=("a", "b"),
        image_allow_list=("registry.example/*",),
        image_pull_secrets=("pull",),
        resync_s=10,
        workers=2,
        metrics_port=1,
        probe_port=2,
        log_level="debug",
    )


def test_a_flag_goes_before_the_environment():
    environment = {**IMAGE, "ASR_OPERATOR_WORKERS": "2"}
    assert settings.parse_settings(["--workers", "3"], environment).workers == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--server-image", " "], r"server-image \(ASR_OPERATOR_SERVER_IMAGE\) must be set"),
        (["--workers", "0"], "workers must be from 1 to 64, not 0"),
        (["--workers", "x"], "workers must be an integer, not 'x'"),
        (["--resync-seconds", "0"], "resync-seconds must be from 1"),
        (["--metrics-port", "65536"], "metrics-port must be from 0 to 65535"),
        (["--log-level", "loud"], "log-level must be one of debug, info"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(arguments, complaint):
    with pytest.raises(SettingsError, match=complaint):
        settings.parse_settings(arguments, IMAGE)


def test_help_names_the_variables(capsys):
    with pytest.raises(SystemExit):
        settings.parse_settings(["--help"], IMAGE)
    assert "[ASR_OPERATOR_RESYNC_SECONDS]" in capsys.readouterr().out
