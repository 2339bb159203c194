"""What ``benchmarks.peers`` sets to the same work, each in a process of its own.

setting        the work itself: samples, networks, objective, optimizer, and its budget
pictures       the usual input pipeline of the peers: PIL pictures, transforms, a DataLoader
meter          counts and times optimizer steps, and ends a turn
hand_written   a training loop as one writes it by hand, with any number of teachers
textbrewer     TextBrewer's distillers
torchdistill   torchdistill's distillation box, in the loop of its examples
modelopt       NVIDIA ModelOpt's distillation model
teachers_alone the teachers, and no student
one_turn       one turn of one of these, as a program
peer_turns     all of these by name; has them take their turns
our_runs       this project's own command, and what its spool says
settling       how the teachers are run, settled by a run of full length
figures        medians, spreads and the goals
"""
