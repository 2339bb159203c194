"""The store of stages by digest: outcomes of finished ones, work of unfinished ones.

HOME/stages/DIGEST/
request.json      what determines the result, readable
attempt.json      the number of the current attempt
failures.jsonl    a sentence on each attempt that has failed
resolved.json     what was chosen at the first attempt (threads, precision: auto)
checkpoints/      committed checkpoints
spool/            what each attempt measured
outcome/NAME/     what the finished stage leaves of each of its models
extras/NAME/      extra outputs: a teacher at the end of an earlier epoch (anchor.5)
again/            a folder like this one, while a finished stage is trained again for extra outputs
decision.json     what was chosen, of a choice
evaluations/      logits of its models on the test part, once they are asked for
HOME/stages/DIGEST.lock   held by the one executor that works on it
HOME/runs/NAME@DIGEST/    the report of a run
HOME/bank/DIGEST/         answers of one teacher
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event
from typing import Any, cast

from orchestrator.errors import RecipeProblems
from orchestrator.home.process_lock import hold_lock
from orchestrator.planning.digest import LENGTH
from orchestrator.planning.graph import Choice, Decision, Graph, Node
from orchestrator.planning.stage import Stage
from orchestrator.planning.thread_allocation import Resolved
from students.json_records import (
    line_bytes,
    parse_line,
    read_or_report,
    reason_of,
    report_damage,
    write_json,
)
from students.models.config import Weights
from students.specs import StageOutput
from students.storage.outcome import (
    EXTRAS,
    Outcome,
    read_extra,
    read_outcomes,
    weights_file,
)

AGAIN = "again"
DECISION = "decision.json"
RESOLVED = "resolved.json"
FAILURES = "failures.jsonl"
_DIGEST = re.compile(rf"[0-9a-f]{{{LENGTH}}}")


@dataclass(frozen=True)
class StoredStage:
    """A stage's folder. Whether its outcome is whole, only reading it can show."""

    folder: Path

    @property
    def digest(self) -> str:
        """The digest that the stage is stored under."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """Held by the executor that works on the stage."""
        return self.folder.with_name(f"{self.digest}.lock")

    @property
    def checkpoints(self) -> Path:
        """Where its checkpoints are, or were."""
        return self.folder / "checkpoints"

    @property
    def again(self) -> Path:
        """Where it is trained again for extra outputs, or was when that was interrupted."""
        return self.folder / AGAIN

    @property
    def finished(self) -> bool:
        """Whether its outcome is there."""
        return (self.folder / "outcome").is_dir()

    @property
    def unfinished(self) -> bool:
        """Whether it has checkpoints but no outcome."""
        return not self.finished and any(self.checkpoints.glob("step-*"))


@dataclass(frozen=True)
class Store:
    """The folder ``home`` and what lies where in it."""

    home: Path
    _finished: dict[str, dict[str, Outcome]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _extras: dict[StageOutput, Outcome] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def cache(self) -> Path:
        """What transfer sets have decoded or hashed; may be deleted at any time."""
        return self.home / "cache"

    @property
    def bank(self) -> Path:
        """One folder for each teacher, with its answers; may be deleted."""
        return self.home / "bank"

    @property
    def runs(self) -> Path:
        """One folder for each run, with its report."""
        return self.home / "runs"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            RecipeProblems: the home cannot be written.
        """
        try:
            for folder in (self.home, self.home / "stages", self.runs, self.cache):
                folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.home).close()
        except OSError as error:
            raise RecipeProblems.of(
                f"the home folder '{self.home}' cannot be written ({error.strerror}); make it "
                "writable, or give another with --home or STILLHOUSE_HOME"
            ) from error

    def folder(self, digest: str) -> Path:
        """Where the stage of that digest keeps its work."""
        return self.home / "stages" / digest

    def outcomes(self, digest: str) -> Mapping[str, Outcome]:
        """What is known of each of a stage's models, by name; of none while it is not finished.

        A finished stage does not change, so its files are read and hashed once; it may be deleted.
        """
        if not self._finished.get(digest) or not (self.folder(digest) / "outcome").is_dir():
            self._finished[digest] = read_outcomes(self.folder(digest))
        return self._finished[digest]

    def outcome(self, output: StageOutput) -> Outcome | None:
        """What is known of one model of a stage, or of one of its extra outputs; none while it is
        not stored. It, too, is read and hashed once."""
        model = self.outcomes(output.stage).get(output.name)
        if model is not None:
            return model
        folder = self.folder(output.stage)
        if output not in self._extras or not (folder / EXTRAS / output.name).is_dir():
            self._extras.pop(output, None)
            if (extra := read_extra(folder, output.name)) is None:
                return None
            self._extras[output] = extra
        return self._extras[output]

    def delete(self, digest: str) -> None:
        """Deletes all that is stored of a stage, which must not be under way."""
        shutil.rmtree(self.folder(digest), ignore_errors=True)
        self._finished.pop(digest, None)

    def has_result(self, node: Node) -> bool:
        """Whether there is an outcome with all extra outputs, or a decision; unread, so it may be
        damaged."""
        folder = self.folder(node.digest)
        extras = node.extras if isinstance(node, Stage) else ()
        whole = all((folder / EXTRAS / name).is_dir() for name in extras)
        return ((folder / "outcome").is_dir() and whole) or (folder / DECISION).exists()

    def decision(self, choice: Choice) -> Decision | None:
        """What was chosen; none while ``choice`` is not decided."""

        def parse(stored: dict[str, Any]) -> Decision:
            if stored["chosen"] not in choice.options:
                raise ValueError(f"it chooses none of {choice.range}")
            return Decision(**stored)

        file = self.folder(choice.digest) / DECISION
        return read_or_report(file, parse, "the choice is made again")

    def grown(self, graph: Graph) -> Graph:
        """``graph`` with what follows from all decisions that are stored."""
        for choice in graph.undecided:
            if (decision := self.decision(choice)) is not None:
                return self.grown(graph.grown(choice, decision))
        return graph

    def finished(self, stage: Stage) -> Mapping[str, Outcome]:
        """What is known of each model of ``stage``; of none while one is missing, or one of its
        extra outputs."""
        outcomes = self.outcomes(stage.digest)
        whole = outcomes.keys() == stage.models.keys() and not self.missing_extras(stage)
        return outcomes if whole else {}

    def missing_extras(self, stage: Stage) -> list[str]:
        """The extra outputs of ``stage`` that are not stored."""
        outputs = (StageOutput(stage.digest, name) for name in stage.extras)
        return [output.name for output in outputs if self.outcome(output) is None]

    def weights(self, output: StageOutput) -> Weights:
        """The file of a finished model's weights."""
        return Weights(path=str(weights_file(self.folder(output.stage), output.name)))

    @contextmanager
    def lock(self, digest: str, on_wait: Callable[[], None], stopping: Event) -> Iterator[None]:
        """Holds the stage against other executors; calls ``on_wait`` if one has it.

        Raises:
            KeyboardInterrupt: the run was ``stopping`` while it waited.
        """
        with hold_lock(StoredStage(self.folder(digest)).lock, stopping, on_wait):
            yield

    def begin(self, digest: str, fingerprint: Mapping[str, Any], resolved: Resolved) -> Resolved:
        """Makes the stage's folder; gives what was resolved at the first attempt.

        Where that is lost, this is the first attempt again: no checkpoint of another is used.
        """
        if (before := self.resolved(digest)) is not None:
            return before
        folder = self.folder(digest)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        shutil.rmtree(folder / AGAIN, ignore_errors=True)
        if not self.outcomes(digest):
            shutil.rmtree(folder / EXTRAS, ignore_errors=True)
        write_json(folder / "request.json", fingerprint)
        write_json(folder / RESOLVED, {**resolved})
        return resolved

    def resolved(self, digest: str) -> Resolved | None:
        """What was resolved at the first attempt at a stage; none where that is lost."""
        file = self.folder(digest) / RESOLVED
        return read_or_report(file, _resolved, "what it held is resolved again")

    def record_failure(self, digest: str, sentence: str) -> None:
        """Adds a sentence on a failed attempt at the stage to those of earlier ones."""
        with (self.folder(digest) / FAILURES).open("ab") as file:
            file.write(line_bytes({"sentence": sentence}))

    def failures(self, digest: str) -> list[str]:
        """The sentences on failed attempts at the stage."""
        file = self.folder(digest) / FAILURES
        try:
            return [parse_line(line)["sentence"] for line in file.read_bytes().splitlines()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError) as error:
            report_damage(file, reason_of(error), "failed attempts at the stage are not reported")
            return []

    def amend(self, digest: str, resolved: Resolved) -> None:
        """Keeps what was resolved later in the first attempt, before anything depends on it."""
        write_json(self.folder(digest) / RESOLVED, {**resolved})

    def stages(self) -> list[StoredStage]:
        """All stages that there is a folder for, in order of their digests."""
        folders = sorted(path for path in (self.home / "stages").glob("*") if path.is_dir())
        return [StoredStage(folder) for folder in folders if _DIGEST.fullmatch(folder.name)]


def _resolved(stored: dict[str, Any]) -> Resolved:
    if not stored.keys() >= {"student", "teachers"}:
        raise ValueError("it lacks the threads")
    return cast(Resolved, stored)
