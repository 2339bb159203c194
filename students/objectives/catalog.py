"""The closed table of terms: from a kind to the class of its settings and its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster.section import one_of
from students.objectives.term import Term

TERMS = {
    "task": "students.objectives.task:Task",
    "soft_targets": "students.objectives.soft_targets:SoftTargets",
    "hard_targets": "students.objectives.hard_targets:HardTargets",
    "logit_l2": "students.objectives.logit_l2:LogitL2",
    "probability_l2": "students.objectives.probability_l2:ProbabilityL2",
    "conditional": "students.objectives.conditional:Conditional",
    "decoupled": "students.objectives.decoupled:Decoupled",
    "correlation": "students.objectives.correlation:Correlation",
    "virtual_teacher": "students.objectives.virtual_teacher:VirtualTeacher",
    "hint": "students.objectives.hint:Hint",
    "multi_group_hint": "students.objectives.multi_group_hint:MultiGroupHint",
    "relation_distance": "students.objectives.relation_distance:RelationDistance",
    "relation_angle": "students.objectives.relation_angle:RelationAngle",
    "triplet_order": "students.objectives.triplet_order:TripletOrder",
}

if TYPE_CHECKING:
    TermConfig = Term
else:
    TermConfig = one_of(TERMS)
