"""Plans a recipe: its teachers' stages, those of its schedule, and its controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.config import Recipe
from orchestrator.planning.graph import EnsembleSpec, Graph, Node
from orchestrator.planning.recipe_stages import RecipeStages
from orchestrator.planning.schedules.assistants import CHOICE
from orchestrator.planning.schedules.catalog import schedule_nodes
from orchestrator.planning.schedules.route import CHOICE as ROUTE_CHOICE
from orchestrator.planning.stage import Stage, StageRole
from orchestrator.planning.stage_maker import StageMaker
from orchestrator.recipe.advice import all_have_seen, notes
from orchestrator.schedule_config import Assistants, Route
from students.custom_code import file_of
from students.errors import TransferSetError
from students.models.config import Weights
from students.transfer_sets.identity import identify
from students.transfer_sets.planned_data import PlannedData, PlannedFile
from teachers.config import EnsembleConfig


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
    stages = RecipeStages(StageMaker(recipe, data, hint_shapes or {}), repeats)
    nodes, refs = schedule_nodes(stages), stages.refs
    ensembles = {"ensemble": EnsembleSpec(refs, recipe.ensemble)} if refs else {}
    ensembles |= _ensembles_of_generations(stages.maker, nodes)
    return Graph(
        name=recipe.name,
        nodes=nodes,
        data=data,
        repeats=repeats,
        ensembles=ensembles,
        evaluate=recipe.evaluate,
        tracking=recipe.tracking,
        remarks=notes(recipe, classes),
        samples_seen=all_have_seen(recipe),
    )


def _ensembles_of_generations(
    maker: StageMaker, nodes: Sequence[Node]
) -> Iterator[tuple[str, EnsembleSpec]]:
    """Of each student that is the last of several generations, by its stage's title, the mean
    prediction of all of them (BANE: Furlanello et al., 2018, section 3)."""
    stages = [node for node in nodes if isinstance(node, Stage)]
    before = [maker.finished_ref(each) for each in stages if each.role is StageRole.GENERATION]
    for stage in stages:
        if before and stage.role is StageRole.STUDENT:
            yield stage.title, EnsembleSpec((*before, maker.finished_ref(stage)), EnsembleConfig())


def _files_of_models(recipe: Recipe, folder: Path, cache: Path) -> Iterator[PlannedFile]:
    for place, owner in recipe.models.items():
        if (source := owner.model.custom_source) is not None:
            yield PlannedFile.at(f"{place}.model.source", file_of(source, folder), cache)
        if isinstance(owner.weights, Weights):
            file = owner.weights.file(folder).resolve()
            yield PlannedFile.at(f"{place}.weights.path", file, cache)


def stage_names(recipe: Recipe) -> list[tuple[str, tuple[str, ...]]]:
    """The stages of ``recipe``, as far as they are known without its data, each with the names of
    its teachers."""
    schedule, teachers, before = recipe.schedule, tuple(recipe.teachers), list[str]()
    if isinstance(schedule, Route) and teachers:
        teachers = (schedule.teacher_of(teachers),)
    chain: list[tuple[str, tuple[str, ...]]] = []
    if isinstance(schedule, Assistants) and schedule.is_open:
        numbers = range(1, len(schedule.candidates) + 1)
        chain += ((f"assistants.candidates.{number}", teachers) for number in numbers)
        chain.append((CHOICE, ()))
    for name in (*schedule.names, "student"):
        if isinstance(schedule, Route) and schedule.is_greedy and name == "student":
            chain.append((f"{ROUTE_CHOICE}.1", ()))
        by_one = before and schedule.taught_by == "previous"
        chain.append((name, (before[-1],) if by_one else (*teachers, *before)))
        if schedule.taught_by != "teachers":
            before.append(name)
    return [
        *((f"teachers.{name}", ()) for name in recipe.teachers),
        *chain,
        *((f"controls.{control}", ()) for control in recipe.controls),
    ]
