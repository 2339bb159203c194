"""Studies: a search over recipes whose trials share one session.

objective       checks a student before it is trained, and trains it
references      models that the students are compared with
report_study    the report of a study, its page and its pictures
run_study       explores, trains winners again, reports
study           a study that is ready to run, and who watches it
study_progress  the trials under way and the best so far, on a terminal
trial_records   the stages of each trial, and what trials have shared
winners         the winners on fresh seeds and on the test part
"""
