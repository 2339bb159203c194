"""Plans a recipe: its teachers' stages, those of its schedule, and its controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.config import Recipe
from orchestrator.planning.graph import EnsembleSpec, Graph
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.planning.thread_allocation import count_crowds
from orchestrator.recipe.advice import all_have_seen, notes
from students.custom_code import file_of
from students.errors import TransferSetError
from students.models.config import Weights
from students.objectives.config import restricted_to
from students.objectives.cross_entropy import Task
from students.objectives.teacher_gate import Gating
from students.objectives.term import active_terms, needs_teachers
from students.randomness import seed_of
from students.specs import Samples, StageOutput, StudentSpec
from students.transfer_sets.identity import identify
from students.transfer_sets.planned_data import PlannedData, PlannedFile
from teachers.config import EnsembleConfig
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Uniform

LABEL_SMOOTHING = 0.1
"""The control's smoothing, the usual value (Szegedy et al., 2016)."""

UNTAUGHT = "untaught"
"""The control that is trained on labels alone."""


def make_plan(
    recipe: Recipe,
    *,
    folder: Path,
    cache: Path,
    repeats: int = 1,
    identity: str | None = None,
    hint_shapes: Mapping[str, tuple[int, ...]] | None = None,
    classes: int | None = None,
) -> Graph:
    """Plans ``recipe``, which lies in ``folder``; the student is trained with ``repeats`` seeds.

    ``identity`` is the transfer set's, if it has been loaded; for a custom function there is no
    other way to know it. ``hint_shapes`` are those of ``Stage``; ``classes`` is their number where
    only the data show it.

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
    models = tuple(_files_of_models(recipe, folder, cache))
    data = PlannedData(recipe.transfer_set, identity, folder, cache, models)
    planner = _Planner(recipe, data, hint_shapes or {})
    teachers = {name: planner.teacher(name) for name in recipe.teachers}
    refs = {name: planner.ref(name, stage) for name, stage in teachers.items()}
    students = [stage for repeat in range(repeats) for stage in planner.students(refs, repeat)]
    ensembles = {"ensemble": EnsembleSpec(tuple(refs.values()), recipe.ensemble)} if refs else {}
    return Graph(
        name=recipe.name,
        nodes=tuple(count_crowds([*teachers.values(), *students])),
        data=data,
        repeats=repeats,
        ensembles=ensembles,
        evaluate=recipe.evaluate,
        tracking=recipe.tracking,
        remarks=notes(recipe, classes),
        samples_seen=all_have_seen(recipe),
    )


def _files_of_models(recipe: Recipe, folder: Path, cache: Path) -> Iterator[PlannedFile]:
    for place, owner in recipe.models.items():
        if (source := owner.model.custom_source) is not None:
            yield PlannedFile.at(f"{place}.model.source", file_of(source, folder), cache)
        if isinstance(owner.weights, Weights):
            file = owner.weights.file(folder).resolve()
            yield PlannedFile.at(f"{place}.weights.path", file, cache)


def untaught_stage(graph: Graph) -> Stage:
    """The untaught control of the student of ``graph``, which need not have it."""
    alone = _without_teachers(graph.stage("student"), UNTAUGHT, Task(weight=1.0))
    for stage in graph.stages:
        if stage.title == alone.title:
            return stage
    *_, alone = count_crowds([*graph.stages, alone])
    return alone


def _without_teachers(student: Stage, name: str, task: Task) -> Stage:
    """The control ``name``: the ``student``, trained on labels alone."""
    path = f"controls.{name}"
    cohort = tuple(
        replace(spec, path=path, objective={"task": task}, gate=None, tracks_weights=False)
        for spec in student.cohort
    )
    return replace(student, name=path, role=StageRole.CONTROL, cohort=cohort, teachers=())


def stage_names(recipe: Recipe) -> list[tuple[str, tuple[str, ...]]]:
    """The stages of ``recipe``, as far as they are known without its data, each with the names of
    its teachers."""
    others = [f"teachers.{name}" for name in recipe.teachers]
    controls = [f"controls.{control}" for control in recipe.controls]
    return [
        *((name, ()) for name in others),
        ("student", tuple(recipe.teachers)),
        *((name, ()) for name in controls),
    ]


@dataclass(frozen=True)
class _Planner:
    """Makes the stages of one recipe."""

    recipe: Recipe
    data: PlannedData
    hint_shapes: Mapping[str, tuple[int, ...]]

    def teacher(self, name: str) -> Stage:
        """The stage that evaluates a loaded teacher, or trains one here as its own student."""
        recipe, config, path = self.recipe, self.recipe.teachers[name], f"teachers.{name}"
        train = config.train
        if train is None:
            return self._stage(path, StageRole.TEACHER, evaluates=self.ref(name, None))
        spec = StudentSpec(
            path=path,
            model=config.model,
            weights=None,
            objective=active_terms(train.objective),
            train=train,
            engine=config.engine,
            seed=seed_of(recipe.seed, "teachers", name) if train.seed is None else train.seed,
            samples=Samples(
                "teacher",
                train.augment or recipe.transfer_set.augment,
                train.fraction,
                config.classes,
            ),
            temperature=recipe.ensemble.temperature,
            mean=recipe.ensemble.mean,
        )
        stage = self._stage(path, StageRole.TEACHER, cohort=(spec,))
        return replace(stage, resources=config.resources)

    def ref(self, name: str, stage: Stage | None) -> TeacherRef:
        """Teacher ``name``, which ``stage`` trains or evaluates."""
        config, digest = self.recipe.teachers[name], "" if stage is None else stage.digest
        return TeacherRef(
            name=name,
            path=f"teachers.{name}",
            stage=digest,
            model=config.model,
            weights=config.weights or StageOutput(digest),
            classes=config.classes,
            precision=config.precision,
            gate=config.gate,
            threads=config.threads,
            replicas=config.replicas,
            resources=config.resources,
            seen_training=config.weights is not None and config.seen == "train",
        )

    def students(self, teachers: Mapping[str, TeacherRef], repeat: int) -> Iterator[Stage]:
        """The student of one repeat, taught offline, then its controls."""
        recipe, spec = self.recipe, self._student(repeat)
        taught_by = tuple(teachers.values()) if needs_teachers(spec.objective) else ()
        student = self._taught(spec, StageRole.STUDENT, taught_by, recipe.ensemble, repeat)
        yield student
        tasks = {
            UNTAUGHT: Task(weight=1.0),
            "label_smoothing": Task(weight=1.0, label_smoothing=LABEL_SMOOTHING),
        }
        for name, task in tasks.items():
            if name in recipe.controls:
                yield _without_teachers(student, name, task)
        if "single_teachers" in recipe.controls:
            uniform = recipe.ensemble.model_copy(update={"weighting": Uniform()})
            for name, ref in teachers.items():
                path = f"controls.single_teachers.{name}"
                taught = replace(spec, path=path, objective=restricted_to(spec.objective, name))
                yield self._taught(taught, StageRole.CONTROL, (ref,), uniform, repeat)

    def _student(self, repeat: int) -> StudentSpec:
        """The student, with the seed of one repeat."""
        recipe, student = self.recipe, self.recipe.student
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

    def _taught(
        self,
        spec: StudentSpec,
        role: StageRole,
        teachers: tuple[TeacherRef, ...],
        ensemble: EnsembleConfig,
        repeat: int,
    ) -> Stage:
        if teachers:
            spec, ensemble = _with_gate(spec, ensemble)
        return replace(
            self._stage(spec.path, role, cohort=(spec,), repeat=repeat),
            teachers=teachers,
            ensemble=ensemble,
            ensemble_seed=seed_of(self.recipe.seed, "ensemble", repeat),
            hint_shapes=self.hint_shapes,
        )

    def _stage(
        self,
        name: str,
        role: StageRole,
        *,
        cohort: tuple[StudentSpec, ...] = (),
        evaluates: TeacherRef | None = None,
        repeat: int = 0,
    ) -> Stage:
        return Stage(
            name=name,
            role=role,
            data=self.data,
            cohort=cohort,
            evaluates=evaluates,
            ensemble=self.recipe.ensemble,
            resources=self.recipe.student.resources if evaluates is None else evaluates.resources,
            timeouts=self.recipe.timeouts,
            repeat=repeat,
        )


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
