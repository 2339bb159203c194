"""The process of a teacher.

answer_spec  what a student's stage asks of a teacher; it travels with each question
batcher      answers questions about one view: reads what is stored, computes the rest in batches
host         the roles a runtime starts for a teacher: one answers students, one evaluates
view_cache   the answers to a view that a host can look up instead of computing them
"""
