"""Claims about what is in a stage's digest and what is not, for each setting of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.planning.fingerprint import NOISE_FORMAT, STAGE_FORMAT
from tests import small

WIDE, DEEP, LOADED = "teachers.wide", "teachers.deep", "teachers.loaded"
BY = {name: f"controls.single_teachers.{name}" for name in ("wide", "deep", "loaded")}
ALONE = {"controls.untaught", "controls.label_smoothing"}
TAUGHT = {"student", *BY.values()}
STUDENTS = ALONE | TAUGHT
TRAINED = {WIDE, DEEP} | STUDENTS
ALL = TRAINED | {LOADED}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder, with the files that the recipe names."""
    (tmp_path / "loaded.pt").write_bytes(b"weights of old")
    (tmp_path / "net.py").write_text("def make(input_shape, classes): ...\n")
    return tmp_path


def data() -> dict[str, Any]:
    recipe = small.recipe()
    recipe["teachers"]["loaded"] = {
        "model": {"kind": "resnet_cifar", "depth": 8},
        "weights": "loaded.pt",
        "threads": 1,
    }
    recipe["controls"] = ["untaught", "label_smoothing", "single_teachers"]
    return recipe


def digests(folder: Path, *overrides: str) -> dict[str, str]:
    return small.digests(small.planned(folder, *overrides, data=data()))


WHERE = [
    "name=other",
    "student.engine.kind=torch",
    "student.engine.zero_stage=3",
    "student.engine.ranks=2",
    "student.resources={cpus: 2, gpus: 1}",
    "student.train.checkpoint.keep=5",
    "teachers.wide.engine.kind=torch",
    "teachers.wide.engine.zero_stage=0",
    "teachers.wide.resources.cpus=0.5",
    "teachers.wide.replicas=2",
    "teachers.wide.train.checkpoint.keep=1",
    "teachers.loaded.replicas=3",
    "teachers.loaded.seen=none",
    "ensemble.on_teacher_loss=fail",
    "evaluate.prior_correction=uniform",
    "controls=[]",
    "tracking={experiment: other, every: 7, uri: 'sqlite:///other.db'}",
    "cluster.mode=in_process",
    "timeouts={teacher: 5s, rank: 6s, collective: 7s}",
]


@pytest.mark.parametrize("setting", WHERE)
def test_placement_and_tracking_change_no_digest(folder: Path, setting: str) -> None:
    assert small.changed(digests(folder), digests(folder, setting)) == set()


WHAT: list[tuple[str, set[str]]] = [
    ("student.model.hidden=[17]", STUDENTS),
    ("student.model.dropout=0.2", STUDENTS),
    ("student.model={kind: plain_cnn, channels: [4]}", STUDENTS),
    ("student.model.preprocessing.mean=[0.5]", STUDENTS),
    ("student.model.preprocessing.size=16", STUDENTS),
    ("student.weights=loaded.pt", STUDENTS),
    ("student.objective.task.weight=0.2", TAUGHT),
    ("student.objective.task.label_smoothing=0.1", TAUGHT),
    ("student.objective.soft_targets.weight=0.5", TAUGHT),
    ("student.objective.soft_targets.temperature=2", TAUGHT),
    ("student.objective.near.weight=0.5", {"student", BY["wide"]}),
    ("student.objective.near.reduction=pool", {"student", BY["wide"]}),
    ("student.objective.more={kind: logit_l2}", TAUGHT),
    ("student.train.epochs=4", STUDENTS),
    ("student.train.batch_size=32", STUDENTS),
    ("student.train.micro_batch_size=16", STUDENTS),
    ("student.train.threads=2", STUDENTS),
    ("student.train.threads=auto", STUDENTS),
    ("student.train.seed=1", STUDENTS),
    ("student.train.precision=bf16", STUDENTS),
    ("student.train.optimizer.lr=0.2", STUDENTS),
    ("student.train.optimizer.weight_decay=0.01", STUDENTS),
    ("student.train.optimizer.kind=adamw", STUDENTS),
    ("student.train.lr_schedule=constant", STUDENTS),
    ("student.train.lr_schedule={kind: cosine, warmup: 1}", STUDENTS),
    ("student.train.gradient_clipping=none", STUDENTS),
    ("student.train.max_norm=3", STUDENTS),
    ("student.train.checkpoint.every=3", STUDENTS),
    ("student.engine.deepspeed={communication_data_type: fp16}", STUDENTS),
    ("ensemble.temperature=2", TAUGHT),
    ("ensemble.mean=geometric", TAUGHT),
    (
        "ensemble.weighting={kind: fixed, weights: {wide: 0.25, deep: 0.5, loaded: 0.25}}",
        {"student"},
    ),
    ("ensemble.weighting=random", {"student"}),
    ("ensemble.weighting=max_entropy", {"student"}),
    ("ensemble.weighting=min_entropy", {"student"}),
    ("ensemble.weighting=confidence", {"student"}),
    ("ensemble.weighting=correct_only", {"student"}),
    ("ensemble.noise={}", TAUGHT),
    ("seed=8", {WIDE, DEEP, "student", BY["wide"], BY["deep"]}),
    ("transfer_set.seed=1", ALL),
    ("transfer_set.validation=101", ALL),
    ("transfer_set.augment.pixels=1", TRAINED),
    ("transfer_set.augment=none", TRAINED),
    ("transfer_set.views=2", TRAINED),
    ("transfer_set.fraction=0.3", STUDENTS),
    ("transfer_set.labelled=0.5", STUDENTS),
    ("transfer_set.omit=[3]", STUDENTS),
    ("transfer_set.kind=mnist", ALL),
    ("teachers.wide.model.hidden=[65]", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.epochs=3", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.seed=3", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.fraction=0.5", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.augment=none", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.threads=2", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.train.objective.task.label_smoothing=0.1", {WIDE, "student", BY["wide"]}),
    ("teachers.wide.precision=bf16", {"student", BY["wide"]}),
    ("teachers.wide.threads=2", {"student", BY["wide"]}),
    ("teachers.loaded.precision=bf16", {"student", BY["loaded"]}),
    ("teachers.loaded.threads=2", {LOADED, "student", BY["loaded"]}),
    ("teachers.loaded.weights.key=ema", {LOADED, "student", BY["loaded"]}),
    ("teachers.loaded.weights.strip_prefix=net.", {LOADED, "student", BY["loaded"]}),
    ("teachers.loaded.model.width=8", {LOADED, "student", BY["loaded"]}),
]


