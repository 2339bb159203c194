"""What is stored of a teacher beside its answers: how it is run, how that was tuned, its verdict.

All of it can be computed again from the teacher, so a failure to write it never ends a run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

import safetensors.torch
from pydantic import Field, TypeAdapter
from safetensors import SafetensorError, safe_open
from torch import Tensor

from students.durable_files import create_atomically, move_aside, write_atomically
from students.json_records import json_bytes, read_or_report, write_json
from students.models.probabilities import Squashed
from teachers.bank.shelf import INFERENCE
from teachers.inference.inference_config import InferenceConfig
from teachers.qualification.fidelity import Fidelity
from teachers.qualification.parity_checks import Plausibility

PROBE = "probe.safetensors"
PROBE_FORMAT = "2"
"""Raised by hand when what is compared of a teacher changes, so that it is asked again."""

StoredConfig = Annotated[InferenceConfig, Field(alias="manner")]
"""An inference config under the name that files of the bank have for it."""


@dataclass(frozen=True)
class Candidate:
    """One inference config that was tried.

    ``rate`` is the median in samples/s (None: it does not run); ``mean_kl`` and ``same_argmax``
    compare it with plain fp32 (None: not compared); ``rejected`` says why it was not chosen
    (empty: it was).
    """

    inference: StoredConfig
    rate: float | None = None
    mean_kl: float | None = None
    same_argmax: float | None = None
    rejected: str = ""


@dataclass(frozen=True)
class Tuning:
    """The inference config ``chosen`` for a teacher, and why.

    ``plain_rate`` and ``chosen_rate`` are samples/s in plain fp32 and as chosen (None: not
    measured, as where nothing was tried); ``trials`` are all candidates.
    """

    chosen: InferenceConfig
    plain_rate: float | None
    chosen_rate: float | None
    trials: tuple[Candidate, ...] = ()
    reason: str = ""

    @property
    def gain(self) -> float | None:
        """How many times faster than plain fp32."""
        if not self.plain_rate or self.chosen_rate is None:
            return None
        return self.chosen_rate / self.plain_rate


@dataclass(frozen=True)
class ProbeAnswers:
    """Logits of the probe's samples [N, C]: ``given`` by the running teacher, all of them, and in
    ``plain`` fp32 as the network returns them; ``deterministic``: the same samples in another
    batch gave the same bits."""

    given: Tensor
    plain: Tensor
    deterministic: bool


@dataclass(frozen=True)
class Verdict:
    """What the parity gate found of a teacher run with ``inference``.

    ``fidelity`` is at ``temperature`` and ``top_k``; ``plausibility`` is None where no sample has
    a label; ``better_reading`` names another preprocessing under which it would be right much more
    often; ``squashed`` what its outputs are probabilities by. ``problems`` are whole sentences
    (empty: it passes), that of fidelity is ``unfaithful``, since it holds at one temperature and
    ``top_k`` only, with its cause in a few words. ``implausible`` is that of a teacher near chance.
    ``doubts`` are warnings, for which no teacher fails.
    """

    inference: StoredConfig
    temperature: float
    fidelity: Fidelity
    deterministic: bool
    plausibility: Plausibility | None
    better_reading: str | None = None
    problems: tuple[str, ...] = ()
    unfaithful: str = ""
    doubts: tuple[str, ...] = ()
    top_k: int | None = None
    squashed: Squashed = ""
    unfaithful_cause: str = ""
    implausible: str = ""

    @property
    def passes(self) -> bool:
        """Whether the teacher may teach."""
        return not self.sentences

    @property
    def sentences(self) -> tuple[str, ...]:
        """All for which it does not pass."""
        return (*self.problems, *filter(None, (self.implausible, self.unfaithful)))

    def of_anchor(self) -> Verdict:
        """The verdict on the same teacher as an anchor, which may be near chance: a route begins
        there. Whether its answers are faithful matters as much as of any other."""
        return replace(self, implausible="")

    def __str__(self) -> str:
        """In a few words, for a report."""
        if self.passes and self.doubts:
            return "passed, with doubts"
        if self.passes:
            return "passed" if self.plausibility else "passed (no labels)"
        found = self.plausibility
        causes = {
            self.unfaithful_cause or "not faithful to fp32": bool(self.unfaithful),
            "outputs are probabilities": bool(self.squashed),
            "not deterministic": not self.deterministic,
            "near chance": found is not None and found.near_chance and not found.too_few,
            "classes in another order": found is not None and found.order is not None,
            f"better with {self.better_reading}": self.better_reading is not None,
        }
        return "failed: " + ", ".join(words for words, holds in causes.items() if holds)


RECORD_FILES: Mapping[type, str] = {
    InferenceConfig: INFERENCE,
    Tuning: "tuning.json",
    Verdict: "verdict.json",
}
Record = TypeVar("Record", InferenceConfig, Tuning, Verdict)


def store_config(folder: Path, inference: InferenceConfig) -> None:
    """Stores how a teacher is run, unless another process has: the first one decides for all."""
    file = folder / INFERENCE
    with suppress(OSError):  # On a full disk nothing is chosen, and the bank stores nothing.
        if file.exists() and read_record(folder, InferenceConfig) is None:
            move_aside(file)
        create_atomically(file, json_bytes(inference.to_json()))


def read_record(folder: Path, kind: type[Record]) -> Record | None:
    """The record of the teacher of the shelf in ``folder``; None where it is absent or damaged."""
    return read_or_report(
        folder / RECORD_FILES[kind],
        lambda stored: TypeAdapter(kind).validate_json(json.dumps(stored)),
        "what it held of the teacher is found again",
    )


def write_record(folder: Path, record: Tuning | Verdict) -> None:
    """Stores how a teacher was tuned, or the verdict on it."""
    content = TypeAdapter(type(record)).dump_python(record, by_alias=True, mode="json")
    with suppress(OSError):  # On a full disk the run continues, and computes it again another time.
        write_json(folder / RECORD_FILES[type(record)], content)


def write_probe_answers(folder: Path, inference: InferenceConfig, answers: ProbeAnswers) -> None:
    """Stores the answers from which the verdict at another temperature follows."""
    # Copies: safetensors refuses tensors that share memory.
    tensors = {"given": answers.given.clone(), "plain": answers.plain.clone()}
    deterministic = str(answers.deterministic)
    metadata = {
        "manner": _encode_inference(inference),
        "deterministic": deterministic,
        "format": PROBE_FORMAT,
        "sha256": _sha256(answers),
    }
    with suppress(OSError):
        write_atomically(folder / PROBE, safetensors.torch.save(tensors, metadata))


def read_probe_answers(folder: Path, inference: InferenceConfig) -> ProbeAnswers | None:
    """The answers that led to the verdict on a teacher run with ``inference``, if stored."""
    try:
        with safe_open(folder / PROBE, "pt") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            own = (_encode_inference(inference), PROBE_FORMAT)
            if (metadata.get("manner"), metadata.get("format")) != own:
                return None
            given, plain = file.get_tensor("given"), file.get_tensor("plain")
        answers = ProbeAnswers(given, plain, metadata.get("deterministic") == str(True))
        return answers if metadata.get("sha256") == _sha256(answers) else None
    except (OSError, SafetensorError):
        return None


def _sha256(answers: ProbeAnswers) -> str:
    """The sha256, in hex, of all that the verdict follows from."""
    content = hashlib.sha256(str(answers.deterministic).encode())
    for logits in (answers.given, answers.plain):
        content.update(logits.contiguous().numpy().tobytes())
    return content.hexdigest()


def _encode_inference(inference: InferenceConfig) -> str:
    return json.dumps(inference.to_json(), sort_keys=True)
