"""The reconcile: brings one service at a time from what is observed to what is asked for.

Observe, decide, apply, report. It may be cut off anywhere, because the next one starts from what is
there; what it keeps in memory is a cache.
"""

import logging
from collections.abc import Callable
from datetime import datetime

from asr_operator import metrics
from asr_operator.api.names import Reason
from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import Identity, InvalidSpec
from asr_operator.api.status import AsrServiceStatus
from asr_operator.cluster import annotate, apply, client, observe, report, ticks
from asr_operator.cluster.work_queue import Key, Outcome, Result
from asr_operator.decisions import delivery, fleet, history, knobs, plan
from asr_operator.decisions import report as decided_report
from asr_operator.state.observed import Observed
from asr_operator.state.plan import Plan
from asr_operator.state.policy import ServerPolicy
from asr_operator.state.tick import Tick

logger = logging.getLogger(__name__)


class Reconciler:
    """The reconcile that the queue's workers run."""

    def __init__(
        self,
        cluster: client.Cluster,
        policy: ServerPolicy,
        loop: ticks.Ticks,
        measured: metrics.OperatorMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._policy = policy
        self._ticks = loop
        self._metrics = measured
        self._clock = clock

    async def reconcile(self, key: Key) -> Result:
        """Observe, decide, apply, report; raise what another attempt may put right."""
        with self._metrics.reconcile_seconds.time():
            try:
                result = await self._reconcile(key)
            except client.ApiError as error:
                if error.cause != client.NAMESPACE_TERMINATING:
                    raise
                result = Result(Outcome.GONE)
        if result.outcome is Outcome.GONE:
            self._ticks.forget(key)
            self._metrics.services.forget(*key)
        return result

    async def _reconcile(self, key: Key) -> Result:
        snapshot = await observe.observe_service(self._cluster, *key)
        if snapshot is None:
            return Result(Outcome.GONE)
        observed, now = observe.read_observed(snapshot), self._clock()
        if observed.service.deleting:
            return Result(Outcome.GONE)
        may_change = plan.may_change(observed, self._policy)
        tick = self._ticks.take(key, observed, now, may_change=may_change)
        planned = plan.plan_children(observed, self._policy, tick, now)
        applied = await self._apply(snapshot, observed, planned, tick)
        snapshot = snapshot.replace(applied.changed)
        observed = observe.read_observed(snapshot)
        if planned.knobs is not None:
            if knobs.are_in_force(observed, planned.knobs):
                self._ticks.keep(key)
            notes = delivery.decide_config_notes(observed, tick, now)
            await annotate.annotate_pods(self._cluster, observed.service.identity, notes)
        new = decided_report.decide_status(observed, planned, applied.refusals, tick, now)
        await self._report(snapshot, observed, new, applied)
        waits_for_others = applied.refusals or (planned.hold and not observed.service.paused)
        return Result(
            Outcome.RETRY if waits_for_others else Outcome.DONE, ticks.decide_wait_s(observed, now)
        )

    async def _apply(
        self, snapshot: observe.Snapshot, observed: Observed, planned: Plan, tick: Tick
    ) -> apply.Applied:
        if planned.knobs is not None:
            costs = fleet.decide_deletion_costs(observed, planned.knobs.replicas, tick)
            await annotate.annotate_pods(self._cluster, observed.service.identity, costs)
        return await apply.apply_children(self._cluster, planned, snapshot)

    async def _report(
        self,
        snapshot: observe.Snapshot,
        observed: Observed,
        new: AsrServiceStatus,
        applied: apply.Applied,
    ) -> None:
        service, old = observed.service.identity, observed.status
        records = history.find_new_records(old.scaling_history, new.scaling_history)
        told = (
            *decided_report.find_transitions(old, new),
            *report.describe_changes(records),
        )
        if applied.changed or told:
            logger.info(
                "applied: %s; now: %s",
                ", ".join(applied.changed) or "nothing",
                ", ".join(transition.reason for transition in told) or "as before",
                extra={"service": f"{service.namespace}/{service.name}"},
            )
        if new != old:
            await report.write_status(self._cluster, snapshot, new)
            self._count(service, records)
            await report.post_events(self._cluster, service, told, self._clock())
        self._show(observed, new)

    def _count(self, service: Identity, records: tuple[ScalingRecord, ...]) -> None:
        for record in records:
            if record.reason != Reason.SPEC_CHANGED:
                direction = "up" if record.to > record.from_ else "down"
                self._metrics.services.decisions.labels(
                    service.namespace, service.name, record.knob, direction, record.reason
                ).inc()

    def _show(self, observed: Observed, new: AsrServiceStatus) -> None:
        service, spec = observed.service.identity, observed.service.spec
        if isinstance(spec, InvalidSpec):
            return
        state = metrics.ServiceState(
            desired_replicas=knobs.find_replicas(observed).value or 0,
            desired_batch_size=knobs.find_batch_size(observed).value or 0,
            objective_s=spec.objectives.final_latency_s,
            objective_ratio=spec.objectives.quantile_ratio,
            conditions=tuple(
                (str(found.type), found.status, str(found.reason)) for found in new.conditions
            ),
        )
        self._metrics.services.report(service.namespace, service.name, state)

    def record_failure(self, key: Key, error: Exception) -> None:
        """Tell of a reconcile that failed; it will be tried again."""
        where = {"service": "/".join(key)}
        if isinstance(error, client.ApiError) and error.status == client.CONFLICT:
            logger.debug("changed while it was reconciled: %s", error, extra=where)
            return
        self._metrics.reconcile_errors.inc()
        if isinstance(error, client.UNAVAILABLE):
            logger.warning("reconcile failed: %s", client.describe_failure(error), extra=where)
        else:
            logger.error("reconcile failed", exc_info=error, extra=where)
