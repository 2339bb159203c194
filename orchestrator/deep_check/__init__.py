"""Checks of a recipe that read data, models and weights files.

checked_plan  Plans a recipe once it has passed the deep check: what a run, and a measurement, begi
deep_check    The deep check: data, models on the meta device, layers and shapes, headers of weight
layers        The deep check of layers: whether those that terms and the gate look at are there, an
outputs       Whether each teacher's outputs are as many as the classes that they stand for
"""
