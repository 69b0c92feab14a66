"""Writes annotations on server pods: best effort, because nothing depends on them but speed."""

import logging
from collections.abc import Iterable

from asr_operator.api.spec import Identity
from asr_operator.cluster import client, paths
from asr_operator.state.plan import PodNote

logger = logging.getLogger(__name__)


async def annotate_pods(
    cluster: client.Cluster, service: Identity, notes: Iterable[PodNote]
) -> None:
    """Write notes; leave out pods that are gone, and all the rest after the first failure."""
    for note in notes:
        path = paths.object_path("Pod", service.namespace, note.pod)
        try:
            await cluster.merge(path, {"metadata": {"annotations": dict(note.annotations)}})
        except client.UNAVAILABLE as error:
            if isinstance(error, client.ApiError) and error.status == client.NOT_FOUND:
                continue
            logger.warning(
                "cannot annotate server pods: %s",
                client.describe_failure(error),
                extra={"service": f"{service.namespace}/{service.name}"},
            )
            return
