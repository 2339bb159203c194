"""A recipe as a graph of stages, each with the digest of its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from orchestrator.config import Recipe
from orchestrator.planning import fingerprint
from orchestrator.planning.digest import digest_of
from students.errors import TransferSetError
from students.objectives.config import restricted_to
from students.objectives.cross_entropy import Task
from students.objectives.teacher_gate import Gating
from students.objectives.term import active_terms, needs_teachers
from students.randomness import seed_of
from students.specs import Samples, StudentSpec
from students.transfer_sets.identity import identify
from teachers.config import EnsembleConfig
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Uniform

LABEL_SMOOTHING = 0.1
"""The control's smoothing, the usual value (Szegedy et al., 2016)."""


@dataclass(frozen=True)
class Stage:
    """One node of the graph.

    A ``teach`` stage trains its cohort (here always of one); an ``examine`` stage has none: it
    evaluates a loaded teacher. ``name`` is where the recipe names it; ``repeat`` counts the seeds
    of ``--repeat``. ``teachers`` are names; ``needs`` are digests of stages.
    """

    name: str
    kind: Literal["teach", "examine"]
    fingerprint: Mapping[str, Any]
    cohort: tuple[StudentSpec, ...] = ()
    teachers: tuple[str, ...] = ()
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    needs: tuple[str, ...] = ()
    repeat: int = 0

    @cached_property
    def digest(self) -> str:
        """The name under which the stage's outcome is stored."""
        return digest_of(self.fingerprint)

    @property
    def title(self) -> str:
        """The name, with the repeat's number from the second one on."""
        return self.name if self.repeat == 0 else f"{self.name}#{self.repeat + 1}"


@dataclass(frozen=True)
class Plan:
    """All stages of a recipe, teachers before their students."""

    recipe: Recipe
    folder: Path
    stages: tuple[Stage, ...]
    identity: str
    repeats: int = 1

    @cached_property
    def digest(self) -> str:
        """Identifies the run: by its name, by its stages, by what is evaluated.

        Where it runs is not part of it: the same work elsewhere, or with other resources, is the
        same run.
        """
        stages = [[stage.title, stage.digest] for stage in self.stages]
        evaluated = self.recipe.evaluate.model_dump(mode="json")
        return digest_of({"name": self.recipe.name, "stages": stages, "evaluate": evaluated})

    @property
    def run_name(self) -> str:
        """``name@`` and the beginning of the digest."""
        return f"{self.recipe.name}@{self.digest[:12]}"

    def stage(self, name: str, repeat: int = 0) -> Stage:
        """The stage of that name; all repeats share the teachers."""
        named = {stage.repeat: stage for stage in self.stages if stage.name == name}
        return named.get(repeat, named[0])


def make_plan(
    recipe: Recipe, *, folder: Path, cache: Path, repeats: int = 1, identity: str | None = None
) -> Plan:
    """Plans ``recipe``, which lies in ``folder``; the student is trained with ``repeats`` seeds.

    ``identity`` is the transfer set's, if it has been loaded; for a custom function there is no
    other way to know it.

    Raises:
        TransferSetError: the data are missing, so that their identity is not known.
        WeightsError, OSError: weights of a teacher are missing.
    """
    source = recipe.transfer_set.custom_source
    if identity is None and source is not None:
        raise TransferSetError(
            f"what `transfer_set.source` ({source}) returns is known only when it has run",
            path="source",
        )
    if identity is None:
        identity = identify(recipe.transfer_set, folder=folder, cache=cache)
    context = fingerprint.FingerprintContext(recipe.transfer_set, identity, folder, cache)
    teachers = {name: _teacher(recipe, name, context) for name in recipe.teachers}
    students = [
        stage for repeat in range(repeats) for stage in _students(recipe, teachers, context, repeat)
    ]
    return Plan(recipe, folder, (*teachers.values(), *students), identity, repeats)


