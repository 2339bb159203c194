import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge, Tap
from students.objectives.config import ObjectiveConfig
from students.objectives.cross_entropy import task_loss
from students.objectives.hint import hint_loss
from students.objectives.objective import build_objective
from students.objectives.soft_targets import soft_target_loss
from students.objectives.softening import soften, soften_one
from students.objectives.squared_distance import logit_l2_loss
from students.objectives.term import taps_of
from tests.golden.cases import golden, tensor

TEACHERS = ("wide", "deep")
HINT = {"kind": "hint", "teacher": "deep", "hint": "layer3", "guided": "hidden.0"}


def _config(**terms):
    return TypeAdapter(ObjectiveConfig).validate_python(terms)


def _build(teachers=TEACHERS, temperature=4.0, mean="arithmetic", **terms):
    return build_objective(_config(**terms), temperature=temperature, mean=mean, teachers=teachers)


def _batch(targets):
    count = len(targets)
    return Batch(
        torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.tensor(targets), np.arange(count), 0
    )


def _knowledge(logits, present=None, taps=None):
    teachers, batch, classes = logits.shape
    present = torch.ones(teachers, batch, dtype=torch.bool) if present is None else present
    return Knowledge(
        logits,
        torch.ones(teachers, classes, dtype=torch.bool),
        present,
        present / present.sum(0).clamp(min=1),
        taps or {},
    )


def _some(seed=0):
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(3, 4, generator=generator)
    return student, torch.randn(2, 3, 4, generator=generator)


def test_total_of_task_and_soft_targets_is_that_computed_independently():
    case = golden("kd_total_alpha_on_soft")
    objective = _build(
        teachers=("one",),
        temperature=case.params["T"],
        task=1 - case.params["alpha"],
        soft_targets=case.params["alpha"],
    )
    loss, _ = objective(
        {"logits": tensor(case.inputs["student_logits"])},
        _batch(case.inputs["labels"]),
        _knowledge(tensor([case.inputs["teacher_logits"]])),
    )
    assert loss.item() == pytest.approx(case.expected["loss"], abs=case.tol)


def test_values_have_no_weight_and_no_gradient_and_the_recipes_order():
    student, teachers = _some()
    student.requires_grad_()
    objective = _build(soft_targets=0.9, task=0.5, logit_l2=0.25)
    batch, knowledge = _batch([0, 1, -1]), _knowledge(teachers)
    loss, values = objective({"logits": student}, batch, knowledge)
    assert tuple(objective.terms) == tuple(values) == ("soft_targets", "task", "logit_l2")
    torch.testing.assert_close(values["task"], task_loss(student.detach(), batch.targets))
    torch.testing.assert_close(
        values["logit_l2"], logit_l2_loss(student.detach(), teachers.mean(0))
    )
    weighted = 0.9 * values["soft_targets"] + 0.5 * values["task"] + 0.25 * values["logit_l2"]
    torch.testing.assert_close(loss.detach(), weighted)
    assert loss.requires_grad and not any(value.requires_grad for value in values.values())


def test_a_term_of_weight_one_alone_is_the_pure_loss_bit_for_bit():
    student, teachers = _some(1)
    batch, knowledge = _batch([0, 1, 2]), _knowledge(teachers)
    outputs = {"logits": student}
    loss, values = _build(task=1.0, soft_targets=0.0)(outputs, batch, knowledge)
    assert torch.equal(loss, task_loss(student, batch.targets)) and list(values) == ["task"]
    loss, values = _build(task=0.0, soft_targets=1.0)(outputs, batch, knowledge)
    target = (soften_one(teachers[0], 4.0) + soften_one(teachers[1], 4.0)) / 2
    torch.testing.assert_close(loss, soft_target_loss(student, target, temperature=4.0))
    assert list(values) == ["soft_targets"]


def test_a_term_of_weight_zero_is_not_computed_and_asks_for_nothing():
    objective = _build(teachers=(), task=1.0, soft_targets=0.0, far={**HINT, "weight": 0.0})
    nobody = _knowledge(torch.empty(0, 3, 4))
    student, _ = _some()
    objective({"logits": student}, _batch([0, 1, 2]), nobody)
    assert dict(taps_of(objective.terms)) == {} and dict(objective.guided) == {}


