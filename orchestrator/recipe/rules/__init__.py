"""Rules across sections of a recipe: each yields problems.

bank              Rules about the bank: what of an answer is kept must do for those who learn from
catalog           Judges a recipe across its sections: all rules, asked in the order of the section
class_maps        Rules about class maps: which classes a teacher's outputs stand for, and who know
engine            Rules about engines and places: what they cannot do, and what the recipe says els
ensemble          Rules about how teachers agree: temperature, weighting, noise
gate              Rules about a gate: how a student weighs its teachers itself
teaching          Rules about who teaches whom: teachers, objective, controls
training          Rules about how a model is trained: batches, learning rates, optimizers
transfer_set      Rules about the transfer set: its parts, its views, how many samples a batch can
weight_schedules  Rules about weights of terms over the epochs of a training
"""
