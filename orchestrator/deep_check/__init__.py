"""The check of a recipe that reads data, models and weights files, and their layers.

models             each model, evaluated and trained, and its weights file
frozen_layers      the layers that the second of two stages freezes, and terms that look at them
deep_check         all of it; plans the recipe once it has passed
untrained_student  the student before it is trained, for what it costs
"""
