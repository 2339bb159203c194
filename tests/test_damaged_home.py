"""Whatever files of a home are damaged, the same command ends with the same figures and says what
was damaged; it never ends with a traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from tests import small
from tests.running import EACH_STEP, IN_PROCESS, Finished, copy_of, run_stages, undisturbed

pytestmark = pytest.mark.slow

OF_STAGES = (
    "attempt.json", "request.json", "resolved.json", "spool/attempt-0001.jsonl",
    "checkpoints/step-*/manifest.json", "checkpoints/step-*/model.safetensors",
    "checkpoints/step-*/optimizer.safetensors", "checkpoints/LATEST", "outcome/model/outcome.json",
    "outcome/model/model.safetensors", "outcome/model/answers.safetensors",
    "evaluations/model-test-*.safetensors",
)  # fmt: skip
OF_THE_BANK = (
    "bank/format.json", "bank/*/about.json", "bank/*/manner.json", "bank/*/verdict.json",
    "bank/*/tuning.json", "bank/*/probe.safetensors", "bank/*/view-*/*.sealed",
    "bank/*/view-*/claims",
)  # fmt: skip
OTHERS = (
    "runs/*/report.json", "runs/*/report.json.sha256", "runs/*/complete.json",
    "runs/*/recipe.yaml", "runs/*/report.md",
    "cache/latency/*.json", "cache/contents/*.json", "mlflow.db",
)  # fmt: skip
UNREAD = ("*.lock", ".lock", ".attempt.lock", "*.png", "mlartifacts/*", "session/*", "lock")


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def digits_changed(file: Path) -> None:
    """The last digit of each number, one up, but for those in names and hashes."""
    number = rb"(?<![0-9a-f.])[0-8](?=[,\n}])"
    file.write_bytes(re.sub(number, lambda digit: b"%d" % (int(digit[0]) + 1), file.read_bytes()))


def null(file: Path) -> None:
    file.write_bytes(b"null")


def a_list(file: Path) -> None:
    file.write_bytes(b"[1, 2]")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def deleted(file: Path) -> None:
    file.unlink()


DAMAGES: tuple[Callable[[Path], None], ...] = (
    emptied, cut, flipped, digits_changed, null, a_list, a_folder, deleted,
)  # fmt: skip


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A finished home, and one whose student has come to step 9 of 12."""
    folder = tmp_path_factory.mktemp("half")
    with pytest.raises(KeyboardInterrupt):
        run_stages(small.loaded(folder, *IN_PROCESS, EACH_STEP), folder / "home", until=9)
    return {"finished": undisturbed(tmp_path_factory).home, "half finished": folder / "home"}


def figures(run: Finished) -> dict[str, Any]:
    """What a report says of its models, but for latencies."""
    models = {"student": run.object["student"], "untaught": run.object["untaught"]}
    return {
        name: {key: value for key, value in model.items() if key != "latency_ms"}
        for name, model in (models | dict(run.object["teachers"])).items()
    }


@pytest.mark.parametrize("number", range(len(OF_STAGES)))
@pytest.mark.parametrize("which", ["finished", "half finished"])
def test_the_same_command_ends_with_the_same_figures(
    homes: Mapping[str, Path],
    which: str,
    number: int,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """A file of each part of the home at once, as one does not hide another's damage; over all
    numbers each kind of file and of damage is there."""
    home, turn = copy_of(homes[which], tmp_path), number + 3 * (which == "finished")
    kinds = (
        f"stages/*/{OF_STAGES[number]}",
        *(part[number % len(part)] for part in (OF_THE_BANK, OTHERS)),
    )
    for place, kind in enumerate(kinds):
        for file in home.glob(kind):
            DAMAGES[(turn + place) % len(DAMAGES)](file)
    small.written(tmp_path)
    command = ["--home", str(home), "run", str(tmp_path / "recipe.yaml"), *IN_PROCESS, EACH_STEP]
    result = CliRunner().invoke(main, [*command, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "Traceback" not in result.stderr
    run = Finished(tmp_path, home, json.loads(result.stdout))
    assert figures(run) == figures(undisturbed(tmp_path_factory))


def test_every_kind_of_file_in_a_home_is_damaged_here(homes: Mapping[str, Path]) -> None:
    home = homes["finished"]
    kinds = [f"stages/*/{kind}" for kind in OF_STAGES] + [*OF_THE_BANK, *OTHERS]
    files = {path.relative_to(home) for path in home.rglob("*") if path.is_file()}
    known = {file for file, kind in product(files, kinds) if file.match(kind)}
    unread = {
        file
        for file, kind in product(files, UNREAD)
        if file.match(kind) or file.parts[0] == kind.removesuffix("/*")
    }
    assert files - known - unread == set()
