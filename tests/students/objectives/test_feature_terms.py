"""Every term on layers and relations, as the catalog builds it: who counts, what goes back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge, Tap
from students.objectives.config import ObjectiveConfig
from students.objectives.objective import build_objective
from students.objectives.relations import relation_angle_loss, relation_distance_loss
from students.objectives.softening import soften_one
from students.objectives.term import taps_of

TEACHERS = ("wide", "deep")
LAYER = {"teacher": "deep", "hint": "layer3", "guided": "features"}
TERMS = {
    "hint": {"kind": "hint", **LAYER},
    "levels": {
        "kind": "multi_group_hint",
        "groups": [LAYER, {"teacher": "wide", "hint": "layer2", "guided": "stem"}],
    },
    "distance": {"kind": "relation_distance", **LAYER},
    "angle": {"kind": "relation_angle", **LAYER},
    "distance_of_outputs": {"kind": "relation_distance"},
    "angle_of_outputs": {"kind": "relation_angle"},
    "order": {
        "kind": "triplet_order",
        "layers": {"wide": "layer2", "deep": "layer3"},
        "guided": "features",
    },
}
EACH = pytest.mark.parametrize("kind", TERMS)
OF_OUTPUTS = pytest.mark.parametrize("kind", ["distance_of_outputs", "angle_of_outputs"])


def _objective(kind, teachers=TEACHERS, temperature=2.0):
    config = TypeAdapter(ObjectiveConfig).validate_python({"term": TERMS[kind]})
    return build_objective(config, temperature=temperature, mean="arithmetic", teachers=teachers)


class MicroBatch:
    """What learner and teachers give for one micro-batch; leaves of the graph."""

    def __init__(self, objective, count=5, scale=1.0, dtype=torch.float64):
        self.objective = objective
        generator = torch.Generator().manual_seed(3)

        def some(*shape):
            values = torch.randn(*shape, generator=generator) * scale
            return values.to(dtype).requires_grad_()

        outputs = {"logits": some(count, 4)} | {name: some(count, 6) for name in objective.guided}
        self.outputs = outputs
        self.logits = some(2, count, 4)
        self.taps = {
            teacher: {tap.name: some(count, 6) for tap in taps}
            for teacher, taps in taps_of(objective.terms).items()
        }
        self.present = torch.ones(2, count, dtype=torch.bool)
        self.fallback_labels = None
        self.batch = Batch(
            torch.zeros(count, 1, 1, 1).byte(), torch.zeros(count).long(), np.arange(count), 0
        )

    def loss(self):
        known = torch.ones(2, 4, dtype=torch.bool)
        weights = self.present / self.present.sum(0).clamp(min=1)
        knowledge = Knowledge(
            self.logits, known, self.present, weights, self.taps, self.fallback_labels
        )
        return self.objective(self.outputs, self.batch, knowledge)[0]

    def gradients(self):
        for leaf in self.outputs.values():
            leaf.grad = None
        self.loss().backward()
        return {
            name: torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
            for name, leaf in self.outputs.items()
        }


@EACH
def test_no_term_sends_a_gradient_into_a_teacher(kind):
    micro_batch = MicroBatch(_objective(kind))
    gradients = micro_batch.gradients()
    assert micro_batch.logits.grad is None
    assert all(tap.grad is None for taps in micro_batch.taps.values() for tap in taps.values())
    assert any(bool(each.abs().sum() > 0) for each in gradients.values())


@EACH
def test_what_an_absent_teacher_hands_over_does_not_matter(kind):
    micro_batch = MicroBatch(_objective(kind))
    micro_batch.present[:, 0] = False
    micro_batch.present[1, 2] = False
    before, gradients = micro_batch.loss(), micro_batch.gradients()
    with torch.no_grad():
        micro_batch.logits[:, 0] = torch.nan
        micro_batch.logits[1, 2] = torch.inf
        for tap in micro_batch.taps.get("deep", {}).values():
            tap[2] = torch.nan
        for taps in micro_batch.taps.values():
            for tap in taps.values():
                tap[0] = torch.inf
    assert torch.equal(micro_batch.loss(), before)
    after = micro_batch.gradients()
    assert all(torch.equal(after[name], gradients[name]) for name in after)
    for name in micro_batch.outputs:
        assert torch.equal(after[name][0], torch.zeros_like(after[name][0]))


@EACH
def test_without_answers_loss_and_gradient_are_zero(kind):
    micro_batch = MicroBatch(_objective(kind))
    micro_batch.present[:] = False
    assert micro_batch.loss().item() == 0.0
    assert all(
        torch.equal(each, torch.zeros_like(each)) for each in micro_batch.gradients().values()
    )


@EACH
@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 5),
    equal=st.integers(0, 5),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    half=st.booleans(),
)
def test_hard_cases_have_finite_losses_and_gradients(kind, count, equal, scale, half):
    dtype = torch.bfloat16 if half else torch.float32
    micro_batch = MicroBatch(_objective(kind), count, scale, dtype)
    with torch.no_grad():
        for each in (*micro_batch.outputs.values(), *micro_batch.logits):
            each[:equal] = 1.0
    loss = micro_batch.loss()
    assert loss.dtype == torch.float32 and bool(loss.isfinite())
    assert all(bool(each.isfinite().all()) for each in micro_batch.gradients().values())


@pytest.mark.parametrize("kind", [kind for kind in TERMS if not kind.endswith("_of_outputs")])
def test_a_teacher_that_is_not_there_is_named_at_its_place(kind):
    places = {
        "levels": "objective.term.groups.0.teacher",
        "order": "objective.term.layers.deep",
    }
    with pytest.raises(ObjectiveError, match="'deep', which is not among the teachers") as caught:
        _objective(kind, teachers=("wide",))
    assert caught.value.path == places.get(kind, "objective.term.teacher")


def test_taps_and_guided_layers_are_what_the_terms_ask_for():
    objective = _objective("levels")
    assert taps_of(objective.terms) == {"deep": (Tap("layer3"),), "wide": (Tap("layer2"),)}
    assert [each.layer for each in objective.guided.values()] == ["features", "stem"]
    objective = _objective("order")
    vector = "embedding"
    assert taps_of(objective.terms) == {
        "wide": (Tap("layer2", vector),),
        "deep": (Tap("layer3", vector),),
    }
    assert [each.hint for each in objective.guided.values()] == [None]
    assert not taps_of(_objective("angle_of_outputs").terms)


@OF_OUTPUTS
def test_outputs_are_compared_as_distributions_at_one_temperature(kind):
    micro_batch = MicroBatch(_objective(kind, temperature=3.0))
    loss = relation_distance_loss if kind.startswith("distance") else relation_angle_loss
    target = torch.stack([soften_one(each, 3.0) for each in micro_batch.logits]).mean(0)
    expected = loss(soften_one(micro_batch.outputs["logits"], 3.0), target)
    torch.testing.assert_close(micro_batch.loss(), expected)


@OF_OUTPUTS
def test_a_student_that_agrees_with_the_ensemble_has_no_loss(kind):
    micro_batch = MicroBatch(_objective(kind))
    with torch.no_grad():
        micro_batch.logits[:] = micro_batch.outputs["logits"] + 5.0
    assert micro_batch.loss().item() == pytest.approx(0.0, abs=1e-20)


@OF_OUTPUTS
def test_samples_with_a_fallback_label_are_left_out(kind):
    micro_batch = MicroBatch(_objective(kind))
    micro_batch.fallback_labels = torch.tensor([-1, 2, -1, -1, -1])
    gradient = micro_batch.gradients()["logits"]
    assert torch.equal(gradient[1], torch.zeros_like(gradient[1]))
    assert bool((gradient[[0, 2, 3, 4]].abs().sum(1) > 0).all())


def test_votes_do_not_depend_on_the_order_of_the_teachers():
    names = list(TERMS["order"]["layers"].items())
    losses = []
    for layers in (dict(names), dict(reversed(names))):
        config = {"term": TERMS["order"] | {"layers": layers}}
        built = TypeAdapter(ObjectiveConfig).validate_python(config)
        objective = build_objective(built, temperature=1.0, mean="arithmetic", teachers=TEACHERS)
        micro_batch = MicroBatch(_objective("order"))
        micro_batch.objective = objective
        losses.append(micro_batch.loss())
    assert torch.equal(*losses)


def test_levels_of_other_shapes_than_their_hints_are_refused_with_both():
    micro_batch = MicroBatch(_objective("levels"))
    micro_batch.taps["wide"]["layer2"] = torch.zeros(5, 9)
    with pytest.raises(ObjectiveError, match=r"\(5, 6\).*'layer2' of 'wide'.*\(5, 9\)") as caught:
        micro_batch.loss()
    assert caught.value.path == "objective.term.groups.1"
