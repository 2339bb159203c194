"""Claims about checking across sections: each rule on a recipe that breaks it alone."""

from pathlib import Path

import pytest

from orchestrator.commands.init import TEMPLATE
from orchestrator.errors import RecipeProblems
from orchestrator.recipe.loading import load_recipe
from students.engines.deepspeed_settings import OWNED

HINT_OF = "{kind: hint, teacher: %s, hint: layer3, guided: hidden.0}"
HINT = f"student.objective.look={HINT_OF}"
RELATION = "{kind: relation_distance, teacher: wide, hint: layer3, guided: hidden.0}"
TRIPLETS = "{kind: triplet_order, layers: {%s: layer3}, guided: hidden.0}"
GROUPS = "{kind: multi_group_hint, groups: [{teacher: %s, hint: layer3, guided: hidden.0}]}"
FIRST = "schedule={kind: two_stage, first: {objective: {%s}}}"
LOADED = ("teachers.wide.train=null", "teachers.wide.weights=file")


def problems(folder: Path, *overrides: str) -> dict[str, str]:
    file = folder / "recipe.yaml"
    file.write_text(TEMPLATE)
    try:
        load_recipe(file, overrides, environment={})
    except RecipeProblems as found:
        return {problem.path: problem.message for problem in found.problems}
    return {}