def test_a_terms_own_temperature_is_preferred_to_the_ensembles():
    student, teachers = _some(2)
    batch, knowledge = _batch([0, 1, 2]), _knowledge(teachers)
    outputs = {"logits": student}
    own, _ = _build(temperature=4.0, soft_targets={"temperature": 2.0})(outputs, batch, knowledge)
    ensembles, _ = _build(temperature=2.0, soft_targets={})(outputs, batch, knowledge)
    other, _ = _build(temperature=4.0, soft_targets={})(outputs, batch, knowledge)
    assert torch.equal(own, ensembles) and not torch.equal(own, other)


def test_the_ensembles_mean_reaches_the_soft_targets():
    student, teachers = _some(3)
    knowledge = _knowledge(teachers)
    loss, _ = _build(mean="geometric", soft_targets=1.0)(
        {"logits": student}, _batch([0, 1, 2]), knowledge
    )
    target = soften(
        teachers,
        knowledge.weights,
        knowledge.known,
        knowledge.present,
        temperature=4.0,
        mean="geometric",
    )
    assert torch.equal(loss, soft_target_loss(student, target, temperature=4.0))


def test_hints_ask_their_teacher_for_each_tap_once():
    objective = _build(
        one=HINT,
        two={**HINT, "guided": "hidden.1"},
        three={**HINT, "hint": "layer2", "reduction": "pool"},
        four={**HINT, "teacher": "wide"},
    )
    assert dict(taps_of(objective.terms)) == {
        "deep": (Tap("layer3"), Tap("layer2", "pool")),
        "wide": (Tap("layer3"),),
    }
    assert {name: guided.layer for name, guided in objective.guided.items()} == {
        "one": "hidden.0",
        "two": "hidden.1",
        "three": "hidden.0",
        "four": "hidden.0",
    }


def test_a_tap_is_asked_for_in_the_epochs_of_its_terms():
    stop = {"kind": "stop", "value": 1.0, "epoch": 2}
    start = {"kind": "stop", "value": 0.0, "epoch": 1, "after": 1.0}
    terms = {
        "soft_targets": {},
        "one": {**HINT, "weight": stop},
        "two": {**HINT, "hint": "layer2", "weight": start},
        "three": {**HINT, "teacher": "wide"},
    }
    objective, wide = _build(**terms), {"wide": (Tap("layer3"),)}
    assert taps_of(objective.terms) == {"deep": (Tap("layer3"), Tap("layer2")), **wide}
    assert [taps_of(objective.terms, epoch) for epoch in range(3)] == [
        {"deep": (Tap("layer3"),), **wide},
        {"deep": (Tap("layer3"), Tap("layer2")), **wide},
        {"deep": (Tap("layer2"),), **wide},
    ]


def test_a_hint_counts_the_samples_of_its_own_teacher_only():
    student, teachers = _some(4)
    adapted, hint = torch.randn(3, 5), torch.randn(3, 5)
    hint[1] = torch.nan
    present = torch.tensor([[True, True, True], [True, False, True]])
    knowledge = _knowledge(teachers, present, {"deep": {"layer3:pool": hint}})
    objective = _build(near={**HINT, "reduction": "pool"})
    loss, _ = objective({"logits": student, "near": adapted}, _batch([0, 1, 2]), knowledge)
    torch.testing.assert_close(loss, hint_loss(adapted[[0, 2]], hint[[0, 2]]))


def test_a_hint_of_another_shape_is_refused_and_not_broadcast():
    student, teachers = _some()
    knowledge = _knowledge(teachers, taps={"deep": {"layer3": torch.zeros(1, 5)}})
    outputs = {"logits": student, "near": torch.zeros(3, 5)}
    with pytest.raises(ObjectiveError, match=r"`objective\.near` .* \(3, 5\).* \(1, 5\)"):
        _build(near=HINT)(outputs, _batch([0, 1, 2]), knowledge)


@pytest.mark.parametrize("term", ["soft_targets", "logit_l2"])
def test_learning_from_teachers_where_there_are_none_is_refused(term):
    objective = _build(teachers=(), task=1.0, **{term: 0.5})
    with pytest.raises(
        ObjectiveError, match=f"`objective.{term}` .* none; add a teacher"
    ) as caught:
        objective(
            {"logits": torch.zeros(3, 4)}, _batch([0, 1, 2]), _knowledge(torch.empty(0, 3, 4))
        )
    assert caught.value.path == f"objective.{term}"


def test_an_objective_without_any_weight_is_refused():
    with pytest.raises(ObjectiveError, match="`objective` has 1 terms"):
        _build(task=0.0)


def test_a_hint_of_an_unknown_teacher_is_refused_by_name():
    with pytest.raises(ObjectiveError, match=r"`objective\.near\.teacher` is 'deep'.*\(wide\)"):
        _build(teachers=("wide",), near=HINT)
