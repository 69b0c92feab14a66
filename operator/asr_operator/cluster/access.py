"""A look at everything the operator watches, so that it fails at once and says what is missing.

kopf retries a refused watch for minutes, which looks like slowness.
"""

from collections.abc import Sequence

from asr_operator.api import names
from asr_operator.cluster import client, paths

WATCHED_KINDS = (names.KIND, *paths.CHILD_KINDS, "Pod")
EVERYWHERE = None


class AccessError(Exception):
    """The operator cannot do its work in this cluster; the message says what to do."""


async def check_access(cluster: client.Cluster, namespaces: Sequence[str]) -> None:
    """Read one object of each watched kind in each namespace, or in all when none is named.

    Raises `AccessError` when a kind is unknown or may not be read, or nothing can.
    """
    for kind in WATCHED_KINDS:
        for namespace in namespaces or (EVERYWHERE,):
            try:
                await cluster.get(paths.collection_path(kind, namespace), {"limit": "1"})
            except client.ApiError as error:
                raise AccessError(_explain(kind, error)) from error
            except client.UNAVAILABLE as error:
                raise AccessError(
                    f"the API server cannot be reached: {client.describe_failure(error)}; check"
                    " that it runs, KUBECONFIG outside a cluster, network policies within"
                ) from error


def _explain(kind: str, error: client.ApiError) -> str:
    if error.status == client.NOT_FOUND and kind == names.KIND:
        return (
            f"this cluster does not know {names.PLURAL}.{names.GROUP}: apply"
            " crds/asrservices.yaml first"
        )
    return f"cannot list objects of kind {kind}: {error}; check the operator's role"
