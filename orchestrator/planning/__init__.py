"""From a recipe to stages, each with the digest of what it computes.

digest             The digest of plain data: its canonical JSON, hashed
fingerprint        What a stage computes, as plain data: all that its result depends on
graph              A graph of stages, and of choices that grow it
planner            Plans a recipe as a graph
stage              A stage as a value: what it makes, by whom it is taught, and all that it needs
thread_allocation  Resolves ``threads: auto``: divides the cores among the roles that work at once
"""
