"""Bad input end to end: one sentence for each problem, exit code 2, no traceback, nothing begun."""

from __future__ import annotations

import json
import re
import resource
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.home.store import Store
from students.storage.checkpoint import CheckpointFolder
from tests import small
from tests.refusals import invoke, refused
from tests.running import Command, undisturbed

NO_HINT = "student.objective.near=null"


STATIC = [
    (
        ["student.train.epoch=5"],
        "`student.train.epoch` is not a setting; did you mean `epochs`?",
    ),
    (["studnt.train.epochs=5"], "`studnt` is not a setting; did you mean `student`?"),
    (
        ["student.train.epochs=five"],
        "`student.train.epochs` is 'five', but must be a whole number from 1 to 100000; ",
    ),
    (
        ["student.train.optimizer.lr=.nan"],
        "`student.train.optimizer.lr` is nan, but must be a number from 1e-08 to 10; ",
    ),
    (["ensemble.temperature=.inf"], "`ensemble.temperature` is inf, but must be a number "),
    (
        ["student.train.batch_size=-64"],
        "`student.train.batch_size` is -64, but must be a whole number of at least 1; ",
    ),
    (
        ["student.model.hidden=[-16]"],
        "`student.model.hidden.0` is -16, but must be a whole number from 1 to 65536; ",
    ),
    (
        ["teachers=null", "transfer_set.labelled=0", "student.objective={task: 1}"],
        "`teachers` is empty and `transfer_set.labelled` is 0, so nothing is left to learn from; "
        "add a teacher or give labels",
    ),
    (
        ["cluster.mode=local", "student.engine.ranks=3"],
        "`student.train.batch_size` is 64, which `student.engine.ranks` (3) times "
        "`student.train.micro_batch_size` (32) do not divide; make it 66 and ",
    ),
    (
        ["student.objective.near.teacher=wid"],
        "`student.objective.near.teacher` is 'wid', which is not one of `teachers`; did you "
        "mean `wide`?",
    ),
    (
        ["student.objective.task.weight={kind: lin, start: 1, end: 0, epochs: 2}"],
        "`student.objective.task.weight` is of kind 'lin', which does not exist; did you mean "
        "'linear'? ",
    ),
    (
        ["student.objective.soft_targets.weight={kind: stop, value: 0.9, epoch: 3}"],
        "`student.objective.soft_targets.weight.epoch` is 3, which has no effect, since "
        "`student.train.epochs` is 3 and the first epoch is 0; make it less than 3, or write 0.9 ",
    ),
    (
        ["student.objective={task: {weight: {kind: stop, value: 1, epoch: 2}}}", "controls=[]"],
        "`student.objective` has weight 0 for task in epoch 2 (the first is 0), so nothing would ",
    ),
    (
        ["student.objective.apart={kind: relation_distance}", "student.train.micro_batch_size=1"],
        "`student.objective.apart` is of kind 'relation_distance', which compares 2 samples, but "
        "`student.train.micro_batch_size` is 1; make it 2 or more",
    ),
    (
        ["student.objective.order={kind: triplet_order, guided: hidden.0, layers: {wid: a}}"],
        "`student.objective.order.layers.wid` gives a layer of a teacher that `teachers` does not "
        "have; did you mean `wide`?",
    ),
    (
        ["transfer_set.fraction=0.01"],
        "`student.train.batch_size` is 64, but digits has no more than ",
    ),
]


@pytest.mark.parametrize(("settings", "sentence"), STATIC, ids=[case[0][-1] for case in STATIC])
def test_a_recipe_that_cannot_run_is_reported_in_one_sentence(
    tmp_path: Path, settings: list[str], sentence: str
) -> None:
    message = refused(tmp_path, *settings)
    assert message.startswith(sentence), message
    assert "\n" not in message


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    wrong = ["student.train.epochs=0", "teachers.wide.thread=2", "ensemble.mean=harmonic"]
    lines = refused(tmp_path, *wrong).splitlines()
    assert len(lines) == 3
    for place in ("student.train.epochs", "teachers.wide.thread", "ensemble.mean"):
        assert sum(line.startswith(f"`{place}` ") for line in lines) == 1, place


def test_json_tells_the_problem_and_nothing_else_on_standard_output(tmp_path: Path) -> None:
    result = invoke(tmp_path, "run", "student.train.epoch=5", "--json")
    assert result.exit_code == 2
    printed = json.loads(result.stdout)
    assert printed["outcome"] == "failed"
    assert "did you mean `epochs`?" in printed["problem"]


