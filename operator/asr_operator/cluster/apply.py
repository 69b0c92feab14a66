"""Brings children to what was planned: server-side apply, and only of what differs.

An apply that would change nothing is not sent, so that a quiet service is left in peace.
"""

from dataclasses import dataclass

from asr_operator.cluster import client, drift, paths
from asr_operator.cluster.observe import Snapshot
from asr_operator.state.plan import Manifest, Plan, Refusal

INVALID_STATUSES = frozenset({400, 422})
# 500 also means that something ran out, such as addresses of Services.
REFUSING_STATUSES = INVALID_STATUSES | {403, 500}


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did: changed children by kind, and those that the API server refuses."""

    changed: dict[str, Manifest]
    refusals: tuple[Refusal, ...]


async def apply_children(cluster: client.Cluster, plan: Plan, snapshot: Snapshot) -> Applied:
    """Apply the planned children that differ from what was observed.

    Raises `client.ApiError` for what another attempt may put right: conflicts, overload.
    """
    changed: dict[str, Manifest] = {}
    refusals: list[Refusal] = []
    for desired in plan.children:
        kind, name = desired["kind"], desired["metadata"]["name"]
        observed = snapshot.children.get(kind)
        if observed is not None and not drift.has_drifted(desired, observed):
            continue
        path = paths.object_path(kind, desired["metadata"]["namespace"], name)
        try:
            # Force wins fields of our own child back; an object that appeared since we looked
            # may be somebody else's, and must make a conflict.
            changed[kind] = await cluster.apply(path, desired, force=observed is not None)
        except client.ApiError as error:
            if error.status not in REFUSING_STATUSES or error.cause == client.NAMESPACE_TERMINATING:
                raise
            refusals.append(
                Refusal(kind, name, error.message, is_invalid=error.status in INVALID_STATUSES)
            )
    return Applied(changed, tuple(refusals))
