"""The closed table of terms, and how an objective is built from its section of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from students.errors import ObjectiveError
from students.knowledge import Tap
from students.objectives.compared_features import OutputSides, layer_sides
from students.objectives.conditional import ConditionalTerm
from students.objectives.config import (
    Conditional,
    Correlation,
    Decoupled,
    HardTargets,
    LogitL2,
    ProbabilityL2,
    Softening,
    SoftTargets,
    Task,
    TermConfig,
    VirtualTeacher,
)
from students.objectives.correlation import CorrelationTerm
from students.objectives.decoupled import DecoupledTerm
from students.objectives.hard_targets import HardTargetsTerm
from students.objectives.hint import HintTerm
from students.objectives.layer_configs import (
    Hint,
    MultiGroupHint,
    RelationAngle,
    RelationDistance,
    TripletOrder,
)
from students.objectives.layer_refs import Guided
from students.objectives.logit_l2 import LogitL2Term
from students.objectives.multi_group_hint import MultiGroupHintTerm
from students.objectives.objective import Objective, Term, WeightedTerm, joined
from students.objectives.probability_l2 import ProbabilityL2Term
from students.objectives.relation_angle import RelationAngleTerm
from students.objectives.relation_distance import RelationDistanceTerm
from students.objectives.soft_targets import SoftTargetsTerm
from students.objectives.softening import Mean
from students.objectives.task import TaskTerm
from students.objectives.triplet_order import TripletOrderTerm
from students.objectives.virtual_teacher import VirtualTeacherTerm
from students.objectives.weight_schedule import weight_at
from students.specs import Gating


def build_objective(
    config: Mapping[str, TermConfig],
    *,
    temperature: float,
    mean: Mean,
    teachers: Sequence[str] = (),
    gate: Gating | None = None,
) -> Objective:
    """The objective that ``config`` describes.

    ``temperature`` and ``mean`` are the ensemble's: the first for terms that name none.
    ``teachers`` are the names of the K teachers in the order in which ``Knowledge`` holds them.
    ``gate`` says how the student weighs them itself, if it does.

    Raises:
        ObjectiveError: no term has a weight above zero, or a term learns from a teacher that
            is not there.
    """
    counted = {name: term for name, term in config.items() if term.counts}
    if not counted:
        raise ObjectiveError(
            f"`objective` has {len(config)} terms, of which none has a weight above zero; "
            "give one of them a weight.",
            path="objective",
        )
    terms = {
        name: WeightedTerm(
            term.weight,
            _build_term(name, term, temperature=temperature, mean=mean, teachers=teachers),
            taught=term.taught,
            sees=tuple(term.guides(name)) or ("logits",),
            taps=MappingProxyType(_taps(term)),
        )
        for name, term in counted.items()
    }
    return Objective(
        MappingProxyType(terms),
        guided=MappingProxyType(guided_of(config)),
        gate=gate,
    )


def taps_of(
    config: Mapping[str, TermConfig], epoch: int | None = None
) -> dict[str, tuple[Tap, ...]]:
    """What each teacher, by name, hands over beside its logits, in ``epoch`` or in any: each tap
    once, in order."""
    return joined(
        _taps(term)
        for term in config.values()
        if (term.counts if epoch is None else weight_at(term.weight, epoch) > 0)
    )


def _taps(term: TermConfig) -> dict[str, tuple[Tap, ...]]:
    return joined({hint.teacher: (Tap(hint.layer, hint.reduction),)} for _, hint in term.hints())


def guided_of(config: Mapping[str, TermConfig]) -> dict[str, Guided]:
    """The student's layers that terms look at, by the name of what the learner gives."""
    return {
        output: guided
        for name, term in config.items()
        if term.counts
        for output, guided in term.guides(name).items()
    }


def _build_term(
    name: str, term: TermConfig, *, temperature: float, mean: Mean, teachers: Sequence[str]
) -> Term:
    own = (term.temperature if isinstance(term, Softening) else None) or temperature
    layers = layer_sides(name, term, teachers)
    match term:
        case Task():
            return TaskTerm(term.label_smoothing)
        case SoftTargets():
            return SoftTargetsTerm(own, mean, term.standardize)
        case Conditional():
            return ConditionalTerm(own, mean)
        case Decoupled():
            return DecoupledTerm(own, mean, term.target, term.others)
        case Correlation():
            return CorrelationTerm(own, mean, term.between, term.within)
        case HardTargets():
            return HardTargetsTerm(mean)
        case LogitL2():
            return LogitL2Term()
        case ProbabilityL2():
            return ProbabilityL2Term(mean)
        case VirtualTeacher():
            return VirtualTeacherTerm(term.probability, term.temperature, term.student)
        case Hint():
            return HintTerm(name, *layers)
        case MultiGroupHint():
            return MultiGroupHintTerm(name, layers)
        case RelationDistance():
            return RelationDistanceTerm(layers[0] if layers else OutputSides(temperature, mean))
        case RelationAngle():
            return RelationAngleTerm(layers[0] if layers else OutputSides(temperature, mean))
        case TripletOrder():
            return TripletOrderTerm(layers, name, term.margin, term.triplets)
