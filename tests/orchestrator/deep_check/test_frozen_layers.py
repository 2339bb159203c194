"""What the deep check finds in the two stages of a student: frozen layers, the first stage."""

from __future__ import annotations

from pathlib import Path

from tests.orchestrator.deep_check.test_deep_check import NORMALISED, checked, problems


def stages(freeze: str, first: str = "objective: {soft_targets: 1.0}") -> str:
    return f"schedule={{kind: two_stage, first: {{{first}}}, freeze: {freeze}}}"


def test_layers_to_freeze_are_there_and_leave_something_to_train(tmp_path: Path) -> None:
    assert problems(tmp_path, stages("[hidden.0]")) == {}
    [(place, sentence)] = problems(tmp_path, stages("[hidden.0, hiden.0.linear]")).items()
    assert place == "schedule.freeze.1"
    assert sentence.startswith("`schedule.freeze.1` is 'hiden.0.linear', which is not a layer of ")
    assert "'hidden.0.linear'" in sentence
    [(place, sentence)] = problems(tmp_path, stages("[hidden.0.activation]")).items()
    assert (place, "has no parameters" in sentence) == ("schedule.freeze.0", True)
    [(place, sentence)] = problems(tmp_path, stages("[hidden, output]")).items()
    assert place == "schedule.freeze"
    assert "is ['hidden', 'output'], which holds every parameter of the student" in sentence


def test_a_term_whose_layers_are_all_frozen_is_noted(tmp_path: Path) -> None:
    two = ("student.model.hidden=[16, 16]", "student.objective.near.guided=hidden.1")

    def noted(*overrides: str) -> list[str]:
        return [each for each in checked(tmp_path, *two, *overrides).notes if "frozen" in each]

    [note] = noted(stages("[hidden]"))
    assert note.startswith("`student.objective.near` looks at 'hidden.1', where all is frozen")
    assert noted(stages("[hidden.1]")) == [], "what is before it learns"
    assert noted(stages("[hidden.0]")) == noted(stages("[]")) == noted() == []


def test_a_first_stage_is_checked_at_its_own_place(tmp_path: Path) -> None:
    look = "{kind: hint, teacher: deep, hint: stage1, guided: hidden.7}"
    found = problems(tmp_path, stages("[]", f"objective: {{look: {look}}}"))
    assert list(found) == ["schedule.first.objective.look.guided"]
    result = checked(tmp_path, stages("[]", f"objective: {{look: {look.replace('7', '0')}}}"))
    assert list(result.hint_shapes) == ["deep/stage1", "wide/hidden.0"], "each stage's"
    (tmp_path / "net.py").write_text(NORMALISED)
    custom = ("student.model={kind: custom, source: 'net.py:make'}", "student.objective.near=null")
    found = problems(tmp_path, *custom, stages("[]", "train: {micro_batch_size: 1}"))
    assert list(found) == ["schedule.first.train.micro_batch_size"]
