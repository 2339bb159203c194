"""Whatever file of a home is damaged, the same command ends with the same figures, and says what
was damaged where something had to be made again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import main
from tests import small
from tests.running import EACH_STEP, IN_PROCESS, copy_of, finished, run_stages, undisturbed

KINDS = {
    "attempt.json": "stages/*/attempt.json",
    "request.json": "stages/*/request.json",
    "resolved.json": "stages/*/resolved.json",
    "step log": "stages/*/spool/attempt-0001.jsonl",
    "manifest": "stages/*/checkpoints/step-*/manifest.json",
    "checkpoint": "stages/*/checkpoints/step-*/model.safetensors",
    "optimizer": "stages/*/checkpoints/step-*/optimizer.safetensors",
    "LATEST": "stages/*/checkpoints/LATEST",
    "outcome.json": "stages/*/outcome/model/outcome.json",
    "weights": "stages/*/outcome/model/model.safetensors",
    "logits": "stages/*/outcome/model/answers.safetensors",
    "test logits": "stages/*/evaluations/model-test-*.safetensors",
    "bank format": "bank/format.json",
    "about.json": "bank/*/about.json",
    "inference": "bank/*/manner.json",
    "verdict": "bank/*/verdict.json",
    "tuning": "bank/*/tuning.json",
    "probe": "bank/*/probe.safetensors",
    "answers": "bank/*/view-*/logits*.sealed",
    "claims": "bank/*/view-*/claims",
    "report.json": "runs/*/report.json",
    "complete.json": "runs/*/complete.json",
    "recipe.yaml": "runs/*/recipe.yaml",
    "page": "runs/*/report.md",
    "latency": "cache/latency/*.json",
    "database": "mlflow.db",
}


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x10
    file.write_bytes(content)


def changed(file: Path) -> None:
    """Each digit but those of long numbers in hex, one up."""
    text = file.read_bytes()
    file.write_bytes(re.sub(rb"(?<![0-9a-f.])[0-8](?=[,\n}])", lambda m: b"%d" % (int(m[0]) + 1), text))


def null(file: Path) -> None:
    file.write_bytes(b"null")


def a_list(file: Path) -> None:
    file.write_bytes(b"[1, 2]")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def deleted(file: Path) -> None:
    file.unlink()


DAMAGES = (emptied, cut, flipped, changed, null, a_list, a_folder, deleted)


def figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of a report but times and places."""
    models = {"student": result["student"], "untaught": result["untaught"], **result["teachers"]}
    return {
        name: {key: value for key, value in model.items() if key != "latency_ms"}
        for name, model in models.items()
    }


if __name__ == "__main__":
    import sys, tempfile, time
    class F:
        def mktemp(self, name): return Path(tempfile.mkdtemp(prefix=name))
    done = undisturbed(F())
    half = Path(tempfile.mkdtemp())/"half"
    half.mkdir()
    try:
        run_stages(small.loaded(half, *IN_PROCESS, EACH_STEP), half / "home", until=9)
    except KeyboardInterrupt: pass
    truth = figures(done.object)
    only = sys.argv[1:]
    for which, home in (("done", done.home), ("half", half / "home")):
        for kind, pattern in KINDS.items():
            if only and kind not in only: continue
            for damage in DAMAGES:
                work = Path(tempfile.mkdtemp())
                copy = copy_of(home, work)
                files = sorted(copy.glob(pattern))
                if not files: print(which, kind, "no file"); break
                for file in files: damage(file)
                began=time.time()
                small.written(work)
                r = CliRunner().invoke(main, ["--home", str(copy), "run", str(work/"recipe.yaml"), *IN_PROCESS, EACH_STEP, "--json"])
                s=time.time()-began
                same = r.exit_code==0 and figures(json.loads(r.stdout))==truth
                ran=[x["name"] for x in json.loads(r.stdout)["stages"] if x["ran"]] if r.exit_code==0 else None
                err="\n   ".join(l[:400] for l in r.stderr.splitlines() if "already stored" not in l and not re.search(r": (starts|step|done|epoch)", l))
                flag = "ok " if same else "BAD"
                if r.exit_code and not isinstance(r.exception, SystemExit): 
                    import traceback; flag="TRACE"; err+= "".join(traceback.format_exception(r.exception)[-3:])
                print(flag, which, kind, damage.__name__, f"{s:.1f}s", r.exit_code, "ran" if ran else "", ran or "", "\n   "+err if err else "", flush=True)
                shutil.rmtree(work)
