"""Every setting of a recipe changes what some stage is stored under, or it is on a list here.

The settings are found by walking the sections from ``Recipe`` down, through every kind of each:
one that is added, and neither gets into the fingerprint nor on a list, fails the test.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from orchestrator.config import Recipe
from orchestrator.planning.planner import make_plan
from orchestrator.schedule_config import (
    Assistants,
    Entry,
    EntryTrain,
    FirstStage,
    Route,
    TwoStage,
)
from search.config import (
    BruteForce,
    Dominated,
    Gp,
    Grid,
    Hyperband,
    Median,
    NoPruner,
    Nsga2,
    Random,
    SearchConfig,
    Tpe,
    Wilcoxon,
)
from students.config import EngineConfig
from students.lr_schedule import StepDecay
from students.models.config import Weights
from students.models.custom import CustomModel
from students.models.in_a_row import Mlp, PlainCnn
from students.models.torchvision_models import TorchvisionModel
from students.objectives.hint import Hint, HintGroup, MultiGroupHint
from students.objectives.relations import RelationAngle, RelationDistance
from students.objectives.soft_targets import SoftTargets
from students.objectives.triplet_order import TripletOrder
from students.objectives.weight_schedule import LinearWeight, RampWeight, StopWeight
from students.transfer_sets.config import CustomTransferSet, Shift
from teachers.config import TeacherConfig, TeacherTrain
from teachers.weighting.constant import Fixed
from teachers.weighting.random_choice import RandomChoice
from tests import small

ONLY_PLACES = {
    "EngineConfig.kind", "EngineConfig.ranks", "EngineConfig.zero_stage", "Resources.cpus",
    "Resources.gpus", "TeacherConfig.replicas", "ClusterConfig.mode", "Timeouts.teacher",
    "Timeouts.rank", "Timeouts.collective", "CheckpointConfig.keep", "BankConfig.budget_gb",
    "BankConfig.taps",
}  # fmt: skip
"""Where the work is done, and what of it is kept."""

ONLY_REPORTS = {
    "Recipe.name", "EvaluateConfig.prior_correction", "TrackingConfig.uri",
    "TrackingConfig.experiment", "TrackingConfig.every", "TeacherConfig.seen",
}  # fmt: skip

DECIDES_WHETHER_A_RUN_GOES_ON = {"TeacherConfig.gate", "Wait.kind", "Fail.kind"}

IN_THE_IDENTITY_OF_THE_DATA = {
    *(f"{kind}.kind" for kind in ("Mnist", "FashionMnist", "Cifar10", "Cifar100", "Digits")),
    "ImageFolder.train_folder",
    "ImageFolder.test_folder",
    *(f"{kind}.root" for kind in ("Mnist", "FashionMnist", "Cifar10", "Cifar100", "ImageFolder")),
    "CustomTransferSet.options",
}
"""Which data these are; ``tests/students/transfer_sets/test_identity.py`` has the claims."""

CHOOSES_STAGES = {"Recipe.controls"}
"""Which stages there are; each has its digest."""

IN_THE_QUESTION_OF_A_CHOICE = {"Route.threshold"}
"""How something is chosen; ``tests/orchestrator/planning/test_greedy_route.py`` has the claim."""

OF_A_STUDY = {
    f"{kind.__name__}.{name}"
    for kind in (
        SearchConfig, Tpe, Nsga2, Gp, Random, Grid, BruteForce,
        NoPruner, Hyperband, Median, Dominated, Wilcoxon,
    )
    for name in kind.model_fields
}  # fmt: skip
"""Which trials there are; the values that one draws are in its digests."""

NOT_IN_A_DIGEST = (
    OF_A_STUDY
    | ONLY_PLACES
    | ONLY_REPORTS
    | DECIDES_WHETHER_A_RUN_GOES_ON
    | IN_THE_IDENTITY_OF_THE_DATA
    | CHOOSES_STAGES
    | IN_THE_QUESTION_OF_A_CHOICE
)

LAYERS = {"hint": "hidden.0", "guided": "hidden.0"}
SHARES = {"wide": 0.25, "loaded": 0.75}

EXAMPLES: Mapping[type, Mapping[str, Any]] = {
    Mlp: {"hidden": (64,)},
    PlainCnn: {"channels": (4, 4)},
    CustomModel: {"source": "net.py:make"},
    TorchvisionModel: {"name": "resnet18"},
    Weights: {"path": "one.pt"},
    Hint: {"teacher": "wide", **LAYERS},
    HintGroup: {"teacher": "wide", **LAYERS},
    MultiGroupHint: {"groups": (HintGroup(teacher="wide", **LAYERS),)},
    RelationDistance: {"teacher": "wide", **LAYERS},
    RelationAngle: {"teacher": "wide", **LAYERS},
    TripletOrder: {"layers": {"wide": "hidden.0", "loaded": "hidden.0"}, "guided": "hidden.0"},
    StepDecay: {"milestones": (1,)},
    LinearWeight: {"start": 0.5, "end": 1.0, "epochs": 2},
    RampWeight: {"value": 0.5, "epochs": 2},
    StopWeight: {"value": 0.5, "epoch": 2},
    CustomTransferSet: {"source": "net.py:make"},
    Fixed: {"weights": SHARES},
    Entry: {
        "model": Mlp(hidden=(32,)),
        "train": EntryTrain(),
        "objective": {"only": SoftTargets()},
        "engine": EngineConfig(),
    },
    TwoStage: {
        "first": FirstStage(
            objective={"only": SoftTargets()}, train=EntryTrain(), engine=EngineConfig()
        )
    },
    Assistants: {"path": (Entry(model=Mlp(hidden=(32,))),)},
    SearchConfig: {"space": {"student.train.epochs": {"int": [1, 2]}}},
    Route: {"anchors": 2, "teacher": "wide"},
}
"""What a section needs that has no default."""

OTHERS: Mapping[str, Any] = {
    "SearchConfig.scores": {"nll": "minimize"},
    "SearchConfig.limits": {"parameters": 1000.0},
    "SearchConfig.space": {"student.train.epochs": {"int": [1, 3]}},
    "Weights.path": "other.pt",
    "Weights.key": "ema",
    "Weights.leave_out": ("fc",),
    "Weights.select_outputs": (3, 5),
    "ResNetCifar.depth": 14,
    "WideResNet.depth": 22,
    "CustomModel.source": "net.py:other",
    "CustomTransferSet.source": "net.py:other",
    "TorchvisionModel.name": "resnet34",
    "MultiGroupHint.groups": (HintGroup(teacher="loaded", **LAYERS),),
    "TripletOrder.layers": {"wide": "hidden.0"},
    "TeacherTrain.stop_epoch": 1,
    "TrainConfig.micro_batch_size": 16,
    "EntryTrain.micro_batch_size": 16,
    "TeacherTrain.micro_batch_size": 16,
    "Fixed.weights": {"wide": 0.5, "loaded": 0.5},
    "RandomChoice.weights": SHARES,
    "Adaptive.layer": "hidden.9",
    "TeacherConfig.classes": (3, 5),
    "EngineConfig.deepspeed": {"communication_data_type": "fp16"},
    "Recipe.controls": (),
    "Route.anchors": 1,
    "Route.epochs": (1,),
    "Route.threshold": 2.0,
    "TwoStage.freeze": ("hidden.0",),
    "Assistants.path": (Entry(model=Mlp(hidden=(24,))),),
    "TransferSet.validation": 0.2,
}
"""Other values of settings for which none can be derived from the one they have."""

TOGETHER: Mapping[str, Mapping[str, Any]] = {
    f"{kind}.{name}": {layers: None, "depth": 3, "width": 8} | {name: other}
    for kind, layers in (("Mlp", "hidden"), ("PlainCnn", "channels"))
    for name, other in (("depth", 2), ("width", 16))
} | {"Route.teacher": {"teacher": "loaded", "anchors": 1}}
"""Settings that replace another one; each is compared with a section that has both."""

NEEDS: Mapping[str, Mapping[str, Any]] = {
    "Assistants.candidates": {"path": "auto", "candidates": (Entry(model=Mlp(hidden=(32,))),)}
}
"""Settings without which what is below another one is not read, or is not there."""

COMBINED = {"TeacherConfig.train", "TeacherConfig.weights"}
"""One of the two is given; the digest of a stage has all of it, as the sections below show."""


@dataclass(frozen=True)
class Place:
    """A section of a recipe, by the steps to it from the recipe."""

    steps: tuple[str | int, ...]
    section: BaseModel
    recipe: Recipe

    def __str__(self) -> str:
        name = ".".join(map(str, self.steps)) or "recipe"
        return f"{name}={type(self.section).__name__}"


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field may be, or hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in typing.get_args(annotation):
        yield from sections_in(each)


def replaced(at: Any, steps: tuple[str | int, ...], value: Any) -> Any:
    """``at`` with ``value`` in the place to which the steps lead."""
    if not steps:
        return value
    first, *rest = steps
    if isinstance(at, tuple):
        return tuple(
            replaced(each, tuple(rest), value) if number == first else each
            for number, each in enumerate(at)
        )
    fields = dict(at)
    fields[str(first)] = replaced(fields.get(str(first)), tuple(rest), value)
    return type(at)(**fields) if isinstance(at, BaseModel) else fields


def example(kind: type[BaseModel], place: tuple[str | int, ...]) -> BaseModel:
    given = dict(EXAMPLES.get(kind, {}))
    if place == ("transfer_set",):
        given["augment"] = Shift()
    return kind(**given)


def places(recipe: Recipe, steps: tuple[str | int, ...], section: BaseModel) -> Iterator[Place]:
    """The section and all below it, each kind of each, in a recipe that has it."""
    yield Place(steps, section, recipe)
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if (*steps, name) == ("teachers", "loaded", "engine"):
            continue  # It is not trained.
        kinds = list(sections_in(field.annotation))
        there = recipe
        if needed := NEEDS.get(f"{type(section).__name__}.{name}"):
            value = needed[name]
            there = replaced(recipe, steps, type(section)(**{**dict(section), **needed}))
        if TeacherConfig in kinds:
            for teacher, config in value.items():
                yield from places(recipe, (*steps, name, teacher), config)
            continue
        for kind in kinds:
            below: tuple[str | int, ...] = (*steps, name)
            if isinstance(value, dict):
                below = (*below, "only")
            elif isinstance(value, tuple):
                below = (*below, 0)
            if isinstance(section, TeacherConfig) and f"TeacherConfig.{name}" in COMBINED:
                if value is None:
                    continue
                found: BaseModel = value
            else:
                found = _present(value, kind) or example(kind, below)
            yield from places(replaced(there, below, found), below, found)


def _present(value: Any, kind: type[BaseModel]) -> BaseModel | None:
    return value if type(value) is kind else None


def other_value(section: BaseModel, name: str) -> Any:
    """Another valid value of a setting."""
    kind = type(section)
    for each in kind.__mro__:
        if f"{each.__name__}.{name}" in OTHERS:
            return OTHERS[f"{each.__name__}.{name}"]
    annotation, value = kind.model_fields[name].annotation, getattr(section, name)
    literals = [
        each
        for part in (annotation, *typing.get_args(annotation))
        if typing.get_origin(part) is Literal
        for each in typing.get_args(part)
        if each != value
    ]
    match value:
        case bool():
            return not value
        case int():
            return next((each for each in literals if isinstance(each, int)), value + 1)
        case float():
            return value / 2 or 0.25
        case timedelta():
            return value + timedelta(seconds=1)
        case str() if not literals:
            return _number_or(annotation, f"{value}x")
        case str() | None:
            return _number_or(annotation, literals[0] if literals else "x")
        case tuple():
            return tuple(_next(each) for each in value) or (3,)
        case dict():
            return {**value, "extra": 1}
    raise AssertionError(f"{kind.__name__}.{name}: say in OTHERS another value than {value!r}")


def _next(value: Any) -> Any:
    return value / 2 if isinstance(value, float) else value + 1


def _number_or(annotation: Any, otherwise: Any) -> Any:
    """A number, where one may stand instead of a word or of nothing."""
    text = str(annotation)
    if "int" in text:
        return 2
    if "float" in text:
        return (0.25,) if "tuple" in text else 0.25
    return otherwise


def settings(place: Place) -> Iterator[tuple[str, Recipe]]:
    """Each setting of a section, and the recipe with another value of it."""
    kind = type(place.section)
    for name, field in kind.model_fields.items():
        setting = f"{kind.__name__}.{name}"
        if name == "kind" or (list(sections_in(field.annotation)) and name != "weight"):
            continue  # Its kinds are compared with each other, what is in them by its settings.
        if setting in TOGETHER:
            changed = kind(**{**dict(place.section), **TOGETHER[setting]})
        else:
            changed = replaced(place.section, (name,), other_value(place.section, name))
        yield setting, replaced(place.recipe, place.steps, changed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("every")
    for name in ("one.pt", "other.pt", "loaded.pt"):
        (made / name).write_bytes(name.encode())
    (made / "net.py").write_text("def make(): ...\ndef other(): ...\n")
    return made


@pytest.fixture(scope="module")
def recipe(folder: Path) -> Recipe:
    """One teacher that is trained and one that is loaded, and a student of both."""
    data = small.recipe()
    model = data["teachers"]["wide"]["model"]
    loaded = {"model": model, "weights": {"path": "loaded.pt"}, "threads": 1}
    data["teachers"] = {"wide": data["teachers"]["wide"], "loaded": loaded}
    return small.loaded(folder, data=data).recipe


def digests(recipe: Recipe, folder: Path) -> dict[str, str]:
    graph = make_plan(recipe, folder=folder, cache=folder / "cache", identity="the data")
    return small.digests(graph)


def test_every_setting_changes_a_digest_or_is_known_not_to(recipe: Recipe, folder: Path) -> None:
    unchanged, changing, count = set(), set(), 0
    for place in places(recipe, (), recipe):
        before = digests(place.recipe, folder)
        for setting, other in settings(place):
            count += 1
            same = not small.changed(before, digests(other, folder))
            (unchanged if same else changing).add(setting if not same else f"{place}: {setting}")
    assert count > 300, "they were found"
    forgotten = {each for each in unchanged if each.split(": ")[1] not in NOT_IN_A_DIGEST}
    assert forgotten == set(), "neither in a fingerprint nor on a list"
    assert changing & NOT_IN_A_DIGEST == set(), "on a list, but in a fingerprint"


def test_every_kind_of_a_section_has_a_digest_of_its_own(recipe: Recipe, folder: Path) -> None:
    found: dict[tuple[str | int, ...], dict[str, dict[str, str]]] = {}
    for place in places(recipe, (), recipe):
        kind = type(place.section)
        if "kind" in kind.model_fields and kind.__name__ != "EngineConfig":
            found.setdefault(place.steps, {})[kind.__name__] = digests(place.recipe, folder)
    assert len(found) > 10, "they were found"
    alike = {
        f"{'.'.join(map(str, steps))}: {one}, {other}"
        for steps, kinds in found.items()
        for one in kinds
        for other in kinds
        if one < other and not small.changed(kinds[one], kinds[other])
        if not {f"{one}.kind", f"{other}.kind"} <= NOT_IN_A_DIGEST
    }
    assert alike == set()


def test_the_lists_name_settings_that_there_are(recipe: Recipe) -> None:
    sections = {type(place.section) for place in places(recipe, (), recipe)}
    assert {TeacherTrain, RandomChoice, HintGroup, StopWeight} <= sections
    there = {f"{kind.__name__}.{name}" for kind in sections for name in kind.model_fields}
    assert NOT_IN_A_DIGEST - there == set()
