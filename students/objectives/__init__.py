"""What a student is taught by: terms, each a loss with a weight, and their sum.

config             the recipe's section ``objective``
term_config        what every term has in the recipe
layer_configs      terms that look at layers, as a recipe describes them
layers             layers of teachers and student, as terms name them
weight             how much a term counts, over the epochs
catalog            the closed table of terms, and how an objective is built from its section
objective          the weighted sum of terms
driving            which term drives: the norm of each one's gradient
task               cross-entropy with the labels
soft_targets       KL from the teachers' softened distribution
conditional        soft targets where the ensemble names the label, else the label
decoupled          soft targets as the label's class against the others, and the others
correlation        the student's probabilities rank classes and samples as the ensemble's
hard_targets       cross-entropy with the class that the ensemble names
logit_l2           squared distance to the teachers' logits
probability_l2     squared distance to the ensemble's distribution
virtual_teacher    KL from a distribution that is a formula of the label
stand_in           the class that stands in for the teachers' answer, where no teacher counts
hint               squared distance of a layer to a teacher's layer
multi_group_hint   several layers, each to a teacher's layer, in direction
relation_distance  how far samples lie apart, against a teacher's layer or the ensemble
relation_angle     under which angles samples see one another
triplet_order      which of two samples is nearer to a third, as the teachers vote
triplets           which triplets of a micro-batch are compared
sides              the student's side and the teachers' of what is compared
geometry           lengths, directions, distances, with finite gradients
"""
