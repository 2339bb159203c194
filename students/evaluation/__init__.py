"""How a student is evaluated.

evaluate          The validation part during training, both held-out parts afterwards
metrics           Accuracy, negative log-likelihood, calibration error, agreement
prior_correction  One shift per class that makes the mean prediction uniform
"""
