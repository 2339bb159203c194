"""How a teacher is run, and whether it may teach: autotune and the parity gate.

autotune                finds the fastest way of running a teacher that stays faithful to fp32
fidelity                how near answers, as a student gets them, are to plain fp32
parity_checks           whether answers to labelled samples are plausible
parity_verdict          from a teacher's answers to a few samples to its verdict
parity_sentences        what the gate says of each cause
preprocessing_variants  other normalisations and channel orders that weights may expect
records                 what is stored of a teacher beside its answers: config, tuning, verdict
"""