@pytest.mark.parametrize(("setting", "stages"), WHAT, ids=[setting for setting, _ in WHAT])
def test_each_setting_changes_the_stages_that_depend_on_it_and_no_others(
    folder: Path, setting: str, stages: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "mnist" in setting:
        monkeypatch.setattr(
            "orchestrator.planning.planner.identify", lambda *args, **kwargs: "mnist's"
        )
    after = digests(folder, setting)
    monkeypatch.undo()
    assert small.changed(digests(folder), after) == stages


def test_temperature_of_a_term_is_the_ensembles_unless_it_has_its_own(folder: Path) -> None:
    said = digests(folder, "student.objective.soft_targets.temperature=4.0")
    assert said == digests(folder)
    own = ("student.objective.soft_targets.temperature=3",)
    assert digests(folder, *own) == digests(folder, *own, "ensemble.temperature=9")


def test_unused_views_and_labels_are_not_in_the_digest(folder: Path) -> None:
    plain = ("transfer_set.augment=none", "teachers.wide.train.augment=shift")
    reached = small.changed(
        digests(folder, *plain), digests(folder, *plain, "transfer_set.views=2")
    )
    assert reached == {WIDE, "student", BY["wide"]}
    by_answers = ("student.objective.task=null", "controls=[]")
    before = digests(folder, *by_answers)
    assert digests(folder, *by_answers, "transfer_set.labelled=0.5") == before


RULE = "ensemble.weighting"
SHARES = "{wide: 0.25, deep: 0.5, loaded: 0.25}"


@pytest.mark.parametrize("rule", ["correct_only", "confidence"])
def test_labels_that_a_rule_reads_are_in_the_digest(folder: Path, rule: str) -> None:
    by_answers = ("student.objective.task=null", "controls=[]", f"{RULE}={rule}")
    before = digests(folder, *by_answers)
    after = digests(folder, *by_answers, "transfer_set.labelled=0.5")
    assert small.changed(before, after) == {"student"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{RULE}={{kind: fixed, weights: {SHARES}}}",
         f"{RULE}={{kind: fixed, weights: {{loaded: 0.25, deep: 0.5, wide: 0.25}}}}"),
        (f"{RULE}=random", f"{RULE}={{kind: random, per: sample}}"),
        ("ensemble.noise={}", "ensemble.noise={probability: 0.5, sigma: 0.1, virtual: 1}"),
    ],
)  # fmt: skip
def test_two_spellings_of_one_ensemble_are_one(folder: Path, one: str, other: str) -> None:
    assert digests(folder, one) == digests(folder, other)


def test_each_setting_of_a_rule_and_of_noise_is_in_the_digest(folder: Path) -> None:
    settings = [
        f"{RULE}=random",
        f"{RULE}={{kind: random, per: batch}}",
        f"{RULE}={{kind: random, weights: {SHARES}}}",
        f"{RULE}={{kind: fixed, weights: {SHARES}}}",
        "ensemble.noise={}",
        "ensemble.noise={sigma: 0.2}",
        "ensemble.noise={probability: 0.4}",
    ]
    assert len({digests(folder, each)["student"] for each in settings}) == len(settings)


