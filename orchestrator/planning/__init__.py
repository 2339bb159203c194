"""From a recipe to stages, each with the digest of what it computes.

digest             The digest of plain data: its canonical JSON, hashed
fingerprint        What a stage computes, as plain data: all that its result depends on
plan               A recipe as a graph of stages
thread_allocation  Resolves ``threads: auto``: divides the cores among the roles that work at once
"""
