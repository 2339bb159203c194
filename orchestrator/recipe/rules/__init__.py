"""Rules across sections of a recipe: each yields findings.

catalog           all rules, in the order of the sections
transfer_set      its parts, augmentation, the samples that a batch can have
teaching          teachers, terms of the objective, controls
weight_schedules  weights of terms over the epochs
ensemble          temperature, weighting, noise, gating network
class_maps        the class of each output of a teacher
bank              what is stored of an answer suffices for the terms that use it
training          batches, learning rates, optimizers, engines
"""
