"""The training loop, and the role that runs it.

build                  The student's network, adapters, gating network and samples
learner                The one module that an engine trains: the student with adapters and gate
parameter_constraints  Max norm, and a gating network that is frozen after some epochs
questions              Which questions a student asks, and the source of one without teachers
student_rank           One rank, from assignment to outcome: the role a runtime starts
trainer                The loop: takes knowledge, makes steps, validates, commits checkpoints
warning_relay          Warnings of a student's rank, collected for the run's watcher
weighting_stats        Mean teacher weights by class and epoch, and what a weighting rule changed
"""
