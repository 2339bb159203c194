"""No tap is shipped that no term asks for: counted in bytes, at the teacher."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import safetensors.torch
from pydantic import TypeAdapter

from students.knowledge import Answer, Question
from students.models.build import build_model
from students.models.config import Weights
from students.models.in_a_row import PlainCnn
from students.objectives.config import ObjectiveConfig
from students.objectives.term import taps_of
from students.transfer_sets.config import Digits
from teachers.inference.inference_config import plain
from teachers.serving.answer_spec import AnswerSpec
from teachers.serving.host import TeacherHost, TeacherSpec
from tests.students import tiny

MODEL = PlainCnn(channels=(4, 8, 6))
SAMPLES, CLASSES, HALF = 32, 10, 2
ORDER = {"kind": "triplet_order", "layers": {"wide": "stage2"}, "guided": "hidden.0"}
LAYER = {"teacher": "wide", "hint": "stage1", "guided": "hidden.0"}
OTHER = {"teacher": "deep", "hint": "stage1", "guided": "hidden.0"}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> TeacherSpec:
    folder = tmp_path_factory.mktemp("shipped")
    model = build_model(MODEL, input_shape=(1, 8, 8), classes=CLASSES, seed=3, folder=folder)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    weights = Weights(path="model.safetensors")
    return TeacherSpec("wide", "teachers.wide", MODEL, weights, tiny.planned_data(Digits(), folder))


def test_a_layer_is_shipped_in_those_epochs_alone_in_which_a_term_counts(spec: TeacherSpec) -> None:
    config = TypeAdapter(ObjectiveConfig).validate_python(
        {
            "soft_targets": 1.0,
            "near": {"kind": "hint", "weight": {"kind": "stop", "value": 1, "epoch": 1}, **LAYER},
            "order": {**ORDER, "weight": {"kind": "linear", "start": 0, "end": 1, "epochs": 2}},
        }
    )
    host, asked = TeacherHost(spec), AnswerSpec(plain(1), taps_of(config)["wide"])
    ids = np.arange(SAMPLES)
    questions = [Question(0, ids, epoch, taps_of(config, epoch)) for epoch in range(3)]
    first, *later = host.answers(questions, asked)
    assert [each.shape[1:] for each in first.taps.values()] == [(8, 4, 4)]
    for each in later:
        assert [values.shape[1:] for values in each.taps.values()] == [(6,)]
        assert len(pickle.dumps(each)) < SAMPLES * HALF * (CLASSES + 6) + 1000
    assert all(np.array_equal(each.logits, first.logits) for each in later)


def answer(spec: TeacherSpec, terms: dict[str, Any]) -> Answer:
    """What the teacher ships to a student with these terms."""
    config = TypeAdapter(ObjectiveConfig).validate_python(terms)
    asked = AnswerSpec(plain(1), taps_of(config).get("wide", ()))
    return next(TeacherHost(spec).answers([Question(0, np.arange(SAMPLES))], asked))


TERMS: list[tuple[dict[str, Any], list[tuple[int, ...]]]] = [
    ({"soft_targets": 1.0}, []),
    ({"relation_distance": 1.0, "relation_angle": 1.0, "logit_l2": 1.0}, []),
    ({"soft_targets": 1.0, "near": {"kind": "hint", "weight": 0, **LAYER}}, []),
    ({"near": {"kind": "hint", **OTHER}}, []),
    ({"near": {"kind": "hint", **LAYER}}, [(8, 4, 4)]),
    ({"near": {"kind": "hint", "reduction": "pool", **LAYER}}, [(8,)]),
    ({"far": {"kind": "relation_angle", **LAYER}}, [(8,)]),
    ({"order": ORDER}, [(6,)]),
    (
        {
            "many": {"kind": "multi_group_hint", "groups": [LAYER, OTHER]},
            "near": {"kind": "hint", **LAYER},
            "far": {"kind": "relation_distance", **LAYER},
        },
        [(8, 4, 4), (8,)],
    ),
]  # fmt: skip
"""Terms, and the shapes per sample of what they ask of the teacher beside its logits."""


@pytest.mark.parametrize(("terms", "shapes"), TERMS)
def test_an_answer_is_as_many_bytes_as_its_logits_and_the_layers_asked_for(
    spec: TeacherSpec, terms: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    shipped = answer(spec, terms)
    assert shipped.logits.nbytes == SAMPLES * CLASSES * HALF
    assert sorted(each.shape[1:] for each in shipped.taps.values()) == sorted(shapes)
    asked = SAMPLES * HALF * sum(map(math.prod, shapes))
    assert sum(each.nbytes for each in shipped.taps.values()) == asked
    written = len(pickle.dumps(shipped)) - shipped.logits.nbytes
    assert asked <= written < asked + 1000
