"""How a finished model is evaluated.

evaluate          A finished model's answers on the held-out parts, and what it costs
learning_curve    A learning curve: what a stage's committed spool says of each epoch
metrics           Figures of merit: what a network's answers on labelled samples are worth
prior_correction  Prior correction: one shift per class that makes the mean prediction uniform
"""
