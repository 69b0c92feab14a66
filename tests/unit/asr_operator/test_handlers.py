import kopf
import pytest
from kubernetes.aio.client import Configuration

from asr_operator import handlers


class Queue:
    def __init__(self, stalled_s):
        self.age_s = stalled_s

    def stalled_s(self):
        return self.age_s


@pytest.mark.parametrize("stalled_s", [0.0, handlers.STALLED_S])
def test_the_operator_lives_while_its_queue_moves(stalled_s):
    assert handlers.check_queue(Queue(stalled_s)) == stalled_s


def test_an_operator_whose_queue_stands_still_is_restarted():
    with pytest.raises(kopf.PermanentError, match="no reconcile has ended for 181 s"):
        handlers.check_queue(Queue(handlers.STALLED_S + 1))


def test_kopf_writes_nothing_and_watches_only_our_children():
    settings = handlers.build_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert len(settings.watching.label_selectors) == len(handlers.CHILD_RESOURCES)
    assert settings.watching.server_timeout < settings.watching.client_timeout


async def test_kopf_logs_in_as_our_own_client_does():
    configuration = Configuration(host="https://api.example:6443")
    configuration.ssl_ca_cert = "/ca.crt"
    configuration.api_key["BearerToken"] = "bearer first"

    def renew(configuration):
        configuration.api_key["BearerToken"] = "bearer second"

    configuration.refresh_api_key_hook = renew
    connection = await handlers.build_connection(configuration)
    assert (connection.server, connection.ca_path) == ("https://api.example:6443", "/ca.crt")
    assert connection.token == "second"
