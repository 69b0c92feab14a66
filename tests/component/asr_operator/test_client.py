import aiohttp
import pytest

from asr_operator.cluster import access, client

PATH = "/api/v1/namespaces/speech/services"


async def test_an_answer_that_is_not_json_is_an_error(api_server, cluster, refused):
    api_server.refuse("GET", "services", refused(502, "<html>bad gateway", is_plain=True))
    with pytest.raises(client.ApiError) as raised:
        await cluster.get(f"{PATH}/demo")
    assert (raised.value.status, raised.value.message) == (502, "<html>bad gateway")


async def test_a_refusal_says_what_the_api_server_said(api_server, cluster, refused):
    api_server.refuse("GET", "services", refused(403, "no right", "Because"))
    with pytest.raises(client.ApiError) as raised:
        await cluster.get(f"{PATH}/demo")
    assert (raised.value.status, raised.value.message) == (403, "no right")
    assert raised.value.cause == "Because"


async def test_the_right_to_watch_everything_is_checked(cluster, api_server):
    await access.check_access(cluster, ())
    await access.check_access(cluster, ("speech", "others"))


async def test_a_missing_definition_is_told(cluster, api_server):
    api_server.missing.add("asrservices")
    with pytest.raises(access.AccessError, match=r"apply crds/asrservices\.yaml first"):
        await access.check_access(cluster, ())


async def test_a_missing_right_is_told(cluster, api_server, refused):
    api_server.refuse("GET", "pods", refused(403, "pods is forbidden"))
    with pytest.raises(access.AccessError, match=r"Pod.*pods is forbidden.*role"):
        await access.check_access(cluster, ("speech",))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), "cannot be reached: timed out; check"),
        (aiohttp.ServerDisconnectedError(), "cannot be reached: Server disconnected; check"),
    ],
)
async def test_an_api_server_that_does_not_answer_is_told(error, told):
    class Silent:
        async def get(self, path, query):
            raise error

    with pytest.raises(access.AccessError, match=told):
        await access.check_access(Silent(), ())
