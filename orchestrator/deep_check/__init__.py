"""The check of a recipe that reads data, models and weights files.

deep_check  all of it; plans the recipe once it has passed
layers      layers that terms and the gating network read: they exist and fit
"""
