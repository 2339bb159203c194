from dataclasses import replace

import torch

from students.models.custom import CustomModel
from students.models.in_a_row import PlainCnn
from students.objectives.teacher_gate import Gating
from students.objectives.term import Guided, HintLayer
from students.training.build import build_learner
from students.transfer_sets.catalog import load_transfer_set
from tests.students.tiny import DATA, assignment, spec

VIEWING = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.stage1 = nn.Conv2d(1, 3, 3, padding=1)
        self.output = nn.Linear(192, classes)

    def forward(self, pictures):
        return self.output(self.stage1(pictures).view(len(pictures), -1))

def net(input_shape, classes):
    return Net(classes)
"""


def _features_are_channels_last(model, tmp_path):
    """Of the learner's first stage, for digits of one channel, after one way forth and back."""
    found = []
    transfer_set = load_transfer_set(DATA, folder=tmp_path, cache=tmp_path / "cache")
    of = replace(spec(), model=model)
    learner = build_learner(assignment(tmp_path / "stage", of), transfer_set, {})
    learner.model.stage1.register_forward_hook(lambda _, args, output: found.append(output))
    learner(transfer_set.inputs[:4])["logits"].sum().backward()
    return found[0].is_contiguous(memory_format=torch.channels_last)


def test_our_own_models_compute_channels_last(tmp_path):
    assert _features_are_channels_last(PlainCnn(channels=(3,)), tmp_path)


def test_a_model_of_the_users_may_view_features_as_it_likes(tmp_path):
    (tmp_path / "net.py").write_text(VIEWING)
    assert not _features_are_channels_last(CustomModel(source="net.py:net"), tmp_path)


def test_a_learner_gives_each_layer_in_the_shape_that_its_term_compares(tmp_path):
    transfer_set = load_transfer_set(DATA, folder=tmp_path, cache=tmp_path / "cache")
    maps, vector = HintLayer("wide", "layer", "none"), HintLayer("wide", "layer", "embedding")
    guided = {
        "many#0": Guided("stage1", maps),
        "many#1": Guided("stage2", vector),
        "order": Guided("stage2", None),
    }
    of = replace(
        spec(),
        model=PlainCnn(channels=(3, 3, 5)),
        gate=Gating(layer="stage2", detached=False, penalty=0.1, learns_for=None),
    )
    task = assignment(tmp_path / "stage", of, hint_shapes={maps.name: (7, 2, 2), vector.name: (6,)})
    learner = build_learner(task, transfer_set, guided)
    outputs = learner(transfer_set.inputs[:4])
    assert outputs["many#0"].shape == (4, 7, 2, 2)
    assert outputs["many#1"].shape == (4, 6)
    assert outputs["order"].shape == (4, 5)
    trained = {name.rsplit(".", 1)[0] for name, _ in learner.named_parameters()}
    assert not any("order" in name for name in trained), "a vector per sample has nothing to learn"
    for name in ("many#0", "many#1"):
        assert any(f"adapters.{name}" in each for each in trained)