def test_the_format_is_raised_for_noise_under_a_rule_that_reads_answers_alone(folder: Path) -> None:
    def formats(*settings: str) -> set[int]:
        stages = small.planned(folder, *settings, data=data()).stages
        return {stage.fingerprint["format"] for stage in stages}

    noise = "ensemble.noise={}"
    for others in ((noise,), (f"{RULE}=max_entropy",), (noise, f"{RULE}=random")):
        assert formats(*others) == {STAGE_FORMAT}
    assert formats(noise, f"{RULE}=max_entropy") == {STAGE_FORMAT, NOISE_FORMAT}


def test_the_recipes_seed_reaches_a_student_only_where_something_is_drawn(folder: Path) -> None:
    """By way of teachers that are trained it reaches every student, so this one has loaded ones."""
    loaded = data()
    loaded["teachers"] = {
        name: {**loaded["teachers"]["loaded"], "seen": seen}
        for name, seen in (("one", "train"), ("two", "none"))
    }
    loaded["student"]["objective"].pop("near")

    def changed_by_seed(*settings: str) -> set[str]:
        both = [
            small.digests(small.planned(folder, *settings, seed, data=loaded))
            for seed in ("seed=7", "seed=8")
        ]
        return small.changed(*both)

    single = {f"controls.single_teachers.{name}" for name in ("one", "two")}
    assert changed_by_seed() == changed_by_seed(f"{RULE}=max_entropy") == set()
    assert changed_by_seed(f"{RULE}=random") == {"student"}
    assert changed_by_seed("ensemble.noise={}") == {"student"} | single


MAPS = ("controls=[untaught, label_smoothing]",)


@pytest.mark.parametrize(("name", "own"), [("wide", WIDE), ("loaded", LOADED)])
def test_a_teachers_class_map_is_in_its_digest_in_order(folder: Path, name: str, own: str) -> None:
    plain = digests(folder, *MAPS)
    every = digests(folder, *MAPS, f"teachers.{name}.classes=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]")
    some, turned = (
        digests(folder, *MAPS, f"teachers.{name}.classes={said}") for said in ("[3, 5]", "[5, 3]")
    )
    assert every == plain, "all in order is what is meant where nothing is said"
    assert small.changed(plain, some) == small.changed(some, turned) == {own, "student"}


def test_terms_of_no_weight_and_their_order_are_not_in_the_digest(folder: Path) -> None:
    terms = {"task": 0.1, "soft_targets": 0.9, "squared": {"kind": "logit_l2", "weight": 0}}
    spellings = []
    for names in (["task", "soft_targets"], ["soft_targets", "squared", "task"]):
        recipe = data()
        recipe["student"]["objective"] = {name: terms[name] for name in names}
        spellings.append(small.digests(small.planned(folder, data=recipe)))
    assert spellings[0] == spellings[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{kind: mlp, hidden: [32, 32]}", "{kind: mlp, depth: 2, width: 32}"),
        ("{kind: plain_cnn, channels: [4, 4, 8]}", "{kind: plain_cnn, depth: 3, width: 4}"),
    ],
)
def test_two_spellings_of_one_network_are_one(folder: Path, one: str, other: str) -> None:
    plain = ("student.objective.near=null",)
    before = digests(folder, *plain, f"student.model={one}", f"teachers.wide.model={one}")
    after = digests(folder, *plain, f"student.model={other}", f"teachers.wide.model={other}")
    assert before == after != digests(folder, *plain)


def test_batch_size_and_micro_batch_count_and_not_how_they_are_written(folder: Path) -> None:
    whole = digests(folder, "student.train.micro_batch_size=null")
    assert whole == digests(folder, "student.train.micro_batch_size=64") != digests(folder)


def test_other_weights_in_the_same_file_are_another_teacher(folder: Path) -> None:
    before = digests(folder)
    (folder / "loaded.pt").write_bytes(b"weights of now")
    assert small.changed(before, digests(folder)) == {LOADED, "student", BY["loaded"]}


def test_the_same_weights_in_another_place_are_the_same_teacher(folder: Path) -> None:
    before = digests(folder)
    elsewhere = folder / "elsewhere" / "renamed.safetensors"
    elsewhere.parent.mkdir()
    (folder / "loaded.pt").rename(elsewhere)
    assert digests(folder, f"teachers.loaded.weights={elsewhere}") == before


def test_the_source_of_a_custom_model_counts_and_not_its_place(folder: Path) -> None:
    def custom(path: str) -> dict[str, str]:
        plain = "student.objective.near=null"
        return digests(folder, plain, f"student.model={{kind: custom, source: '{path}:make'}}")

    before = custom("net.py")
    (folder / "moved.py").write_text((folder / "net.py").read_text())
    assert custom("moved.py") == before
    (folder / "net.py").write_text("def make(input_shape, classes): return None\n")
    assert small.changed(before, custom("net.py")) == STUDENTS
