"""How a teacher is run, and whether it may teach: autotune and the parity gate.

autotune                Finds the fastest way of running a teacher that answers as plain fp32 does
autotune_result         What was tried when a teacher's manner was chosen, and what was chosen
parity_checks           The parity gate: whether a teacher's answers are its own, and whether they
parity_verdict          Judges a teacher by its answers to a few samples: the parity gate, from ans
preprocessing_variants  Other ways in which a model's weights may want to be given the same picture
records                 What is kept of a teacher beside its answers: how it was tuned, and how it
verdict                 A teacher's verdict at the parity gate, as it is kept beside its answers
"""
