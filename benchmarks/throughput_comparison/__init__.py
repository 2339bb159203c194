"""What ``benchmarks.peers`` gives the same work, each in its own process.

setting        the work itself: samples, networks, objective, optimizer, and its budget
input_pipeline the usual input pipeline of the peers: PIL images, transforms, a DataLoader
step_meter     counts and times optimizer steps, and ends a run
hand_written   a training loop as one writes it by hand, with any number of teachers
textbrewer     TextBrewer's distillers
torchdistill   torchdistill's distillation box, in the loop of its examples
modelopt       NVIDIA ModelOpt's distillation model
teachers_alone the teachers, and no student
run_peer       one run of one of these, as a program
peer_runs      all of these by name, and how they are run
our_runs       this project's own command, and the step times in its step log
teacher_tuning the teachers' inference config, chosen by a run of full length
results        medians, spreads and the goals
"""
