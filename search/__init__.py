"""Proposes values for a recipe and learns from their scores. Knows no teacher and no student.

config       the section ``search`` of a recipe
errors       what a study raises
explore      batches of trials: proposed, checked, evaluated, known
figures      Optuna's own figures of a study, as files
front        the trials that keep all limits and that no other one dominates
parameters   what is drawn for one place: numbers, plain values, choices, lists
proposals    proposes trials from finished ones of earlier batches
pruners      whether a trial is worth its remaining steps
read_space   the parameters from plain data
samplers     the table of samplers
space        a parameter for each path: draws, corners, points
study        a study in its storage, which Optuna's dashboard reads
trials       a trial as a value: what came of what was proposed
"""