def _teacher(recipe: Recipe, name: str, context: fingerprint.FingerprintContext) -> Stage:
    """The stage that evaluates a loaded teacher, or trains one here as its own student."""
    config, title = recipe.teachers[name], f"teachers.{name}"
    train = config.train
    if train is None:
        return Stage(title, "examine", fingerprint.evaluation_stage(config, context))
    augment = train.augment or recipe.transfer_set.augment
    spec = StudentSpec(
        path=title,
        model=config.model,
        weights=None,
        objective=active_terms(train.objective),
        train=train,
        engine=config.engine,
        seed=seed_of(recipe.seed, "teachers", name) if train.seed is None else train.seed,
        samples=Samples("teacher", augment, train.fraction, config.classes),
        temperature=recipe.ensemble.temperature,
        mean=recipe.ensemble.mean,
    )
    fields = fingerprint.training_stage(spec, (), recipe.ensemble, context)
    return Stage(title, "teach", fields, cohort=(spec,))


def class_maps(recipe: Recipe, names: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """The class maps of teachers ``names``: which classes their outputs stand for; without those
    that cover all classes in order."""
    maps = {name: recipe.teachers[name].classes for name in names}
    return {name: classes for name, classes in maps.items() if classes is not None}


def _student_spec(recipe: Recipe, repeat: int) -> StudentSpec:
    """The student, with the seed of one repeat."""
    student = recipe.student
    train = student.train.model_copy(update={"seed": student.train.seed + repeat})
    return StudentSpec(
        path="student",
        model=student.model,
        weights=None if student.weights == "none" else student.weights,
        objective=active_terms(student.objective),
        train=train,
        engine=student.engine,
        seed=train.seed,
        samples=Samples("student", recipe.transfer_set.augment),
        temperature=recipe.ensemble.temperature,
        mean=recipe.ensemble.mean,
    )


def ensemble_seed(recipe: Recipe, repeat: int) -> int:
    """The seed of random weights and of noise on answers, in one repeat."""
    return seed_of(recipe.seed, "ensemble", repeat)


def _students(
    recipe: Recipe,
    teachers: Mapping[str, Stage],
    context: fingerprint.FingerprintContext,
    repeat: int,
) -> Iterator[Stage]:
    spec = _student_spec(recipe, repeat)

    def stage(spec: StudentSpec, taught_by: tuple[str, ...], ensemble: EnsembleConfig) -> Stage:
        fingerprints = [
            fingerprint.teacher(t, recipe.teachers[t], teachers[t].digest) for t in taught_by
        ]
        if taught_by:
            spec, ensemble = _with_gate(spec, ensemble)
        return Stage(
            spec.path,
            "teach",
            fingerprint.training_stage(
                spec,
                fingerprints,
                ensemble,
                context,
                ensemble_seed=ensemble_seed(recipe, repeat),
            ),
            cohort=(spec,),
            teachers=taught_by,
            ensemble=ensemble,
            needs=tuple(teachers[t].digest for t in taught_by),
            repeat=repeat,
        )

    yield stage(spec, tuple(teachers) if needs_teachers(spec.objective) else (), recipe.ensemble)
    tasks = {
        "untaught": Task(weight=1.0),
        "label_smoothing": Task(weight=1.0, label_smoothing=LABEL_SMOOTHING),
    }
    for name, task in tasks.items():
        if name in recipe.controls:
            alone = replace(spec, path=f"controls.{name}", objective={"task": task})
            yield stage(alone, (), recipe.ensemble)
    if "single_teachers" in recipe.controls:
        uniform = recipe.ensemble.model_copy(update={"weighting": Uniform()})
        for name in teachers:
            path = f"controls.single_teachers.{name}"
            taught = replace(spec, path=path, objective=restricted_to(spec.objective, name))
            yield stage(taught, (name,), uniform)


def _with_gate(spec: StudentSpec, ensemble: EnsembleConfig) -> tuple[StudentSpec, EnsembleConfig]:
    """Gives the student what the weighting needs in its trainer: a gating network, and whether
    teacher weights differ from sample to sample.

    In the ensemble too the gate's layer is named, so that the default layer and the same layer
    written out have one digest.
    """
    weighting = ensemble.weighting
    spec = replace(spec, tracks_weights=not weighting.is_constant)
    if not isinstance(weighting, Adaptive):
        return spec, ensemble
    layer = spec.model.feature_layer if weighting.layer is None else weighting.layer
    assert layer is not None  # the recipe's rules refuse a layer that cannot be known
    gate = Gating(layer, weighting.detached, weighting.penalty, weighting.learns_for)
    named = weighting.model_copy(update={"layer": layer})
    return replace(spec, gate=gate), ensemble.model_copy(update={"weighting": named})
