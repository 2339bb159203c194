"""What a student is taught by: terms, each a loss with a weight, and their sum.

config        the recipe's section ``objective``
weight        how much a term counts, over the epochs
catalog       the closed table of terms, and how an objective is built from its section
objective     the weighted sum of terms
task          cross-entropy with the labels
soft_targets  KL from the teachers' softened distribution
conditional   soft targets where the ensemble names the label, else the label
decoupled     soft targets as the label's class against the others, and the others
correlation   the student's probabilities rank classes and samples as the ensemble's
hard_targets  cross-entropy with the class that the ensemble names
logit_l2      squared distance to the teachers' logits
probability_l2  squared distance to the ensemble's distribution
virtual_teacher  KL from a distribution that is a formula of the label
stand_in      the class that stands in for the teachers' answer, where no teacher counts
hint          squared distance of a layer to a teacher's layer
"""
