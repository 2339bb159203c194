"""From finished stages to a report: every figure against one computed by hand, in numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.execution.graph_run import GraphResult
from orchestrator.execution.stage_works import StageResult
from orchestrator.home.store import Store
from orchestrator.planning.graph import Graph
from orchestrator.report.collect_run import collect_run, stage_reports
from orchestrator.report.render_summary import summary
from orchestrator.report.render_tables import report_tables
from orchestrator.results.run_report import RunReport
from students.specs import MODEL, StageOutput
from students.storage.attempts import begin_attempt
from students.storage.outcome import (
    TEST,
    VALIDATION,
    CurvePoint,
    FinishedModel,
    Outcome,
    read_outcomes,
    write_logits,
    write_outcome,
)
from students.transfer_sets.catalog import load_transfer_set
from students.transfer_sets.transfer_set import TransferSet
from tests import small
from tests.orchestrator.planning.test_chosen_path import BOTH
from tests.orchestrator.planning.test_greedy_route import GREEDY, grown
from tests.orchestrator.planning.test_route import ALONE

CURVE = (
    CurvePoint(0, 4, 2.0, 0.5, 1.5),
    CurvePoint(1, 8, 1.0, None, None),
    CurvePoint(2, 12, 0.5, 0.75, 1.25),
)


class Finished:
    """A plan whose stages all left answers that are drawn, each from its own seed."""

    def __init__(self, folder: Path, *overrides: str, repeats: int = 1) -> None:
        (folder / "w").write_bytes(b"weights")
        self.graph = small.planned(folder, *overrides, repeats=repeats)
        store = Store(folder / "home")
        store.prepare()
        config = self.graph.data.transfer_set
        self.data: TransferSet = load_transfer_set(config, folder=folder, cache=store.cache)
        self.ids = {"validation": self.data.validation_ids, "test": self.data.test_ids}
        self.logits: dict[str, dict[str, Any]] = {}
        results = []
        for number, stage in enumerate(self.graph.stages):
            drawn = np.random.default_rng(number)
            self.logits[stage.title] = {
                part: drawn.normal(size=(len(ids), 10)).astype(np.float32) * 2
                for part, ids in self.ids.items()
            }
            outcome = Outcome(f"sha of {stage.title}", 10 + number, 20 + number, 40, curve=CURVE)
            logits = {n: torch.from_numpy(v) for n, v in self.logits[stage.title].items()}
            stage_folder = store.folder(stage.digest)
            model = FinishedModel(outcome, {}, logits[VALIDATION])
            write_outcome(stage_folder, begin_attempt(stage_folder), {MODEL: model})
            write_logits(stage_folder, MODEL, TEST, logits[TEST])
            kept = read_outcomes(stage_folder)
            results.append(StageResult(stage, kept, ran=number % 2 == 0, seconds=float(number)))
        self.store, self.results = store, results

    def report(self, repeat: int = 0) -> RunReport:
        outputs = [StageOutput(stage.digest) for stage in self.graph.stages]
        latency = {output: {"1": 0.5, "64": 0.25} for output in outputs}
        done = GraphResult(self.graph, tuple(self.results))
        return collect_run(done, self.store, self.data, latency=latency, seconds=9.0, repeat=repeat)

    def chances(self, title: str, part: str, temperature: float = 1.0) -> Any:
        return softmax(self.logits[title][part] / temperature)

    def labels(self, part: str) -> Any:
        return self.data.targets[self.ids[part]]


def softmax(logits: Any) -> Any:
    powers = np.exp(np.asarray(logits, np.float64) - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def accuracy(chances: Any, labels: Any) -> float:
    return float((chances.argmax(1) == labels).mean())


def nll(chances: Any, labels: Any) -> float:
    return float(-np.log(chances[np.arange(len(labels)), labels]).mean())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("finished"))


def test_each_models_figures_are_those_of_its_own_answers(finished: Finished) -> None:
    report = finished.report()
    models = {
        "teachers.wide": report.teachers["wide"], "teachers.deep": report.teachers["deep"],
        "student": report.student, "controls.untaught": report.untaught,
    }  # fmt: skip
    for title, model in models.items():
        assert model is not None
        for part in ("test", "validation"):
            chances, labels = finished.chances(title, part), finished.labels(part)
            scores = getattr(model, part)
            assert scores.accuracy == pytest.approx(accuracy(chances, labels))
            assert scores.nll == pytest.approx(nll(chances, labels), rel=1e-6)
            of_threes = labels == 3
            share = accuracy(chances[of_threes], labels[of_threes])
            assert scores.per_class[3] == pytest.approx(share)
        assert model.weights_sha256 == f"sha of {title}"
        assert model.latency_ms == {"1": 0.5, "64": 0.25}
        assert not model.seen_training
    assert models["student"].parameters == 12  # type: ignore[union-attr]
    assert models["student"].macs == 22  # type: ignore[union-attr]


def test_a_teacher_of_some_classes_is_evaluated_on_samples_of_these(tmp_path: Path) -> None:
    made = Finished(tmp_path, "teachers.wide.classes=[9, 3, 5]", "student.objective.near=null")
    report = made.report()
    for part in ("test", "validation"):
        labels, scores = made.labels(part), getattr(report.teachers["wide"], part)
        mine = np.isin(labels, [3, 5, 9])
        own = made.chances("teachers.wide", part)
        assert scores.accuracy == pytest.approx(accuracy(own[mine], labels[mine]))
        assert scores.nll == pytest.approx(nll(own[mine], labels[mine]), rel=1e-6)
        assert [i for i, share in enumerate(scores.per_class) if share is not None] == [3, 5, 9]
        # In the ensemble's mean it has weight on its own classes only.
        known = np.where(np.isin(np.arange(10), [3, 5, 9]), own, 0.0)
        known /= known.sum(1, keepdims=True)
        mean = (known + made.chances("teachers.deep", part)) / 2
        agreeing = own[mine].argmax(1) == mean[mine].argmax(1)
        assert scores.agreement == pytest.approx(float(agreeing.mean()))
        assert report.ensemble is not None
        of_all = getattr(report.ensemble, part)
        assert of_all.nll == pytest.approx(nll(mean, labels), rel=1e-6)
    assert report.teachers["wide"].classes == (3, 5, 9)
    assert report.teachers["deep"].classes is None
    assert RunReport.from_json(json.dumps(report.to_json())) == report
    [said] = [said for said in summary(report) if "some classes" in said]
    assert said.startswith("Teachers of some classes: 'wide' (3, 5, 9). Their figures are on")
    [accuracies, *_] = report_tables(report)
    assert accuracies.rows[0][0] == "teacher wide (3 classes)"


def by_hand(finished: Finished, weights: dict[str, float], mean: str, temperature: float) -> Any:
    each = {n: finished.chances(f"teachers.{n}", "test", temperature) for n in weights}
    if mean == "arithmetic":
        return sum(weight * each[name] for name, weight in weights.items())
    powers = np.exp(sum(weight * np.log(each[name]) for name, weight in weights.items()))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("mean", ["arithmetic", "geometric"])
@pytest.mark.parametrize("weights", [{"wide": 0.5, "deep": 0.5}, {"wide": 0.9, "deep": 0.1}])
def test_the_ensemble_is_the_weighted_mean_of_plain_distributions(
    tmp_path: Path, mean: str, weights: dict[str, float]
) -> None:
    spelled = ", ".join(f"{name}: {weight}" for name, weight in weights.items())
    weighting = f"ensemble.weighting={{kind: fixed, weights: {{{spelled}}}}}"
    made = Finished(tmp_path, weighting, f"ensemble.mean={mean}")
    report, labels = made.report(), made.labels("test")
    ensemble = by_hand(made, weights, mean, temperature=1.0)
    assert report.ensemble is not None
    assert report.ensemble.test.accuracy == pytest.approx(accuracy(ensemble, labels))
    assert report.ensemble.test.nll == pytest.approx(nll(ensemble, labels), rel=1e-6)
    assert report.ensemble.test.agreement == 1.0
    assert report.ensemble.weights_sha256 is None
    assert report.ensemble.parameters == 10 + 11
    assert report.ensemble.latency_ms == {"1": 1.0, "64": 0.5}
    assert report.student is not None
    student = made.chances("student", "test")
    agreement = float((student.argmax(1) == ensemble.argmax(1)).mean())
    assert report.student.test.agreement == pytest.approx(agreement)


def test_the_ensemble_is_evaluated_by_its_rule_where_that_needs_no_labels(tmp_path: Path) -> None:
    made = Finished(tmp_path, "ensemble.weighting=min_entropy")
    each = np.stack([made.chances(f"teachers.{name}", "test") for name in ("wide", "deep")])
    surest = (-each * np.log(each)).sum(2).argmin(0)
    chosen = each[surest, np.arange(each.shape[1])]
    report = made.report()
    assert report.ensemble is not None
    assert report.ensemble.test.nll == pytest.approx(nll(chosen, made.labels("test")), rel=1e-5)


@pytest.mark.parametrize("rule", ["random", "confidence", "correct_only"])
def test_the_ensemble_of_a_rule_that_needs_labels_or_draws_is_the_uniform_mean(
    tmp_path: Path, rule: str
) -> None:
    made = Finished(tmp_path, f"ensemble.weighting={rule}")
    mean = by_hand(made, {"wide": 0.5, "deep": 0.5}, "arithmetic", temperature=1.0)
    report = made.report()
    assert report.ensemble is not None
    assert report.ensemble.test.nll == pytest.approx(nll(mean, made.labels("test")), rel=1e-6)


def test_soft_targets_are_means_over_the_samples_of_each_class(finished: Finished) -> None:
    found = finished.report().soft_targets
    assert found is not None
    labels = finished.labels("validation")
    soft = sum(finished.chances(f"teachers.{n}", "validation", 4.0) for n in ("wide", "deep")) / 2
    expected = np.stack([soft[labels == number].mean(0) for number in range(10)])
    assert np.allclose(np.array(found.mean), expected, atol=1e-6)
    assert (found.temperature, len(found.classes)) == (4.0, 10)


def test_stages_are_listed_in_order_with_what_ran(finished: Finished) -> None:
    report = finished.report()
    listed = [(stage.name, stage.ran, stage.seconds) for stage in report.stages]
    assert listed == [
        ("teachers.wide", True, 0.0), ("teachers.deep", False, 1.0), ("student", True, 2.0),
        ("controls.untaught", False, 3.0),
    ]  # fmt: skip
    assert [stage.digest for stage in report.stages] == [s.digest for s in finished.graph.stages]
    assert (report.name, report.recipe_digest) == ("small", finished.graph.digest)
    assert (report.outcome, report.seconds) == ("done", 9.0)


def test_curves_are_of_students_alone_where_there_was_validation(finished: Finished) -> None:
    curves = {curve.name: curve for curve in finished.report().curves}
    assert set(curves) == {"student", "untaught"}
    assert curves["student"].epochs == (1, 3)
    assert curves["student"].accuracy == (0.5, 0.75)
    assert curves["student"].nll == (1.5, 1.25)


def test_weights_that_have_seen_the_training_samples_are_marked(tmp_path: Path) -> None:
    for seen, marked in (("train", True), ("none", False)):
        loaded = f"teachers.deep={{model: {{kind: mlp, hidden: [8]}}, weights: w, seen: {seen}}}"
        report = Finished(tmp_path, loaded).report()
        assert report.teachers["deep"].seen_training is marked
        assert not report.teachers["wide"].seen_training
        assert report.ensemble is not None
        assert report.ensemble.seen_training is marked


def test_prior_correction_makes_the_mean_prediction_on_validation_uniform(tmp_path: Path) -> None:
    made = Finished(tmp_path, "evaluate.prior_correction=uniform", "transfer_set.omit=[3]")
    report = made.report()
    assert report.omitted == (3,)
    assert report.student is not None
    assert report.untaught is not None
    assert all(model.corrected is None for model in report.teachers.values())
    for title, model in (("student", report.student), ("controls.untaught", report.untaught)):
        # The shift by one number per class, found by iteration until the mean is uniform.
        shift = np.zeros(10)
        for _ in range(2000):
            mean = softmax(made.logits[title]["validation"] + shift).mean(0)
            shift -= np.log(mean * 10)
        corrected = softmax(made.logits[title]["test"] + shift)
        assert model.corrected is not None
        assert model.corrected.nll == pytest.approx(nll(corrected, made.labels("test")), abs=1e-3)
        assert model.corrected.nll != pytest.approx(model.test.nll, abs=1e-3)


def test_without_teachers_there_is_no_ensemble_and_no_agreement(tmp_path: Path) -> None:
    alone = ("teachers=null", "student.objective={task: 1.0}", "controls=[]")
    report = Finished(tmp_path, *alone).report()
    assert (report.ensemble, report.soft_targets, report.teachers) == (None, None, {})
    assert report.untaught is None
    assert report.student is not None
    assert report.student.test.agreement is None


def test_without_a_validation_part_there_are_no_validation_figures(tmp_path: Path) -> None:
    report = Finished(tmp_path, "transfer_set.validation=none").report()
    assert all(model.validation is None for model in report.models())
    assert report.soft_targets is not None, "then of the test part"


def test_a_repeat_is_reported_beside_the_same_teachers(tmp_path: Path) -> None:
    made = Finished(tmp_path, "controls=[untaught, label_smoothing]", repeats=2)
    first, second = made.report(), made.report(repeat=1)
    assert first.student is not None
    assert second.student is not None
    assert second.student.weights_sha256 == "sha of student#2"
    assert second.untaught is not None
    assert second.untaught.weights_sha256 == "sha of controls.untaught#2"
    assert second.controls["label_smoothing"].weights_sha256 == "sha of controls.label_smoothing#2"
    assert second.teachers == first.teachers
    assert len(second.stages) == len(first.stages) == 2 + 2 * 3


def needs_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    results = tuple(StageResult(stage, {}, ran=False, seconds=0.0) for stage in graph.stages)
    return {each.name: each.needs for each in stage_reports(GraphResult(graph, results))}


def test_what_a_choice_has_added_needs_it(tmp_path: Path) -> None:
    needs = needs_of(grown(small.planned(tmp_path, *ALONE, GREEDY, "controls=[]"), 3, 6))
    teacher, first, second = "teachers.wide", "route.choice.1", "route.choice.2"
    assert needs["route.1"] == (teacher,)
    assert needs["route.2"] == (teacher, "route.1", first)
    assert needs[second] == (teacher, "route.2"), "through the stage that the first one has added"
    assert needs["student"] == (teacher, "route.2", second)


def test_an_assistant_that_was_chosen_needs_its_candidate_and_the_choice(tmp_path: Path) -> None:
    needs = needs_of(grown(small.planned(tmp_path, BOTH), 2))
    assert needs["assistants.1"] == ("assistants.candidates.2", "assistants.choice")
    assert needs["student"] == ("assistants.1",)
