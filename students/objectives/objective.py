"""The objective: the weighted sum of its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from students.errors import ObjectiveError
from students.knowledge import Batch, Knowledge
from students.objectives.softening import Mean
from students.objectives.teacher_gate import Gating, gate_penalty, with_gate_weights
from students.objectives.term import (
    Guided,
    LayerPair,
    SofteningTerm,
    Term,
    TermContext,
    TermInputs,
    learns_from_teachers,
)
from students.objectives.weight_schedule import weight_at


@dataclass(frozen=True)
class Objective:
    """What a student minimises on each micro-batch.

    ``terms`` by name, in the recipe's order, without those whose weight is never above zero, and
    what each is computed with. ``gate``: how the student weights its teachers itself, if it does.
    """

    terms: Mapping[str, Term]
    contexts: Mapping[str, TermContext]
    gate: Gating | None = None

    @property
    def guided(self) -> dict[str, Guided]:
        """The student's layers that terms look at, by the name of the learner's output."""
        return {
            output: guided
            for name, term in self.terms.items()
            for output, guided in term.guided_layers(name).items()
        }

    def weights_in(self, epoch: int) -> dict[str, float]:
        """The weights above zero in ``epoch``, by the terms' names."""
        weights = {name: weight_at(term.weight, epoch) for name, term in self.terms.items()}
        return {name: weight for name, weight in weights.items() if weight > 0}

    def term_loss(
        self,
        name: str,
        outputs: Mapping[str, Tensor],
        batch: Batch,
        knowledge: Knowledge,
        epoch: int = 0,
    ) -> Tensor:
        """The loss of one term in ``epoch``, without its weight.

        Raises:
            ObjectiveError: the term needs teachers and ``knowledge`` has none.
        """
        if self.terms[name].needs_teachers and knowledge.logits.shape[0] == 0:
            raise ObjectiveError(
                f"`objective.{name}` learns from teachers, of which there are none; add a teacher "
                "or take the term out.",
                path=f"objective.{name}",
            )
        given = vars(self.contexts[name])
        inputs = TermInputs(**given, outputs=outputs, batch=batch, knowledge=knowledge, epoch=epoch)
        return self.terms[name].loss(inputs)

    def __call__(
        self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge, epoch: int = 0
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss in ``epoch``, and each active term's value without its weight and detached.

        ``outputs`` of the learner: ``logits`` [B, C], and for each layer that a term reads,
        under its name in ``guided``, that layer adapted [B, ...]. A term of weight 0 in this
        epoch is not computed.

        Raises:
            ObjectiveError: a term needs teachers and ``knowledge`` has none, or no term has a
                weight above zero.
        """
        knowledge = with_gate_weights(self.gate, outputs, knowledge, epoch)
        taught = learns_from_teachers(self.terms.values(), epoch)
        loss = gate_penalty(self.gate, outputs, epoch) if taught else None
        values: dict[str, Tensor] = {}
        weights = self.weights_in(epoch)
        for name, weight in weights.items():
            value = self.term_loss(name, outputs, batch, knowledge, epoch)
            values[name] = value.detach()
            loss = weight * value if loss is None else loss + weight * value
        if loss is None or not values:
            raise ObjectiveError(
                f"`objective` has no term of weight above zero in epoch {epoch} (the first is 0), "
                f"of {len(self.terms)} terms; give one of them a weight there.",
                path="objective",
            )
        used = {output for name in weights for output in self.terms[name].outputs_used(name)}
        # An output that no term reads gets gradients of zero. With none at all, ZeRO-3 takes
        # the last ones it had, which would go into the norm by which all gradients are clipped.
        return sum((zero_of(outputs[name]) for name in outputs if name not in used), loss), values

    def gradient_norms(
        self, outputs: Mapping[str, Tensor], batch: Batch, knowledge: Knowledge, epoch: int
    ) -> dict[str, Tensor]:
        """||d(w L) / d(the term's inputs)||, for each term of weight w above zero in ``epoch``.

        L is the term's loss of the micro-batch; its inputs are the student's ``logits`` [B, C] or
        its guided layers, adapted [B, ...]; the norm is over all their elements, a scalar in
        float64. Computed at copies of the outputs: neither the network nor the graph that the
        engine goes back through is touched, so every engine gives the same figures. The weights
        of the student's own gating network are taken as constants.
        """
        copies = {name: value.detach() for name, value in outputs.items()}
        knowledge = with_gate_weights(self.gate, copies, knowledge, epoch)
        if knowledge.weights is not None:
            knowledge = replace(knowledge, weights=knowledge.weights.detach())
        norms: dict[str, Tensor] = {}
        for name, weight in self.weights_in(epoch).items():
            inputs = self.terms[name].outputs_used(name)
            leaves = {each: copies[each].detach().requires_grad_() for each in inputs}
            with torch.enable_grad():
                losses = self.term_loss(name, {**copies, **leaves}, batch, knowledge, epoch)
                loss = weight * losses
            if not loss.requires_grad:
                norms[name] = loss.new_zeros((), dtype=torch.float64)
                continue
            gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
            flat = [each.double().flatten() for each in gradients if each is not None]
            norms[name] = torch.linalg.vector_norm(torch.cat(flat))
        return norms


def build_objective(
    config: Mapping[str, Term],
    *,
    temperature: float,
    mean: Mean,
    teachers: Sequence[str] = (),
    gate: Gating | None = None,
    seed: int = 0,
) -> Objective:
    """The objective that ``config`` describes.

    ``temperature`` and ``mean`` are the ensemble's: the first for terms that name none.
    ``teachers`` are the names of the K teachers in the order in which ``Knowledge`` holds them.
    ``seed`` is the student's, for terms that draw at random.

    Raises:
        ObjectiveError: no term has a weight above zero, or a term learns from a teacher that
            is not there.
    """
    terms = {name: term for name, term in config.items() if term.active}
    if not terms:
        raise ObjectiveError(
            f"`objective` has {len(config)} terms, of which none has a weight above zero; "
            "give one of them a weight.",
            path="objective",
        )
    contexts = {
        name: TermContext(
            name,
            (term.temperature if isinstance(term, SofteningTerm) else None) or temperature,
            mean,
            _layer_pairs(name, term, teachers),
            seed,
        )
        for name, term in terms.items()
    }
    return Objective(terms, contexts, gate)


def _layer_pairs(name: str, term: Term, teachers: Sequence[str]) -> tuple[LayerPair, ...]:
    """The layers that a term compares: each hint with the student's layer beside it, or with the
    only one that the term reads."""
    hints, outputs = term.hint_layers(), tuple(term.guided_layers(name))
    if len(outputs) == 1:
        outputs *= len(hints)
    return tuple(
        LayerPair(output, hint, _position(f"objective.{name}.{place}", hint.teacher, teachers))
        for (place, hint), output in zip(hints, outputs, strict=True)
    )


def _position(place: str, teacher: str, teachers: Sequence[str]) -> int:
    if teacher in teachers:
        return list(teachers).index(teacher)
    if place.endswith(".hint"):
        place = f"{place.removesuffix('hint')}teacher"
    there = ", ".join(teachers) if teachers else "none"
    raise ObjectiveError(
        f"`{place}` is {teacher!r}, which is not among the teachers ({there}); name one of them "
        "or add it.",
        path=place,
    )


def zero_of(output: Tensor) -> Tensor:
    """0, whose gradient is 0 at every element of ``output``, whatever it holds."""
    nowhere = torch.zeros((), dtype=torch.bool, device=output.device)
    return torch.where(nowhere, output, 0.0).sum()
