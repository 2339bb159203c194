"""Label smoothing is an option of a teacher's own training."""

from dataclasses import replace

from teachers.config import TeacherConfig
from tests.students import tiny


def _trained_teacher(folder, task):
    config = TeacherConfig.model_validate(
        {"model": {"kind": "mlp", "hidden": (8,)}, "train": {"objective": {"task": task}}}
    )
    spec = tiny.spec(config.model, taught=False, epochs=6, checkpoint={"every": 24})
    tiny.train(folder, replace(spec, objective=config.train.objective))
    losses = [row["loss"] for kind, _, row in tiny.measured(folder) if kind == "step"]
    return tiny.outcome(folder), losses


def test_a_teacher_may_be_trained_with_smoothed_labels(tmp_path):
    smoothed, losses = _trained_teacher(tmp_path / "smoothed", {"label_smoothing": 0.1})
    plain, _ = _trained_teacher(tmp_path / "plain", {})
    assert len(losses) == 24 and sum(losses[-4:]) < sum(losses[:4])
    assert smoothed.weights_sha256 != plain.weights_sha256
