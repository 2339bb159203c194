"""From a recipe to stages, each with the digest of what it computes.

digest             A digest: what was asked for, in one canonical spelling, hashed
fingerprint        What a stage was asked for, as plain data: all that its result depends on, nothi
plan               A recipe as a graph of stages, each with the digest of what is asked of it
thread_allocation  Resolves ``threads: auto``: the cores shared out among the roles that work at on
"""
