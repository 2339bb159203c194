"""K answers gathered into knowledge.

ensemble  An ensemble: gathers what K teachers said about one micro-batch into knowledge
noise     Noise on teachers' logits: a function of seed, teacher, epoch and sample id
"""
