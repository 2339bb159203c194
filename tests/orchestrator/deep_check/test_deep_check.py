"""What only data, models and files can show: every problem at once, each at its whole place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from orchestrator.deep_check.deep_check import DeepCheckResult, deep_check
from students.models.build import build_model
from students.models.in_a_row import Mlp
from tests import small

NORMALISED = """
from torch import nn
def make(input_shape, classes):
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, classes))
"""


def checked(folder: Path, *overrides: str) -> DeepCheckResult:
    return deep_check(small.loaded(folder, *overrides), folder / "cache")


def problems(folder: Path, *overrides: str) -> dict[str, str]:
    """The sentences by their places."""
    found = checked(folder, *overrides).problems
    assert len({problem.path for problem in found}) == len(found)
    return {problem.path: problem.message for problem in found}


def test_a_good_recipe_has_no_problems_and_its_hints_have_shapes(tmp_path: Path) -> None:
    found = checked(tmp_path)
    assert found.problems == []
    assert found.hint_shapes == {"wide/hidden.0": (64,)}
    assert found.transfer_set is not None
    assert found.transfer_set.classes == 10


def test_hints_have_the_shape_in_which_the_teacher_hands_them_over(tmp_path: Path) -> None:
    student = "student.model={kind: plain_cnn, channels: [4, 4]}"
    hint = "{kind: hint, teacher: deep, hint: stage1, guided: stage1"
    whole, pooled = (
        checked(tmp_path, student, f"student.objective.near={hint}{end}")
        for end in ("}", ", reduction: pool}")
    )
    assert whole.problems == pooled.problems == []
    assert whole.hint_shapes == {"deep/stage1": (4, 4, 4)}
    assert pooled.hint_shapes == {"deep/stage1:pool": (4,)}


def test_hints_of_weight_zero_are_not_checked(tmp_path: Path) -> None:
    found = checked(
        tmp_path, "student.objective.near.weight=0", "student.objective.near.hint=nowhere"
    )
    assert (found.problems, found.hint_shapes) == ([], {})


def test_all_problems_are_reported_at_once_each_at_its_whole_place(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "student.model={kind: custom, source: 'absent.py:make'}",
        "teachers.wide.model={kind: torchvision, name: resnet17}",
        "teachers.deep.train=null",
        "teachers.deep.weights=absent.pt",
    )
    assert set(found) == {
        "student.model.source", "teachers.wide.model.name", "teachers.deep.weights.path",
    }  # fmt: skip
    for place, sentence in found.items():
        assert sentence.startswith(f"`{place}` is "), sentence
        assert ";" in sentence


def test_both_ends_of_a_hint_are_named_by_their_places(tmp_path: Path) -> None:
    for end in ("hint", "guided"):
        [(place, sentence)] = problems(tmp_path, f"student.objective.near.{end}=hidden.1").items()
        assert place == f"student.objective.near.{end}"
        assert "'hidden.0'" in sentence


def test_layers_that_cannot_be_bridged_are_reported_with_both_shapes(tmp_path: Path) -> None:
    hint = "{kind: hint, teacher: deep, hint: stage1, guided: hidden.0}"
    found = problems(tmp_path, f"student.objective.near={hint}")
    assert "(16,)" in found["student.objective.near"]
    assert "(4, 4, 4)" in found["student.objective.near"]


MANY = (
    "student.objective.many={kind: multi_group_hint, groups: ["
    "{teacher: deep, hint: %s, guided: %s}, {teacher: wide, hint: %s, guided: hidden.0}]}"
)
ORDER = (
    "student.objective.order={kind: triplet_order, layers: {wide: %s, deep: stage1}, guided: %s}"
)
RELATION = "student.objective.far={kind: relation_%s, teacher: deep, hint: %s, guided: %s}"


def test_each_bad_layer_is_reported_once_at_its_own_place(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        MANY % ("stage9", "hidden.7", "hidden.8"),
        ORDER % ("hidden.6", "hidden.5"),
        RELATION % ("angle", "stage8", "hidden.4"),
    )
    far, many, order = (f"student.objective.{name}" for name in ("far", "many", "order"))
    assert set(found) == {
        f"{far}.hint", f"{far}.guided", f"{order}.layers.wide", f"{order}.guided",
        f"{many}.groups.0.hint", f"{many}.groups.0.guided", f"{many}.groups.1.hint",
    }  # fmt: skip
    for place, sentence in found.items():
        assert sentence.startswith(f"`{place}` is "), sentence


def test_of_several_levels_the_one_that_cannot_be_bridged_is_named(tmp_path: Path) -> None:
    [(place, sentence)] = problems(tmp_path, MANY % ("stage1", "hidden.0", "hidden.0")).items()
    assert place == "student.objective.many.groups.0"
    assert "(16,)" in sentence and "(4, 4, 4)" in sentence


def test_a_layer_that_the_gating_network_cannot_read_is_reported_at_its_place(
    tmp_path: Path,
) -> None:
    for layer in ("hidden.9", "nowhere"):
        gate = f"ensemble.weighting={{kind: adaptive, layer: {layer}}}"
        [(place, sentence)] = problems(tmp_path, gate).items()
        assert place == "ensemble.weighting.layer"
        assert sentence.startswith(f"`{place}` is '{layer}'") and "'hidden.0'" in sentence


def test_layers_of_relations_are_handed_over_as_one_vector_of_whatever_width(
    tmp_path: Path,
) -> None:
    found = checked(
        tmp_path, ORDER % ("hidden.0", "hidden.0"), RELATION % ("distance", "stage1", "hidden.0")
    )
    assert found.problems == []
    assert found.hint_shapes["deep/stage1:embedding"] == (4,)
    assert found.hint_shapes["wide/hidden.0:embedding"] == (64,)


def test_layers_of_a_model_that_cannot_be_built_are_not_checked(tmp_path: Path) -> None:
    deep = "teachers.deep.model={kind: torchvision, name: alexnet}"
    found = problems(tmp_path, deep, MANY % ("nowhere", "hidden.0", "hidden.0"))
    assert set(found) == {"teachers.deep.model.kind"}


def test_a_reduction_that_has_nothing_to_reduce_is_reported(tmp_path: Path) -> None:
    [(place, sentence)] = problems(tmp_path, "student.objective.near.reduction=pool").items()
    assert place == "student.objective.near.reduction"
    assert ";" in sentence


def test_a_batch_larger_than_the_samples_is_reported_where_only_the_data_can_show_it(
    tmp_path: Path,
) -> None:
    # Statically ten classes' shares may each round up, and classes that are left out still count.
    omit = "transfer_set.omit=[0, 1, 2, 3, 4, 5, 6, 7]"
    found = problems(tmp_path, omit)
    assert set(found) == {"student.train.batch_size"}
    assert "is 64, but there are only " in found["student.train.batch_size"]
    few = ("teachers.wide.train.fraction=0.05", "teachers.wide.train.batch_size=64")
    assert set(problems(tmp_path, *few)) == {"teachers.wide.train.batch_size"}


def test_data_that_cannot_be_read_are_the_only_problem(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "transfer_set.kind=image_folder",
        "transfer_set.root=nowhere",
        "student.objective.near.hint=nowhere",
    )
    assert set(found) == {"transfer_set.root"}


def test_headers_of_weights_are_checked_for_teachers_and_the_student(tmp_path: Path) -> None:
    other = build_model(
        Mlp(hidden=(64,)), input_shape=(1, 8, 8), classes=100, seed=0, folder=tmp_path
    )
    safetensors.torch.save_file(other.state_dict(), tmp_path / "w.safetensors")
    found = problems(
        tmp_path,
        "teachers.wide.train=null",
        "teachers.wide.weights=w.safetensors",
        "student.weights=w.safetensors",
    )
    assert {"teachers.wide.weights.path", "student.weights.path"} == set(found)
    assert "does not fit this model" in found["student.weights.path"]
    assert "select_outputs" in found["teachers.wide.weights.path"]


def test_a_student_from_other_classes_is_told_to_leave_the_last_layer_out(tmp_path: Path) -> None:
    model = Mlp(hidden=(64,))
    other = build_model(model, input_shape=(1, 8, 8), classes=100, seed=0, folder=tmp_path)
    safetensors.torch.save_file(other.state_dict(), tmp_path / "w")
    start = ("student.model.hidden=[64]", "student.weights.path=w")
    sentence = problems(tmp_path, *start)["student.weights.path"]
    assert "has 100 outputs (output.bias, output.weight), but 10 classes" in sentence
    assert "set `student.weights.leave_out: [output]`" in sentence
    found = checked(tmp_path, *start, "student.weights.leave_out=[output]")
    assert found.problems == []
    assert "starts with new ones: output.weight, output.bias." in found.notes[0]


def test_nothing_is_drawn_and_no_thread_is_changed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert problems(tmp_path) == {}
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_a_budget_smaller_than_one_view_is_reported_with_what_is_needed(tmp_path: Path) -> None:
    found = problems(tmp_path, "ensemble.bank.budget_gb=1.0e-6")
    assert list(found) == ["ensemble.bank.budget_gb"]
    sentence = found["ensemble.bank.budget_gb"]
    assert "one view of 249 samples answered by 2 teachers takes " in sentence
    least = sentence.partition("give at least ")[2].partition(",")[0]
    assert problems(tmp_path, f"ensemble.bank.budget_gb={least}") == {}
    assert problems(tmp_path, "ensemble.bank=none") == {}


def own_data(
    folder: Path, classes: int, tested: str, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """A recipe on data of a function; ``tested`` are the targets of its test part."""
    more = "" if names is None else f", 'class_names': {list(names)}"
    (folder / "own.py").write_text(
        "import numpy as np\n"
        "def make(**options):\n"
        "    rng = np.random.default_rng(0)\n"
        "    pictures = rng.integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)\n"
        f"    classes = np.arange(300) % {classes}\n"
        f"    tested = {tested}\n"
        "    test = pictures[:len(tested)], tested\n"
        f"    return {{'train': (pictures, classes), 'test': test{more}}}\n"
    )
    section = {"kind": "custom", "source": "own.py:make", "validation": 30}
    return small.recipe() | {"transfer_set": section}


def test_a_top_k_of_all_classes_of_ones_own_data_is_a_problem(tmp_path: Path) -> None:
    data = own_data(tmp_path, 3, "classes[:30]")
    data["ensemble"] = {"bank": {"top_k": 3}}
    loaded = small.loaded(tmp_path, data=data)
    found = deep_check(loaded, tmp_path / "cache").problems
    assert [problem.path for problem in found] == ["ensemble.bank.top_k"]
    assert "only 3 classes" in found[0].message


def test_a_class_that_the_test_part_lacks_is_noted(tmp_path: Path) -> None:
    data = own_data(tmp_path, 3, "classes[:30] % 2", ["cat", "dog", "owl"])
    [note] = deep_check(small.loaded(tmp_path, data=data), tmp_path / "cache").notes
    assert "1 of 3 classes of which the test part has no sample (owl)" in note


def test_class_maps_of_ones_own_data_are_held_to_its_classes(tmp_path: Path) -> None:
    data = own_data(tmp_path, 4, "classes[:2]")

    def messages(*settings: str) -> list[str]:
        loaded = small.loaded(tmp_path, *settings, data=data)
        found = deep_check(loaded, tmp_path / "cache")
        return [problem.message for problem in found.problems]

    [beyond] = messages("teachers.wide.classes=[1, 4]")
    assert beyond.startswith("`teachers.wide.classes` names 4, but the classes of custom are 0 to")
    [unknown] = messages("teachers.wide.classes=[1, 2]", "teachers.deep.classes=[0, 1]")
    assert unknown.startswith("`teachers` have `classes` that leave out 3, so no teacher would")
    [untested] = messages("teachers.wide.classes=[2, 3]")
    assert untested.startswith("`teachers.wide.classes` names classes of which the test part ")


def test_a_batch_has_no_more_samples_than_there_are_of_a_specialists_classes(
    tmp_path: Path,
) -> None:
    found = problems(tmp_path, "teachers.wide.classes=[3, 5]", "teachers.wide.train.batch_size=512")
    assert list(found) == ["teachers.wide.train.batch_size"]
    assert "there are only 2" in found["teachers.wide.train.batch_size"]


def path_of(*hidden: int, **more: str) -> str:
    own = more.get("own", "")
    entries = [f"{{model: {{kind: mlp, hidden: [{width}]}}{own}}}" for width in hidden]
    return f"schedule={{kind: assistants, path: [{', '.join(entries)}]}}"


def test_a_path_of_assistants_that_does_not_shrink_is_noted(tmp_path: Path) -> None:
    assert not any("shrink" in note for note in checked(tmp_path, path_of(48, 24)).notes)
    [note] = [each for each in checked(tmp_path, path_of(24, 48)).notes if "shrink" in each]
    assert note.startswith("`schedule.path` has models of 1,810, 3,610 parameters before")


def test_a_candidate_that_is_smaller_than_the_student_is_noted(tmp_path: Path) -> None:
    def candidates(*hidden: int) -> str:
        return path_of(*hidden).replace("path:", "path: auto, candidates:")

    assert not any("shrink" in note for note in checked(tmp_path, candidates(24, 48)).notes)
    [note] = [each for each in checked(tmp_path, candidates(24, 8)).notes if "shrink" in each]
    assert note.startswith("`schedule.candidates` has models of 1,810, 610 parameters before")


def test_a_layer_that_an_assistant_lacks_is_named_with_the_term_that_reads_it(
    tmp_path: Path,
) -> None:
    own = "{kind: hint, teacher: wide, hint: hidden.0, guided: hidden.7}"
    found = problems(tmp_path, path_of(24, own=f", objective: {{soft_targets: 1.0, look: {own}}}"))
    assert list(found) == ["schedule.path.0.objective.look.guided"]
    earlier = own.replace("wide", "assistants.1").replace("hidden.7", "hidden.0")
    later = f"student.objective={{soft_targets: 0.9, look: {earlier}}}"
    second = (
        f"{{model: {{kind: mlp, hidden: [20]}}, objective: {{soft_targets: 1, look: {earlier}}}}}"
    )
    two = f"schedule={{kind: assistants, path: [{{kind: mlp, hidden: [24]}}, {second}]}}"
    assert problems(tmp_path, two) == {}, "the first one has no objective of its own"
    assert problems(tmp_path, path_of(24), later) == {}


def test_a_teacher_of_which_a_part_is_left_out_is_reported(tmp_path: Path) -> None:
    state = build_model(
        Mlp(hidden=(64,)), input_shape=(1, 8, 8), classes=10, seed=0, folder=tmp_path
    ).state_dict()
    safetensors.torch.save_file(state | {"aux.bias": torch.zeros(3)}, tmp_path / "w")
    loaded = ("teachers.wide.train=null", "teachers.wide.weights.path=w")
    found = problems(tmp_path, *loaded, "teachers.wide.weights.leave_out=[aux, output]")
    [(place, sentence)] = found.items()
    assert place == "teachers.wide.weights.leave_out"
    assert "leaves out tensors of the model itself (output.weight)" in sentence
    result = checked(tmp_path, *loaded, "teachers.wide.weights.leave_out=[aux]")
    assert result.problems == []
    assert result.notes == ["`teachers.wide.weights` ('w'): left out of the file: aux.bias."]


def test_a_micro_batch_of_one_sample_is_reported_where_it_is_set(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NORMALISED)
    custom = ("student.model={kind: custom, source: 'net.py:make'}", "student.objective.near=null")
    assert problems(tmp_path, *custom) == {}
    [(place, sentence)] = problems(tmp_path, *custom, "student.train.micro_batch_size=1").items()
    assert place == "student.train.micro_batch_size"
    assert sentence.startswith("`student.train.micro_batch_size` is 1")


def test_classes_and_shifts_are_compared_with_what_the_data_have(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(
        "import numpy as np\n"
        "def make():\n"
        "    part = np.arange(80 * 64, dtype=np.uint8).reshape(80, 8, 8), np.arange(80) % 2\n"
        "    return {'train': part, 'test': part}\n"
    )
    own = (
        "transfer_set.kind=custom",
        "transfer_set.source=two.py:make",
        "transfer_set.validation=8",
    )
    for omit, expected in (("[1, 2]", "names 2, but"), ("[0, 1]", "names every class")):
        found = problems(tmp_path, *own, f"transfer_set.omit={omit}")
        assert expected in found["transfer_set.omit"], found
    shift = "transfer_set.augment={kind: shift, pixels: 8}"
    sentence = problems(tmp_path, *own, shift)["transfer_set.augment"]
    assert "up to 8 pixels, but they are 8 x 8" in sentence
