"""How long batches take in a simulation, and where that is known from. Pure.

The first of these that there is:
1. What the user says.
2. A named profile that the user asks for.
3. What Prometheus recorded of batches.
4. What the decisions in status.scalingHistory were made on.
5. The named profile that the spec is most like.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from asr_operator.api.scaling_status import ScalingRecord
from asr_operator.api.spec import AsrServiceSpec, DemoModel
from asr_operator.autoscaler.service_model import ServiceModel
from asr_operator.kubectl import phrases
from asr_operator.simulation.profiles import Costs


@dataclass(frozen=True, slots=True)
class NamedProfile:
    """A kind of server pod; it is ready `cold_start_s` (from, to) after its creation."""

    costs: Costs
    cold_start_s: tuple[float, float]
    what: str


PROFILES = {
    "demo-cpu": NamedProfile(
        Costs(0.004, 0.0011), (15.0, 40.0), "the demo models on one CPU thread, measured"
    ),
    "large-cpu": NamedProfile(
        Costs(0.1, 0.04), (15.0, 40.0), "a large model on a CPU, assumed and not measured"
    ),
    "large-gpu": NamedProfile(
        Costs(0.0, 0.03, floor_s=0.4),
        (40.0, 80.0),
        "a large model on a small GPU, assumed and not measured",
    ),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user says of it; None where nothing was said."""

    profile: str | None = None
    start_ms: float | None = None
    audio_ms: float | None = None


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """The costs of a batch, how long pods take to start, and where the costs are known from."""

    costs: Costs
    cold_start_s: tuple[float, float]
    source: str


def choose_service_times(
    wish: Wish,
    spec: AsrServiceSpec,
    history: Iterable[ScalingRecord],
    recorded: ServiceModel,
) -> ServiceTimes:
    """Return the first that there is; `recorded` has no points where nothing was."""
    likely = wish.profile or _find_likely_profile(spec)
    cold_start_s = PROFILES[likely].cold_start_s
    if wish.start_ms is not None and wish.audio_ms is not None:
        costs = Costs(wish.start_ms / 1000, wish.audio_ms / 1000)
        return ServiceTimes(costs, cold_start_s, "as the flags say")
    if wish.profile is None and recorded.points:
        known = phrases.render_count(recorded.points, "point")
        source = f"learned from {known} that Prometheus recorded"
        return ServiceTimes(_read_costs(recorded), cold_start_s, source)
    learned = learn_from_history(history)
    if wish.profile is None and learned.points:
        known = phrases.render_count(learned.points, "decision")
        source = f"learned from {known} in status.scalingHistory"
        return ServiceTimes(_read_costs(learned), cold_start_s, source)
    source = f"profile {likely}: {PROFILES[likely].what}"
    return ServiceTimes(PROFILES[likely].costs, cold_start_s, source)


def learn_from_history(history: Iterable[ScalingRecord]) -> ServiceModel:
    """Return the model that the rounds behind the decisions on record teach."""
    model = ServiceModel()
    for record in history:
        inputs = dict(record.inputs)
        batch_ms, cost_ms = (_read_number(inputs.get(key)) for key in ("batchMs", "costMs"))
        if batch_ms > 0 and cost_ms > 0:
            model = model.learn(batch_ms / cost_ms, batch_ms / 1000)
    return model


def describe_costs(costs: Costs) -> str:
    """Return how long a batch takes, in words."""
    floor = f", at least {1000 * costs.floor_s:.3g} ms" if costs.floor_s else ""
    return (
        f"a batch takes {1000 * costs.start_s:.3g} ms and {1000 * costs.audio_s:.3g} ms for each"
        f" padded second of audio{floor}"
    )


def _read_costs(model: ServiceModel) -> Costs:
    return Costs(max(0.0, model.predict_s(0.0)), model.slope)


def _find_likely_profile(spec: AsrServiceSpec) -> str:
    if spec.runtime.device == "cuda":
        return "large-gpu"
    return "demo-cpu" if isinstance(spec.model, DemoModel) else "large-cpu"


def _read_number(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
