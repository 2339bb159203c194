"""From a recipe to stages, each with the digest of what it computes.

controls           The controls: students that are trained for comparison
digest             The digest of plain data: its canonical JSON, hashed
fingerprint        What a stage computes, as plain data: all that its result depends on
graph              A graph of stages, and of choices that grow it
planner            Plans a recipe as a graph
recipe_stages      Puts all stages of a recipe together
schedules          From teachers to a student: one file for each schedule
stage              A stage as a value: what it makes, by whom it is taught, and all that it needs
stage_maker        Makes single stages of a recipe
thread_allocation  Resolves ``threads: auto``: divides the cores among the roles that work at once
trials             The recipes of a study's trials, and its space
"""
