"""What a student is taught by: terms, each a loss with a weight, and their sum.

config        the recipe's section ``objective``
weight        how much a term counts, over the epochs
catalog       the closed table of terms, and how an objective is built from its section
objective     the weighted sum of terms
task          cross-entropy with the labels
soft_targets  KL from the teachers' softened distribution
logit_l2      squared distance to the teachers' logits
hint          squared distance of a layer to a teacher's layer
"""
