"""What a student is taught by: terms, each a loss with a weight, and their weighted sum.

config             the recipe's section ``objective``
catalog            the closed table of terms: a kind and its class
objective          the weighted sum of terms, its gradients, how it is built from its section
term               what every term is: settings, the layers it compares, its loss
cross_entropy      with the labels, or with the ensemble's most probable class
soft_targets       KL from the teachers' softened distribution; or only where it predicts the label
decoupled          soft targets as the label's class against the others, and the others
correlation        correlation with the ensemble's probabilities over classes and samples
squared_distance   to the teachers' mean logits, or to the ensemble's distribution
born_again         labels weighted by the teachers' confidence; soft targets with permuted classes
virtual_teacher    KL from a distribution that is a formula of the label
hint               squared distance of layers to teachers' layers, of one or of several
relations          distances and angles between samples, against a layer or the ensemble
triplet_order      which of two samples is nearer to a third, by the teachers' majority
weight_schedule    a term's weight over the epochs
softening          K teachers' logits to one distribution, in single precision at least
fallback_labels    the label that replaces the teachers' answer, where no teacher counts
geometry           lengths, directions, distances, with finite gradients
adapters           from a student's guided layer to the shape of a teacher's hint
teacher_gate       the gating network: weights the teachers for each sample
"""
