"""Weighting rules: how much each of K teachers counts for a sample.

rule           What every rule is: its settings in the recipe, what it needs, and its weights
catalog        The closed table of rules: from a kind to its class
constant       All teachers the same, or given numbers, for every sample
random_choice  One teacher, drawn for each sample or micro-batch
entropy        The teacher of the highest, or of the lowest, entropy
label_rules    By the probability that each gives the label; only those that predict it
specialists    Teachers that cover some of the classes, each used for these alone
adaptive       By a gating network that is trained with the student
random_draws   Random numbers for samples: functions of a seed and a sample's id
"""
