import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from students.errors import ModelError
from students.objectives.adapters import build_adapter
from students.training.learner import Learner, module_name


class Scale(nn.Module):
    def forward(self, pictures):
        return pictures.float() / 255


def _model():
    return nn.Sequential(nn.Flatten(1), nn.Linear(12, 5), nn.ReLU(inplace=True), nn.Linear(5, 3))


def _inputs():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 3, 2, 2), generator=generator, dtype=torch.uint8)


def _learner(*terms):
    guided = {term: ("1", build_adapter((5,), (7,), seed=0)) for term in terms}
    return Learner(Scale(), _model(), guided)


def test_outputs_are_the_students_logits_and_each_adapted_layer():
    learner = _learner("near", "far")
    outputs = learner(_inputs())
    assert set(outputs) == {"logits", "near", "far"}
    pictures = Scale()(_inputs())
    torch.testing.assert_close(outputs["logits"], learner.model(pictures))
    layer = learner.model[1](pictures.flatten(1))
    torch.testing.assert_close(outputs["near"], learner.adapters["near"](layer))


def test_a_learner_without_hints_is_the_student_alone():
    learner = Learner(Scale(), _model())
    assert set(learner(_inputs())) == {"logits"}
    assert all(name.startswith("model.") for name in learner.state_dict())


def test_weights_are_named_by_model_and_by_term():
    assert set(_learner("near").state_dict()) == {
        *(f"model.{layer}.{part}" for layer in (1, 3) for part in ("weight", "bias")),
        "adapters.near.weight",
        "adapters.near.bias",
    }


def test_a_hint_teaches_its_adapter_and_the_layers_up_to_the_guided_one_only():
    learner = _learner("near")
    learner(_inputs())["near"].square().sum().backward()
    assert learner.adapters["near"].weight.grad.abs().sum() > 0
    assert learner.model[1].weight.grad.abs().sum() > 0
    assert learner.model[3].weight.grad is None


def test_the_student_carries_no_hooks_between_passes_and_can_be_exported_alone():
    learner = _learner("near").eval()
    learner(_inputs())
    assert not any(module._forward_hooks for module in learner.modules())
    exported = torch.export.export(learner.model, (Scale()(_inputs()),)).module()
    pictures = Scale()(_inputs())
    torch.testing.assert_close(exported(pictures), learner.model(pictures))


def test_a_copy_records_its_own_layers():
    learner = _learner("near")
    again = copy.deepcopy(learner)
    with torch.no_grad():
        learner.model[1].weight.zero_()
    assert not torch.equal(again(_inputs())["near"], learner(_inputs())["near"])


@pytest.mark.parametrize("term", ["a.b", "train", "keys", "100%", "hints", "forward"])
def test_terms_of_any_name_have_an_adapter(term):
    learner = _learner(term)
    assert set(learner(_inputs())) == {"logits", term}
    assert len([name for name in learner.state_dict() if name.startswith("adapters.")]) == 2


@given(st.text(min_size=1), st.text(min_size=1))
def test_different_terms_have_different_modules(one, other):
    assert (module_name(one) == module_name(other)) == (one == other)
    assert "." not in module_name(one) and not hasattr(nn.ModuleDict(), module_name(one))


def test_a_guided_layer_that_is_not_there_is_refused():
    with pytest.raises(ModelError, match="'seven'"):
        Learner(Scale(), _model(), {"near": ("seven", nn.Linear(5, 7))})
