"""A home folder: stages under their digests, runs under their names.

extra_outputs  Adds extra outputs to finished stages
store          The store of stages by digest: outcomes of finished ones, work of unfinished ones
run_status     Records a run while it is running, so that one that is killed or fails is listed
run_finder     Finds the runs of a home, and the one that a word of the command line means
study_stages   Which stages the studies of a home keep
study_finder   Finds the studies of a home
process_lock   File locks between processes
cleaning       Measures a home, finds what of it can be deleted, and deletes that
"""
