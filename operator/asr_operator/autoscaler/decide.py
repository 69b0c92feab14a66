"""One tick of the autoscaler, from what was observed to what is to change. No clock, no I/O.

- The bounds of the spec, or of its schedules in force, hold at once, whatever is known.
- Unknown load: hold; after `fallback.afterSeconds` at least the fallback's replicas.
- Known load: learn, then choose (`choice` has the order). In mode Recommend the choice is told,
  not made.
- Between two ticks the last decision stands.
"""

from dataclasses import replace

from asr_operator.api.autoscaling import ScalingSpec
from asr_operator.api.names import Reason
from asr_operator.autoscaler import budget, explain, knowledge, learning, schedule, situation
from asr_operator.autoscaler import choice as choices
from asr_operator.autoscaler.choice import Choice
from asr_operator.autoscaler.knowledge import Known
from asr_operator.autoscaler.memory import Memory
from asr_operator.autoscaler.situation import Situation
from asr_operator.autoscaler.stabilization import JITTER_RATIO
from asr_operator.state.load import LoadSample, NoLoad
from asr_operator.state.scaling import Change, Fleet, ScalingDecision

Decided = tuple[ScalingDecision, Memory]


def decide(
    sample: LoadSample | NoLoad, fleet: Fleet, spec: ScalingSpec, memory: Memory, now: float
) -> Decided:
    """Decide replicas and batch size; keep the returned memory only if that was carried out."""
    spec = schedule.put_in_force(spec, now)
    memory = memory.with_fleet(fleet, now)
    known = knowledge.judge_knowledge(sample, fleet, now, spec.autoscaling.behavior.stale_s)
    standing = _stand(known, fleet, spec)
    clamp = _find_clamp(standing, spec)
    if clamp is not None:
        return _carry_out(clamp, standing, memory, now, explain.render_bounds(clamp.reason, spec))
    if isinstance(sample, NoLoad) or known.state == "unknown":
        memory = memory.with_gap(now)
        return _carry_out(_choose_blindly(known, fleet, spec, memory, now), standing, memory, now)
    if memory.last is not None and not _is_due(sample, spec, memory):
        unchanged = replace(memory.last, replicas=standing.replicas, batch_size=standing.batch_size)
        return unchanged, memory
    memory = memory.without_gap(now, spec.autoscaling.behavior.stale_s)
    memory = learning.learn(memory, sample, known, spec)
    memory = budget.spend(memory, sample, known, fleet, spec)
    memory = replace(memory, ticked_at=sample.at, spec=spec)
    return _decide_known(
        situation.build_situation(sample, known, fleet, spec, memory, now), standing
    )


def _decide_known(facts: Situation, standing: ScalingDecision) -> Decided:
    memory = _remember_wish(facts)
    facts = replace(facts, memory=memory)
    wish = memory.wishes[-1]
    chosen = choices.choose(facts)
    standing = replace(
        standing,
        limited=explain.describe_limit(facts, wish.up) if facts.owns_replicas else None,
        slo_met=None if facts.latency is None else not facts.is_breached,
        unattainable=choices.is_unattainable(facts),
    )
    if facts.spec.autoscaling.mode == "Recommend":
        decided = _recommend(chosen, standing, facts)
    else:
        inputs = explain.render_inputs(facts)
        decided, memory = _carry_out(chosen, standing, memory, facts.now, inputs)
    return decided, replace(memory, last=replace(decided, changes=()))


def _carry_out(
    chosen: Choice,
    standing: ScalingDecision,
    memory: Memory,
    now: float,
    inputs: tuple[tuple[str, str], ...] = (),
) -> Decided:
    """Return the decision that a choice leads to, with the record of a change."""
    if chosen.knob is None:
        return replace(standing, reason=chosen.reason, message=chosen.message), memory
    replicas = chosen.knob == "replicas"
    from_ = standing.replicas if replicas else standing.batch_size
    change = Change(now, chosen.knob, from_, chosen.to, chosen.reason, inputs)
    decided = replace(
        standing,
        replicas=chosen.to if replicas else standing.replicas,
        batch_size=standing.batch_size if replicas else chosen.to,
        reason=chosen.reason,
        message=explain.describe_change(change),
        changes=(change,),
    )
    return decided, memory.with_change(change)


