"""Notes on pods: what cannot be written is told, and stops nothing."""

import aiohttp
import pytest

from asr_operator.api.spec import Identity
from asr_operator.cluster import annotate, client
from asr_operator.state.plan import PodNote

SERVICE = Identity("demo", "speech", "uid")
NOTES = [PodNote("a", (("cost", "1"),)), PodNote("b", (("cost", "2"),))]


class Pods:
    """An API server that answers each merge with an error; None for none."""

    def __init__(self, error):
        self.error, self.asked = error, []

    async def merge(self, path, patch):
        self.asked.append(path.rpartition("/")[2])
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "asked", "told"),
    [
        (None, ["a", "b"], []),
        (client.ApiError(404, "gone"), ["a", "b"], []),
        (client.ApiError(403, "no"), ["a"], ["403: no"]),
        (TimeoutError(), ["a"], ["timed out"]),
        (aiohttp.ClientConnectionError(), ["a"], ["ClientConnectionError"]),
    ],
)
async def test_notes_that_cannot_be_written_are_told_once(caplog, error, asked, told):
    pods = Pods(error)
    await annotate.annotate_pods(pods, SERVICE, NOTES)
    assert pods.asked == asked
    said = [f"cannot annotate server pods: {each}" for each in told]
    assert [record.getMessage() for record in caplog.records] == said
