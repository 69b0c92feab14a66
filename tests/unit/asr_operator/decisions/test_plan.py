from dataclasses import replace

import pytest

from asr_operator.api.names import Reason
from asr_operator.api.spec import InvalidSpec, Runtime
from asr_operator.decisions import plan
from asr_operator.state.observed import ObservedChild


@pytest.fixture
def plan_for(blind, now):
    """Plan without knowing any load."""
    return lambda seen, policy: plan.plan_children(seen, policy, blind, now)


def test_a_new_service_gets_every_child_and_what_others_need_comes_first(
    plan_for, observed, policy
):
    planned = plan_for(observed(), policy)
    assert [child["kind"] for child in planned.children] == [
        "ConfigMap",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
    ]
    assert (planned.spec_problem, planned.hold) == (None, None)


def test_the_plan_does_not_depend_on_what_is_already_there(plan_for, observed, policy, children):
    assert plan_for(observed(children=children), policy) == plan_for(observed(), policy)


def test_a_paused_service_is_not_changed(plan_for, observed, policy):
    planned = plan_for(observed(paused=True), policy)
    assert planned.children == ()
    assert planned.hold.reason == Reason.PAUSED
    assert "Remove it" in planned.hold.message


def test_a_spec_that_cannot_be_used_changes_nothing(plan_for, observed, policy):
    planned = plan_for(observed(InvalidSpec("spec.model: set one")), policy)
    assert planned.children == ()
    assert planned.spec_problem.reason == Reason.INVALID_FIELD
    assert planned.spec_problem.message == "spec.model: set one. Correct it."


@pytest.mark.parametrize(
    ("image", "patterns", "allowed"),
    [
        (None, (), True),
        ("registry.example/asr-server:1", (), True),
        ("registry.example/asr-server:2", (), False),
        ("registry.example/asr-server:2", ("registry.example/*",), True),
        ("registry.example/a/b:2", ("registry.example/*",), True),
        ("registry.example.evil/a:2", ("registry.example/*",), False),
        ("evil/registry.example/a:2", ("registry.example/*",), False),
        ("registry.example/a:2", ("registry.example/b:*", "registry.example/a:?"), True),
        ("REGISTRY.example/a:2", ("registry.example/*",), False),
    ],
)
def test_only_allowed_images_run(plan_for, observed, policy, demo_spec, image, patterns, allowed):
    seen = observed(demo_spec(runtime=Runtime(image=image)))
    planned = plan_for(seen, replace(policy, image_patterns=patterns))
    assert bool(planned.children) is allowed
    if not allowed:
        assert planned.spec_problem.reason == Reason.IMAGE_NOT_ALLOWED
        assert image in planned.spec_problem.message
        assert "spec.runtime.image" in planned.spec_problem.message


@pytest.mark.parametrize("controller", [None, "uid-of-another"])
def test_an_object_of_somebody_else_is_left_alone(plan_for, observed, policy, children, controller):
    foreign = ObservedChild("Deployment", "demo", controller)
    planned = plan_for(observed(children=(*children[1:], foreign)), policy)
    assert planned.children == ()
    assert planned.hold.reason == Reason.NAME_TAKEN
    assert 'The Deployment "demo" exists' in planned.hold.message


def test_a_paused_service_still_learns_that_its_spec_is_bad(plan_for, observed, policy):
    planned = plan_for(observed(InvalidSpec("spec.model: set one"), paused=True), policy)
    assert planned.hold.reason == Reason.PAUSED
    assert planned.spec_problem.reason == Reason.INVALID_FIELD
