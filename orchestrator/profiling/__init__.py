"""`check --measure`: runs each stage for a few seconds and estimates what a run will take.

bench            Where a measurement runs stages: a session in a scratch home
graph_estimate   Puts together what the run of a graph should take, from what was timed
graph_timing     Times the stages and teachers of a graph, one at a time
initial_outcome  Gives the scratch home what a stage leaves, for the stages that need it
measure          Measures what a run will take: problems, measurement, record
measured_plan    What a measurement expects of a run, as values that go to JSON and back
measured_table   Prints a measurement: teachers, the student's speeds, the run, what is assumed
short_run        Runs a stage for a few seconds, as a run does, and times its steps
stage_estimate   Extrapolates from the first steps of each stage to whole stages, and to the run
teacher_timing   Times a teacher by itself, as it answers in a stage
"""
