"""The closed table of terms: from a kind to the class of its settings and its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.section import one_of
from students.objectives.term import Term

TERMS = {
    "task": "students.objectives.cross_entropy:Task",
    "soft_targets": "students.objectives.soft_targets:SoftTargets",
    "hard_targets": "students.objectives.cross_entropy:HardTargets",
    "logit_l2": "students.objectives.squared_distance:LogitL2",
    "probability_l2": "students.objectives.squared_distance:ProbabilityL2",
    "conditional": "students.objectives.soft_targets:Conditional",
    "decoupled": "students.objectives.decoupled:Decoupled",
    "correlation": "students.objectives.correlation:Correlation",
    "confidence_weighted": "students.objectives.born_again:ConfidenceWeighted",
    "permuted_targets": "students.objectives.born_again:PermutedTargets",
    "virtual_teacher": "students.objectives.virtual_teacher:VirtualTeacher",
    "hint": "students.objectives.hint:Hint",
    "multi_group_hint": "students.objectives.hint:MultiGroupHint",
    "relation_distance": "students.objectives.relations:RelationDistance",
    "relation_angle": "students.objectives.relations:RelationAngle",
    "triplet_order": "students.objectives.triplet_order:TripletOrder",
}

if TYPE_CHECKING:
    TermConfig = Term
else:
    TermConfig = one_of(TERMS)
