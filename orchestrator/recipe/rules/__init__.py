"""Rules across sections of a recipe: each yields sentences that begin with their places.

catalog       all rules, in the order of the sections
transfer_set  its parts, augmentation, the samples that a batch can have
candidates    a path that is chosen among candidates
teaching      teachers, terms of the objective, controls
route         whose training a route follows, and where its anchors are
ensemble      temperature, weighting, noise, gating network, bank
class_maps    the class of each output of a teacher
training      weights over the epochs, batches, learning rates, optimizers, engines
search        samplers, pruners and limits of a study, and its space
"""
