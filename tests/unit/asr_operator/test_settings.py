import pytest

from asr_operator import settings
from asr_operator.settings import OperatorSettings, PrometheusSettings, SettingsError

IMAGE = {"ASR_OPERATOR_SERVER_IMAGE": "asr-server:1"}


def test_only_the_image_is_required():
    assert settings.parse_settings([], IMAGE) == OperatorSettings(server_image="asr-server:1")


PROMETHEUS_URL = "http://prometheus:9090"


def test_every_setting_is_read_from_the_environment(tmp_path):
    files = {name: tmp_path / name for name in ("password", "ca", "queries")}
    for path in files.values():
        path.touch()
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
        "ASR_OPERATOR_PROMETHEUS_URL": f" {PROMETHEUS_URL}/ ",
        "ASR_OPERATOR_PROMETHEUS_TIMEOUT_SECONDS": "7",
        "ASR_OPERATOR_PROMETHEUS_TOKEN_FILE": "",
        "ASR_OPERATOR_PROMETHEUS_USERNAME": "asr",
        "ASR_OPERATOR_PROMETHEUS_PASSWORD_FILE": str(files["password"]),
        "ASR_OPERATOR_PROMETHEUS_CA_FILE": str(files["ca"]),
        "ASR_OPERATOR_PROMETHEUS_QUERIES_FILE": str(files["queries"]),
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
        prometheus=PrometheusSettings(
            url=PROMETHEUS_URL,
            timeout_s=7,
            username="asr",
            password_file=files["password"],
            ca_file=files["ca"],
            queries_file=files["queries"],
        ),
    )


def test_a_token_may_stand_for_a_password(tmp_path):
    token = tmp_path / "token"
    token.touch()
    arguments = ["--prometheus-url", PROMETHEUS_URL, "--prometheus-token-file", str(token)]
    given = settings.parse_settings(arguments, IMAGE)
    assert given.prometheus == PrometheusSettings(PROMETHEUS_URL, token_file=token)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"url": "prometheus:9090"}, "prometheus-url must be an address such as http"),
        ({"url": "http://"}, "prometheus-url must be an address"),
        ({"url": "http://[::1"}, "prometheus-url must be an address"),
        ({"url": "http://prometheus:port"}, "prometheus-url must be an address"),
        ({"url": "http://me:secret@prometheus"}, "prometheus-url must hold no user"),
        ({"url": "http://prometheus/?a=b"}, "prometheus-url must hold no user, no query"),
        ({"timeout-seconds": "0"}, "prometheus-timeout-seconds must be from 1 to 60"),
        ({"token-file": "/missing"}, "prometheus-token-file: there is no file /missing"),
        ({"queries-file": "/missing"}, "prometheus-queries-file: there is no file /missing"),
        ({"username": "asr"}, "prometheus-username and prometheus-password-file need each other"),
        ({"password-file": "/password"}, "prometheus-username and prometheus-password-file need"),
        (
            {"username": "asr", "password-file": "/password", "token-file": "/token"},
            "prometheus-token-file and prometheus-password-file exclude each other",
        ),
    ],
)
def test_settings_of_prometheus_that_cannot_be_used_are_named(given, complaint):
    given = {"url": PROMETHEUS_URL, **given}
    arguments = [f"--prometheus-{name}={value}" for name, value in given.items()]
    with pytest.raises(SettingsError, match=complaint):
        settings.parse_settings(arguments, IMAGE)


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


def test_help_names_the_variables_and_the_defaults(capsys):
    with pytest.raises(SystemExit):
        settings.parse_settings(["--help"], IMAGE)
    shown = " ".join(capsys.readouterr().out.split())
    assert "least this often (default: 300) [ASR_OPERATOR_RESYNC_SECONDS]" in shown
    assert "image of the server pods (required) [ASR_OPERATOR_SERVER_IMAGE]" in shown
