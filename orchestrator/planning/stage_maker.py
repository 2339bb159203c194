"""Makes single stages of a recipe: of a teacher, of a model that is taught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.config import Recipe
from orchestrator.planning.digest import digest_of
from orchestrator.planning.stage import Stage, StageRole, TeacherRef
from orchestrator.schedule_config import EntryTrain
from students.config import StudentConfig
from students.objectives.config import restricted_to
from students.objectives.teacher_gate import Gating
from students.objectives.term import active_terms, needs_teachers
from students.randomness import seed_of
from students.specs import Samples, StageOutput, StudentSpec
from students.transfer_sets.planned_data import PlannedData
from teachers.config import EnsembleConfig
from teachers.weighting.adaptive import Adaptive
from teachers.weighting.constant import Uniform


@dataclass(frozen=True)
class StageMaker:
    """Makes the stages of one recipe; ``hint_shapes`` are those of ``Stage``."""

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

    def finished_ref(self, stage: Stage) -> TeacherRef:
        """The one model that ``stage`` trains, as a teacher of later stages."""
        [spec] = stage.cohort
        return TeacherRef(
            name=stage.name,
            path=spec.path,
            stage=stage.digest,
            model=spec.model,
            weights=StageOutput(stage.digest, spec.name),
            threads=spec.train.threads,
            resources=stage.resources,
        )

    def student(self, repeat: int, path: str = "student") -> StudentSpec:
        """The student, or its first stage at ``path``, with the seed of one repeat."""
        config = self.recipe.taught[path]
        # A first stage that has no seed of its own has the student's.
        seed = self.recipe.student.train.seed if config.train.seed is None else config.train.seed
        train = config.train.model_copy(update={"seed": seed + repeat})
        return self._spec(path, config.model_copy(update={"train": train}))

    def _spec(self, path: str, config: StudentConfig) -> StudentSpec:
        """A model at ``path`` that is taught."""
        recipe = self.recipe
        return StudentSpec(
            path=path,
            model=config.model,
            weights=None if config.weights == "none" else config.weights,
            objective=active_terms(config.objective),
            train=config.train,
            engine=config.engine,
            seed=config.train.seed,
            samples=Samples("student", recipe.transfer_set.augment),
            temperature=recipe.ensemble.temperature,
            mean=recipe.ensemble.mean,
        )

    def intermediate(self, path: str, teachers: Iterable[TeacherRef]) -> StudentSpec:
        """The intermediate model at ``path`` of the recipe, which ``teachers`` teach.

        Its seed follows from what it is and who teaches it: paths with a common beginning share
        it, and all repeats do.
        """
        spec = self._spec(path, self.recipe.taught[path])
        if isinstance(spec.train, EntryTrain) and spec.train.seed is not None:
            return spec
        asked = [spec.model.identity, *(ref.stage for ref in teachers)]
        return replace(spec, seed=seed_of(self.recipe.seed, "intermediate", digest_of(asked)))

    def taught(
        self,
        name: str,
        spec: StudentSpec,
        role: StageRole,
        teachers: Sequence[TeacherRef],
        repeat: int = 0,
    ) -> Stage:
        """The stage in which ``teachers`` together teach ``spec``, by the recipe's ensemble."""
        return self._taught(name, spec, role, teachers, self.recipe.ensemble, repeat)

    def taught_by_one(
        self, name: str, spec: StudentSpec, role: StageRole, teacher: TeacherRef, repeat: int = 0
    ) -> Stage:
        """The stage in which ``teacher`` alone teaches ``spec``, without terms on the layers of
        others."""
        alone = replace(spec, objective=restricted_to(spec.objective, teacher.name))
        uniform = self.recipe.ensemble.model_copy(update={"weighting": Uniform()})
        return self._taught(name, alone, role, (teacher,), uniform, repeat)

    def _taught(
        self,
        name: str,
        spec: StudentSpec,
        role: StageRole,
        teachers: Sequence[TeacherRef],
        ensemble: EnsembleConfig,
        repeat: int,
    ) -> Stage:
        teachers = tuple(teachers) if needs_teachers(spec.objective) else ()
        if teachers:
            spec, ensemble = _with_gate(spec, ensemble)
        return replace(
            self._stage(name, role, cohort=(spec,), repeat=repeat),
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
