"""What a student is taught by: terms, each a loss with a weight, and their weighted sum.

config             the recipe's section ``objective``
catalog            the closed table of terms: a kind and its class
objective          the weighted sum of terms, and how it is built from its section
term               what every term is: settings, what it needs, its loss
task               cross-entropy with the labels
soft_targets       KL from the teachers' softened distribution
conditional        soft targets where the ensemble predicts the label, else the label
decoupled          soft targets as the label's class against the others, and the others
correlation        correlation with the ensemble's probabilities over classes and samples
hard_targets       cross-entropy with the ensemble's most probable class
logit_l2           squared distance to the teachers' logits
probability_l2     squared distance to the ensemble's distribution
virtual_teacher    KL from a distribution that is a formula of the label
hint               squared distance of a layer to a teacher's layer
multi_group_hint   several layers, each to a teacher's layer, in direction
relation           what relation terms have in common
relation_distance  distances between samples, against a teacher's layer or the ensemble
relation_angle     angles between samples, against a teacher's layer or the ensemble
triplet_order      which of two samples is nearer to a third, by the teachers' majority
weight_schedule    a term's weight over the epochs
softening          K teachers' logits to one distribution
fallback_labels    the label that replaces the teachers' answer, where no teacher counts
geometry           lengths, directions, distances, with finite gradients
loss_precision     losses are computed in single precision at least
term_gradients     the norm of each term's gradient at the student's outputs
layer_refs         layers of teachers and student, as terms and the gating network name them
adapters           from a student's guided layer to the shape of a teacher's hint
teacher_gate       the gating network: weights the teachers for each sample
"""