BROKEN = [
    (("teachers=null", "transfer_set.labelled=0", "student.objective={task: 1}", "controls=[]",
      "ensemble=null"),
     "teachers", ["is empty", "`transfer_set.labelled` is 0"]),
    (("teachers=null", "student.objective.task=null", "controls=[]", "ensemble=null"),
     "student.objective.soft_targets", ["needs a teacher"]),
    (("transfer_set.labelled=0.0", "controls=[]"),
     "student.objective.task", ["learns from labels", "`transfer_set.labelled` is 0"]),
    (("student.objective={}",), "student.objective", ["is empty"]),
    (("student.objective={task: 0, soft_targets: 0}",),
     "student.objective", ["weight 0 for task and soft_targets"]),
    ((HINT % "wid",), "student.objective.look.teacher", ["'wid'", "did you mean `wide`?"]),
    (("teachers.wide.train.objective={soft_targets: 1}",),
     "teachers.wide.train.objective.soft_targets", ["trained by labels alone"]),
    (("teachers.wide.train.objective={task: 0}",),
     "teachers.wide.train.objective", ["nothing would be learned"]),
    *[((f"teachers.wide.train.objective={{task: 1, look: {term}}}",),
       "teachers.wide.train.objective.look", ["needs a teacher", "trained by labels alone"])
      for term in (HINT_OF % "wide", RELATION, TRIPLETS % "wide", GROUPS % "wide",
                   "{kind: hard_targets}")],
    *[((f"student.objective.{kind}=1", "transfer_set.labelled=0", "student.objective.task=null",
        "controls=[]"),
       f"student.objective.{kind}", ["learns from labels", "`transfer_set.labelled` is 0"])
      for kind in ("conditional", "decoupled", "confidence_weighted", "virtual_teacher")],
    (("student.objective.decoupled={target: 0, others: 0}",),
     "student.objective.decoupled", ["must have `target` or `others` above 0"]),
    (("student.objective.correlation={between: 0, within: 0}",),
     "student.objective.correlation", ["must have `between` or `within` above 0"]),
    *[((f"student.objective.{kind}=0.1", f"student.train.micro_batch_size={micro}"),
       f"student.objective.{kind}",
       [f"is of kind '{kind}'", f"compares {micro + 1} samples",
        f"`student.train.micro_batch_size` is {micro}", f"make it {micro + 1} or more"])
      for kind, micro in (("relation_distance", 1), ("relation_angle", 2), ("correlation", 1))],
    ((f"student.objective.look={TRIPLETS}" % "wide", "student.train.batch_size=2"),
     "student.objective.look", ["compares 3 samples", "`student.train.batch_size` is 2"]),
    ((f"student.objective.look={TRIPLETS}" % "wid",),
     "student.objective.look.layers.wid", ["`teachers` does not have", "did you mean `wide`?"]),
    ((f"student.objective.look={GROUPS}" % "wid",),
     "student.objective.look.groups.0.teacher", ["'wid'", "did you mean `wide`?"]),
    ((f"student.objective.look={RELATION}".replace("wide", "wid"),),
     "student.objective.look.teacher", ["'wid'", "did you mean `wide`?"]),
    (("student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 60}",),
     "student.objective.soft_targets.weight.epoch",
     ["is 60", "no effect", "`student.train.epochs` is 60", "write 0.9 alone"]),
    (("teachers.wide.train.objective.task.weight={kind: stop, value: 0.5, epoch: 20, after: 1}",),
     "teachers.wide.train.objective.task.weight.epoch",
     ["is 20", "`teachers.wide.train.epochs` is 15", "write 0.5 alone"]),
    (("student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 6, after: 0.9}",),
     "student.objective.soft_targets.weight", ["is 0.9 in every epoch", "write 0.9 alone"]),
    (("student.objective.task.weight={kind: linear, start: 0.5, end: 0.5, epochs: 6}",),
     "student.objective.task.weight", ["is 0.5 in every epoch"]),
    (("student.objective.task.weight={kind: linear, start: 0, end: 1, epochs: 6}",
      "student.train.epochs=1"),
     "student.objective.task.weight", ["is 0 in each epoch", "`student.train.epochs` (1)"]),
    (("student.objective.task=0",
      "student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 59}"),
     "student.objective", ["weight 0 for task and soft_targets in epoch 59 (the first is 0)"]),
    (("teachers.wide.train.objective.task.weight={kind: stop, value: 0, epoch: 3, after: 1}",),
     "teachers.wide.train.objective", ["weight 0 for task in epochs 0 to 2"]),
    (("controls=[single_teachers]", "student.objective.soft_targets=null", HINT % "wide"),
     "controls", ["'single_teachers'", "uses nothing of 'convolutional'"]),
    (("teachers.wide.seen=none",), "teachers.wide.seen", ["sees the training samples"]),
    ((*LOADED, "teachers.wide.engine.ranks=2"), "teachers.wide.engine", ["has no effect"]),
    (("teachers=null", "student.objective={task: 1}", "controls=[]", "ensemble.temperature=3.0"),
     "ensemble", ["has no effect"]),
    (("student.objective.soft_targets=null", "ensemble.temperature=2.0"),
     "ensemble.temperature", ["is 2", "softens"]),
    (("ensemble.bank=none", "student.objective.soft_targets=null"),
     "ensemble.bank", ["has no effect", "uses a teacher"]),
    (("ensemble.bank.taps=true",), "ensemble.bank.taps", ["has no effect", "a teacher's layer"]),
    (("ensemble.bank.top_k=10",), "ensemble.bank.top_k", ["is 10", "only 10 classes"]),
    *[(("ensemble.bank.top_k=3", f"student.objective.{kind}=0.5"),
       "ensemble.bank.top_k", ["is 3", f"`student.objective.{kind}`", "needs each of them"])
      for kind in ("logit_l2", "decoupled", "correlation")],
    (("transfer_set.labelled=0", "student.objective.task=null"),
     "controls", ["'untaught'", "labels", "controls: []"]),
    (("teachers=null", "student.objective={task: 1}", "ensemble=null"),
     "controls", ["'untaught'", "`teachers` is empty"]),
    (("teachers.convolutional=null", "controls=[single_teachers]"),
     "controls", ["'single_teachers'", "the same student again"]),
    (("controls=[untaught, direct]",),
     "controls", ["'direct'", "`schedule` is 'offline'", "take it out"]),
    (("schedule={kind: born_again, generations: 2}", "student.objective={task: 1.0}"),
     "schedule.generations", ["uses nothing of 'the teachers'", "add soft_targets"]),
    (("schedule={kind: assistants, path: [{kind: mlp, hidden: [24]}]}",
      f"student.objective={{task: 0.1, look: {HINT_OF % 'wide'}}}"),
     "schedule.path", ["uses nothing of 'assistants.1'", "add soft_targets"]),
    (("schedule={kind: assistants, path: [{kind: mlp, hidden: [24]}], taught_by: all}",
      "ensemble.weighting={kind: fixed, weights: {wide: 0.5, convolutional: 0.5}}"),
     "ensemble.weighting.weights", ["`schedule.taught_by`", "take uniform"]),
    (("schedule={kind: assistants, path: [{model: {kind: mlp, hidden: [24]}, "
      "train: {batch_size: 65, micro_batch_size: 64}}]}",),
     "schedule.path.0.train.batch_size", ["is 65"]),
    (("schedule=route",),
     "schedule.teacher", ["is not given", "has 2", "wide or convolutional"]),
    (("schedule={kind: route, teacher: wyde}",),
     "schedule.teacher", ["is 'wyde'", "did you mean `wide`?"]),
    (("schedule={kind: route, teacher: wide, anchors: 16}",),
     "schedule.anchors", ["is 16", "`teachers.wide.train.epochs` is 15", "at most 15"]),
    (("schedule={kind: route, teacher: wide, anchors: 6}", "teachers.wide.train.stop_epoch=5"),
     "schedule.anchors", ["is 6", "`teachers.wide.train.stop_epoch` is 5"]),
    (("schedule={kind: route, teacher: wide, epochs: [5, 16, 20]}",),
     "schedule.epochs", ["has 16 and 20", "`teachers.wide.train.epochs` is 15", "take it out"]),
    (("schedule={kind: route, teacher: wide, epochs: [5, 10, 5]}",),
     "schedule.epochs", ["is [5, 10, 5]", "does not increase", "write [5, 10]"]),
    (("schedule={kind: route, teacher: wide, anchors: 2, epochs: [5, 10]}",),
     "schedule.anchors", ["is 2", "`schedule.epochs`", "one of the two"]),
    (("schedule={kind: route, teacher: wide}",
      "teachers.wide={model: {kind: mlp, hidden: [16]}, weights: wide.pt}"),
     "teachers.wide.weights", ["are loaded", "give `teachers.wide.train`"]),
    (("schedule={kind: route, teacher: wide}",
      f"student.objective={{task: 0.1, look: {HINT_OF % 'convolutional'}}}"),
     "schedule", ["uses nothing of 'wide'", "add soft_targets"]),
    (("schedule={kind: route, teacher: wide, anchors: greedy, epochs: [5]}",),
     "schedule.anchors", ["is greedy", "one of the two"]),
    (("schedule={kind: route, teacher: wide, anchors: 3, threshold: 0.2}",),
     "schedule.threshold", ["is 0.2", "no effect", "not 'greedy'"]),
    (("schedule={kind: route, teacher: wide, anchors: greedy}", "transfer_set.validation=none"),
     "schedule.anchors", ["is 'greedy'", "`transfer_set.validation` is 'none'"]),
    (("schedule=route", "teachers=null", "student.objective={task: 1}", "controls=[]"),
     "schedule", ["`teachers` is empty", "add a teacher"]),
    ((f"{FIRST % 'soft_targets: 1'}", f"student.objective.look={HINT_OF % 'first_stage'}"),
     "student.objective.look.teacher", ["is 'first_stage'", "not one of `teachers`"]),
    ((FIRST % "'gate': {kind: hint, teacher: wide, hint: layer3, guided: hidden.0}",),
     "schedule.first.objective.gate", ["reads a layer under the name 'gate'"]),
    ((FIRST % "soft_targets: 1}, train: {batch_size: 65, micro_batch_size: 64",),
     "schedule.first.train.batch_size", ["is 65"]),
    ((FIRST % "logit_l2: 1", "student.objective={task: 1}", "ensemble.bank.top_k=3"),
     "ensemble.bank.top_k", ["`schedule.first.objective.logit_l2`", "needs each of them"]),
    (("student.train.batch_size=66", "student.engine.ranks=2"),
     "student.train.batch_size", ["is 66", "`student.engine.ranks` (2)", "micro_batch_size 33"]),
    (("student.train.micro_batch_size=48",),
     "student.train.batch_size", ["is 64", "(48)", "micro_batch_size 32"]),
    (("student.train.batch_size=65", "student.engine.ranks=2"),
     "student.train.batch_size", ["make it 66 and micro_batch_size 33"]),
    (("teachers.wide.engine.ranks=4",), "teachers.wide.train.batch_size", ["micro_batch_size 16"]),
    (("student.train.batch_size=200",), "student.train.batch_size", ["is 200", "digits"]),
    (("teachers.wide.train.batch_size=2000",), "teachers.wide.train.batch_size", ["1077 samples"]),
    (("teachers.wide.train.epochs=5", "teachers.wide.train.stop_epoch=6"),
     "teachers.wide.train.stop_epoch", ["is 6", "`teachers.wide.train.epochs` is 5", "lower it"]),
    (("student.train.lr_schedule={kind: cosine, warmup: 61}",),
     "student.train.lr_schedule.warmup", ["is 61 epochs", "60"]),
    (("student.train.lr_schedule={kind: step, milestones: [20, 10]}",),
     "student.train.lr_schedule.milestones", ["does not increase", "[10, 20]"]),
    (("student.train.lr_schedule={kind: step, milestones: [20, 60]}",),
     "student.train.lr_schedule.milestones", ["has 60", "no effect"]),
    (("student.train.optimizer.nesterov=true", "student.train.optimizer.momentum=0"),
     "student.train.optimizer.nesterov", ["`student.train.optimizer.momentum` is 0"]),
    (("student.engine={kind: torch, zero_stage: 2}",),
     "student.engine.zero_stage", ["is 2", "has no effect", "'torch'"]),
    (("student.engine={kind: torch, deepspeed: {wall_clock_breakdown: true}}",),
     "student.engine.deepspeed", ["has no effect"]),
    (("cluster.mode=in_process", "student.engine.ranks=2", "student.train.micro_batch_size=32"),
     "student.engine.ranks", ["is 2", "one process"]),
    (("cluster.mode=in_process", "teachers.wide.replicas=2"),
     "teachers.wide.replicas", ["is 2", "one process"]),
    (("transfer_set.omit=[3, 3]",), "transfer_set.omit", ["must name each class once"]),
    (("transfer_set.omit=[10]",), "transfer_set.omit", ["names 10", "0 to 9"]),
    (("transfer_set.omit=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",), "transfer_set.omit", ["every class"]),
    (("transfer_set.views=4",), "transfer_set.views", ["is 4", "no effect"]),
    (("transfer_set.augment={kind: crop_flip, padding: 0, flip: false}",),
     "transfer_set.augment", ["changes nothing"]),
    (("transfer_set.validation=1347",), "transfer_set.validation", ["is 1347", "digits has 1347"]),
    (("transfer_set.validation=none", "evaluate.prior_correction=uniform"),
     "evaluate.prior_correction", ["validation images"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "path", "parts"), BROKEN, ids=[" ".join(each[0])[:60] for each in BROKEN]
)
def test_broken_rule_is_reported_in_one_sentence_at_its_place(
    tmp_path: Path, overrides: tuple[str, ...], path: str, parts: list[str]
) -> None:
    found = problems(tmp_path, *overrides)
    assert set(found) == {path}, "no recipe here breaks two rules"
    assert all(part in found[path] for part in parts), found[path]
    assert "\n" not in found[path]


@pytest.mark.parametrize("dotted", OWNED)
def test_deepspeed_key_that_the_recipe_owns_is_a_problem_that_says_why(
    tmp_path: Path, dotted: str
) -> None:
    setting = "1"
    for key in reversed(dotted.split(".")):
        setting = f"{{{key}: {setting}}}"
    found = problems(tmp_path, f"student.engine.deepspeed={setting}")
    [(path, message)] = found.items()
    assert path == f"student.engine.deepspeed.{dotted}"
    assert OWNED[dotted] in message


FINE: list[tuple[str, ...]] = [
    (
        "transfer_set.labelled=0",
        "student.objective={soft_targets: 1.0}",
        "controls=[direct]",
        "schedule={kind: born_again}",
    ),
    # Only the first of two stages uses teachers.
    (
        FIRST % "soft_targets: 1",
        "student.objective={task: 1}",
        "ensemble.temperature=2",
        "ensemble.noise={probability: 0.5, sigma: 0.1}",
        "controls=[untaught, direct]",
    ),
    ("student.objective.task.weight=0",),
    ("student.objective={task: 0, soft_targets: 1}",),
    ("transfer_set.views=4", "transfer_set.augment={kind: shift, pixels: 1}"),
    ("transfer_set.views=4", "teachers.wide.train.augment=crop_flip"),
    ("student.engine.deepspeed={zero_optimization: {overlap_comm: false}}",),
    ("student.engine.kind=torch",),
    ("student.engine.ranks=2", "student.train.micro_batch_size=32"),
    ("transfer_set.labelled=0", "student.objective.task=null", "controls=[single_teachers]"),
    (HINT % "wide",),
    (f"student.objective.look={RELATION}", "student.train.micro_batch_size=2"),
    (f"student.objective.look={TRIPLETS}" % "wide",),
    (f"student.objective.look={GROUPS}" % "wide",),
    ("student.objective.relation_angle=0", "student.train.micro_batch_size=2"),
    ("student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 59}",),
    ("student.objective.soft_targets.weight={kind: linear, start: 0.9, end: 0, epochs: 200}",),
    ("student.objective.soft_targets.weight=ramp",),
    ("student.objective={task: 1, virtual_teacher: 0.1}", "controls=[]"),
    ("student.objective={virtual_teacher: 1}", "teachers=null", "ensemble=null", "controls=[]"),
    ("teachers.wide.train.objective={task: 0.9, virtual_teacher: 0.1}",),
    ("controls=[single_teachers]", HINT % "wide"),
    (
        "controls=[single_teachers]",
        "student.objective.soft_targets=null",
        "student.objective.look={kind: triplet_order, guided: hidden.0, "
        "layers: {wide: layer3, convolutional: stage1}}",
    ),
    ("student.train.lr_schedule={kind: step, milestones: [30, 45]}",),
    ("student.train.batch_size=109",),
    (*LOADED, "teachers.wide.seen=none"),
    ("controls=[untaught, single_teachers, label_smoothing]",),
]


@pytest.mark.parametrize("overrides", FINE, ids=[" ".join(each) for each in FINE])
def test_recipe_that_breaks_no_rule_is_accepted(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    assert problems(tmp_path, *overrides) == {}
