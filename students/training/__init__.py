"""The training loop, and the role that runs it.

build                   Makes a student from its assignment: network, adapters, the samples it is g
gate_freeze             Holds a gate's parameters where they are once it has learnt for as long as
learner                 The learner: the student together with what it needs only while it learns
lr_schedule             The learning rate of a step, as a function of the step
max_norm                The max-norm constraint: no unit's incoming weights grow beyond a given len
no_teachers             Lessons of nobody: what a trainer attends when its student has no teachers
required_answers        What a student will ask its teachers, before it is taught
student_rank            One rank of a student in training, from assignment to outcome: the role a r
trainer                 The training loop: takes lessons, makes steps, validates, commits
warning_relay           Carries warnings of a student's rank to whoever watches it
weighting_stats         Who was listened to: sums over samples of the teachers' weights, and what a
weighting_stats_buffer  Notes of what was heard from the teachers, worked out lot by lot
"""
