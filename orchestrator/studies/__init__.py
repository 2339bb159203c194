"""Studies: a search over recipes whose trials share one session.

objective       checks a student before it is trained, and trains it
run_study       explores, trains winners again, reports
study_progress  the trials under way and the best so far, on a terminal
winners         the winners on fresh seeds and on the test part
"""
