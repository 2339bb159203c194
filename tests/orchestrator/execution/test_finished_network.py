"""Claims about where a finished model's weights lie, and what runs it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.execution.finished_network import device, model_spec, weights_of
from orchestrator.home.store import Store
from students.config import Resources
from students.models.config import Weights
from students.specs import StageOutput
from teachers.serving.host import TeacherSpec
from tests import small

LOADED = (
    "teachers.wide={model: {kind: mlp, hidden: [64]}, weights: {path: w, key: ema}, "
    "precision: bf16, resources: {gpus: 1}}"
)


def spec_of(folder: Path, *overrides: str, threads: int = 1) -> TeacherSpec:
    """What teacher ``wide`` is run from."""
    stage = small.planned(folder, *overrides).stage("student")
    ref = stage.teachers[0]
    return model_spec(ref, ref.name, stage, Store(folder / "home"), threads, ref.resources)


def test_a_teacher_trained_here_has_the_weights_that_its_stage_left(tmp_path: Path) -> None:
    graph, spec = small.planned(tmp_path), spec_of(tmp_path, threads=2)
    stage = tmp_path / "home" / "stages" / graph.stage("teachers.wide").digest
    (stage / "outcome" / "model").mkdir(parents=True)
    spec = spec_of(tmp_path, threads=2)
    assert spec.weights.path == str(stage / "outcome" / "model" / "model.safetensors")
    assert (spec.name, spec.path, spec.threads, spec.device) == ("wide", "teachers.wide", 2, "cpu")
    assert spec.model == graph.stage("teachers.wide").cohort[0].model
    assert spec.data.transfer_set == graph.data.transfer_set


def test_a_loaded_teacher_has_the_recipes_own_weights(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    spec = spec_of(tmp_path, LOADED)
    assert (spec.weights.path, spec.weights.key, spec.data.folder) == ("w", "ema", tmp_path)
    assert spec.device == "cuda"


def test_weights_are_a_file_or_what_a_stage_leaves_under_a_name(tmp_path: Path) -> None:
    store, file = Store(tmp_path), Weights(path="w")
    assert weights_of(file, store) is file
    peer = tmp_path / "stages" / "d" / "outcome" / "peer"
    assert weights_of(StageOutput("d", "peer"), store).path == str(peer / "model.safetensors")


def test_a_role_with_a_gpu_computes_there() -> None:
    said, unsaid = Resources(cpus=0.5, gpus=1.0), Resources()
    assert [device(each) for each in (said, unsaid)] == ["cuda", "cpu"]
