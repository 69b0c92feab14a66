"""What the children of a service should be, or why nothing may be changed now.

Rules: a paused service, a spec that cannot be used and a name that belongs to somebody else change
nothing; running servers go on as they are. Children come in the order in which they are needed.
"""

from datetime import datetime
from fnmatch import fnmatchcase

from asr_operator.api import names
from asr_operator.api.names import Reason
from asr_operator.api.spec import AsrService, AsrServiceSpec, InvalidSpec
from asr_operator.children import config_map, deployment, disruption_budget, service
from asr_operator.decisions import knobs, rollout
from asr_operator.state.observed import Observed
from asr_operator.state.plan import Knobs, Manifest, Plan, Problem
from asr_operator.state.policy import ServerPolicy
from asr_operator.state.tick import Tick


def plan_children(observed: Observed, policy: ServerPolicy, tick: Tick, now: datetime) -> Plan:
    """Return the children of a service as they should be."""
    asr_service = observed.service
    problem = find_spec_problem(asr_service, policy)
    hold = find_hold(observed)
    if problem or hold or isinstance(asr_service.spec, InvalidSpec):
        return Plan(spec_problem=problem, hold=hold)
    decided = knobs.decide_knobs(observed, asr_service.spec, tick, now)
    return Plan(_build_children(observed, asr_service.spec, policy, decided), knobs=decided)


def may_change(observed: Observed, policy: ServerPolicy) -> bool:
    """Return whether anything of a service may be changed now."""
    return find_spec_problem(observed.service, policy) is None and find_hold(observed) is None


def find_spec_problem(service: AsrService, policy: ServerPolicy) -> Problem | None:
    """Return what makes the spec unusable, or None."""
    if isinstance(service.spec, InvalidSpec):
        return Problem(Reason.INVALID_FIELD, f"{service.spec.message}. Correct it.")
    image = service.spec.runtime.image
    if image is None or image == policy.image:
        return None
    if any(fnmatchcase(image, pattern) for pattern in policy.image_patterns):
        return None
    return Problem(
        Reason.IMAGE_NOT_ALLOWED,
        f'The operator does not allow spec.runtime.image "{image}". Leave it out to run'
        f' "{policy.image}", or ask for it to be added to the operator\'s allow-list of images.',
    )


def find_hold(observed: Observed) -> Problem | None:
    """Return why nothing may be changed although the spec may be fine, or None."""
    if observed.service.paused:
        return Problem(
            Reason.PAUSED,
            f"Nothing is changed while the annotation {names.PAUSE_ANNOTATION} is set."
            " Remove it to go on.",
        )
    for child in observed.children:
        if child.controller_uid != observed.service.identity.uid:
            return Problem(
                Reason.NAME_TAKEN,
                f'The {child.kind} "{child.name}" exists and does not belong to this AsrService.'
                " Delete it, or give the AsrService another name.",
            )
    return None


def _build_children(
    observed: Observed, spec: AsrServiceSpec, policy: ServerPolicy, decided: Knobs
) -> tuple[Manifest, ...]:
    owner = observed.service.identity
    return (
        config_map.build_config_map(
            owner, spec, decided, observed.config.text if observed.config else None
        ),
        service.build_service(owner, spec, tls=rollout.speaks_tls(observed, spec)),
        disruption_budget.build_disruption_budget(owner),
        deployment.build_deployment(owner, spec, policy, decided),
    )
