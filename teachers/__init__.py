"""Frozen models that answer, and how their answers are combined.

config         The recipe's sections ``teachers`` and ``ensemble``
errors         What can go wrong with teachers
client         A student's side: questions sent, answers received in order
serving        A teacher's process: stored answers looked up, the rest computed
qualification  The fastest way of running a teacher, and whether its answers can be trusted
bank           Stored answers, so that none is computed twice
inference      One model, run fast: loading, precision, compilation
ensemble       The answers of K teachers combined into knowledge
weighting      How much each teacher counts: one rule for each kind
"""
