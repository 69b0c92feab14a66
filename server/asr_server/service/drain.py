"""The end of a server's life: refuse new sessions, let open ones finish, close what is left."""

import asyncio
import logging

from asr_server.service.admission import DRAINING, Admission
from asr_server.service.listener import Listener

logger = logging.getLogger(__name__)


async def drain(
    listener: Listener, admission: Admission, timeout_s: float, hurry: asyncio.Event
) -> None:
    """Drain for at most `timeout_s`, or until `hurry`.

    Sessions get close code 1012 when nothing is owed to them. When the time is up, open inputs are
    ended in the clients' place, their finals are sent if they come soon, and the code is 1001.
    """
    admission.close(DRAINING)
    logger.info("draining", extra={"fields": {"sessions": admission.sessions}})
    ways_out = [asyncio.create_task(listener.wait_empty()), asyncio.create_task(hurry.wait())]
    await asyncio.wait(ways_out, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in ways_out:
        task.cancel()
    left = admission.sessions
    await listener.stop()
    logger.info("drained", extra={"fields": {"sessions_cut": left}})
