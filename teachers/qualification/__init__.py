"""How a teacher is run, and whether it may teach: autotune and the parity gate.

autotune                finds the fastest way of running a teacher that stays faithful to fp32
parity_checks           the parity gate's measures: fidelity to fp32, plausibility on labels
parity_verdict          from a teacher's answers to a few samples to its verdict
preprocessing_variants  other normalisations and channel orders that weights may expect
records                 what is stored of a teacher beside its answers: config, tuning, verdict
"""
