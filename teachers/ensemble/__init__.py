"""The answers of K teachers combined into knowledge.

ensemble  Combines the answers of K teachers to one micro-batch into knowledge
noise     Noise on teachers' logits: a function of seed, teacher, epoch and sample id
"""