def _recommend(chosen: Choice, standing: ScalingDecision, facts: Situation) -> ScalingDecision:
    message, replicas, size = chosen.message, standing.replicas, standing.batch_size
    bounds = facts.spec.autoscaling
    if chosen.knob is not None:
        from_ = replicas if chosen.knob == "replicas" else size
        inputs = explain.render_inputs(facts)
        change = Change(facts.now, chosen.knob, from_, chosen.to, chosen.reason, inputs)
        message = explain.describe_advice(change)
        replicas, size = (chosen.to, size) if chosen.knob == "replicas" else (replicas, chosen.to)
    return replace(
        standing,
        reason=chosen.reason,
        message=message,
        recommended_replicas=max(bounds.min_replicas, min(bounds.max_replicas, replicas)),
        recommended_batch_size=size if facts.tunes_batch else None,
    )


def _stand(known: Known, fleet: Fleet, spec: ScalingSpec) -> ScalingDecision:
    """Return the decision that changes nothing."""
    return ScalingDecision(
        knowledge=known.state,
        replicas=fleet.desired,
        batch_size=situation.batch_size_in_force(fleet, spec),
        reason=Reason.STEADY,
        message="",
        metrics=known.problem,
        bounds=spec.bounds,
    )


def _find_clamp(standing: ScalingDecision, spec: ScalingSpec) -> Choice | None:
    """Return the change that the bounds ask for, None if both knobs are within them."""
    bounds, batching = spec.autoscaling, spec.batching
    replicas = max(bounds.min_replicas, min(bounds.max_replicas, standing.replicas))
    if bounds.mode == "Auto" and replicas != standing.replicas:
        is_scheduled = spec.bounds is not None and bool(spec.bounds.schedules)
        reason = Reason.BOUNDS_SCHEDULED if is_scheduled else Reason.OUT_OF_BOUNDS
        return Choice(reason, "replicas", replicas)
    size = max(batching.min_size, min(batching.max_size, standing.batch_size))
    if batching.mode == "Auto" and size != standing.batch_size:
        return Choice(Reason.OUT_OF_BOUNDS, "batchSize", size)
    return None


def _choose_blindly(
    known: Known, fleet: Fleet, spec: ScalingSpec, memory: Memory, now: float
) -> Choice:
    bounds, fallback = spec.autoscaling, spec.autoscaling.behavior.fallback
    static = explain.describe_static(spec)
    if static is not None:
        return Choice(static.reason, message=static.message)
    since = max(memory.unknown_since or now, memory.fleet_changed_at)
    safe = min(bounds.max_replicas, fallback.replicas or 0)
    is_due = bool(fleet.ready) and now - since >= fallback.after_s
    if bounds.mode == "Auto" and is_due and safe > fleet.desired and fleet.blocked is None:
        return Choice(Reason.METRICS_FALLBACK, "replicas", safe)
    why = known.problem.message.rstrip(".") if known.problem else "nothing was measured"
    message = f"Nothing is changed while the load is unknown: {why}."
    return Choice(Reason.METRICS_UNKNOWN, message=message)


def _is_due(sample: LoadSample, spec: ScalingSpec, memory: Memory) -> bool:
    interval_s = spec.autoscaling.behavior.interval_s
    return spec != memory.spec or sample.at - memory.ticked_at >= JITTER_RATIO * interval_s


def _remember_wish(facts: Situation) -> Memory:
    behavior = facts.spec.autoscaling.behavior
    keep_s = max(behavior.scale_up.stabilization_s, behavior.scale_down.stabilization_s)
    return facts.memory.with_wish(choices.make_wish(facts), keep_s)
