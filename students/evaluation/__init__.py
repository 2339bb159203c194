"""How a student is evaluated.

evaluate          The validation part during training, both held-out parts afterwards
learning_curve    Loss and validation figures by epoch, from the committed step log
metrics           Accuracy, negative log-likelihood, calibration error, agreement
prior_correction  One shift per class that makes the mean prediction uniform
"""
