"""The process of a teacher.

batcher     answers questions about one view: reads what is stored, computes the rest in batches
host        the roles a runtime starts for a teacher: one answers a student, one evaluates
view_cache  the answers to one view that a host can look up instead of computing them
"""
