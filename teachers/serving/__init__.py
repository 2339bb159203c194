"""The process of a teacher.

answer_spec  what a student's stage asks of a teacher; it travels with each question
batcher      answers questions about one view: reads what is stored, computes the rest in batches
evaluator    the role that evaluates a finished model in a process of its own
host         the role that answers students' questions, with the network and the transfer set
view_cache   the answers to a view that a host can look up instead of computing them
"""