LAYERS = [
    (
        ["student.objective.near.hint=hiden.0"],
        r"`student\.objective\.near\.hint` is 'hiden\.0', which is not a layer of .*'hidden\.0'",
    ),
    (
        ["student.objective.near.guided=hidden.7"],
        r"`student\.objective\.near\.guided` is 'hidden\.7', .* such as 'hidden\.0'",
    ),
    (
        ["student.objective.near={kind: hint, teacher: deep, hint: stage1, guided: hidden.0}"],
        r"`student\.objective\.near` cannot be computed: a guided layer of shape \(16,\) has "
        r"no adapter to a hint of shape \(4, 4, 4\); .*`reduction: pool`",
    ),
    (
        [NO_HINT, "student.model={kind: custom, source: 'absent.py:make'}"],
        r"`student\.model\.source` is 'absent\.py:make', which does not exist; ",
    ),
    (
        ["student.model.preprocessing.mean=[0.1, 0.2, 0.3]"],
        r"`student\.model\.preprocessing\.mean` is \[0\.1, 0\.2, 0\.3\], but the pictures have 1 ",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "sentence"), LAYERS, ids=[case[0][-1] for case in LAYERS])
def test_what_only_models_can_show_is_reported_before_anything_begins(
    tmp_path: Path, settings: list[str], sentence: str
) -> None:
    message = refused(tmp_path, *settings)
    assert re.match(sentence, message), message
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_data_that_are_not_there_and_cannot_be_fetched_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    root = tmp_path / "nothing here"
    message = refused(tmp_path, f"transfer_set.kind={kind}", f"transfer_set.root={root}", NO_HINT)
    assert message.startswith(f"`transfer_set.root` is '{root}'")
    assert re.search(
        r"put torchvision's files there, first '.*', or run once where there is", message
    )
    assert not [path for path in root.rglob("*") if path.is_file() and path.name[0] != "."]


def test_a_folder_of_pictures_without_pictures_says_how_it_must_look(tmp_path: Path) -> None:
    message = refused(
        tmp_path, "transfer_set.kind=image_folder", "transfer_set.root=pictures", NO_HINT
    )
    assert message.startswith("`transfer_set.root`")
    assert "train/CLASS/" in message


def test_a_home_that_cannot_be_written_is_reported_with_what_to_do(tmp_path: Path) -> None:
    # Not by permissions, which do not bind root.
    (tmp_path / "file").touch()
    message = refused(tmp_path, home=tmp_path / "file" / "home")
    assert re.match(
        r"the home folder '.*/file/home' cannot be written \(Not a directory\); make it writable, "
        r"or give another with --home or STILLHOUSE_HOME",
        message,
    )


def test_a_recipe_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    for content, sentence in ((None, "does not exist"), ("[1, 2]", "a recipe is a mapping")):
        file = tmp_path / "other.yaml"
        if content is not None:
            file.write_text(content)
        result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), "run", str(file)])
        assert result.exit_code == 2
        assert sentence in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run_and_leaves_its_last_commit(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = (
        "teachers=null", "student.objective={task: 1.0}", "controls=[]",
        "student.model.hidden=[512]", "student.train.epochs=2000", "cluster.mode=in_process",
        "student.engine.kind=torch",
    )  # fmt: skip
    graph = small.planned(tmp_path, *settings)
    # Its database is there already, which saves the seconds to make one.
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(undisturbed(tmp_path_factory).home / "mlflow.db", home)
    stage = Store(home).folder(graph.stage("student").digest)
    latest = stage / "checkpoints" / "LATEST"
    recipe = str(tmp_path / "recipe.yaml")
    with Command("--home", str(home), "run", recipe, *settings, folder=tmp_path) as run:
        run.waits_for(latest.exists, 100)
        # From now on the kernel refuses what a checkpoint has and other files have not: 150 kB.
        resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        code = run.ends(60)
    assert code == 1, run.said()
    assert "Traceback" not in run.said()
    *_, last = run.said().splitlines()
    assert re.match(r".* cannot be written \(File too large\); make room .*checkpoint stands", last)
    found = CheckpointFolder(stage, json.loads((stage / "attempt.json").read_text())["attempt"], 2)
    checkpoint = found.latest()
    assert checkpoint is not None
    assert f"step-{checkpoint.step:06d}" == latest.read_text()
    assert checkpoint.load().module
    assert not list((stage / "checkpoints").glob(".tmp*"))
