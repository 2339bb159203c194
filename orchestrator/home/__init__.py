"""What a home folder holds: stages under their digests, runs under their names.

store          finished stages, and the work of those under way
stored_stages  which stages are finished, by their files alone
run_marks      marks a run while it is under way
run_finder     finds the runs that are remembered
holdings       counts what there is, and how large
cleaning       judges what can go, and takes it away
held           a lock among processes, waited for while the run goes on
locks          asks whether a lock is held
"""
