"""From a recipe to a report: validates it, plans its stages, runs them, records the results.

It imports all other packages; none of them imports it. In the order of its layers:

cli           the command line
commands      each command
exit_codes    how a command ends
run           reads back what is complete already, else runs a recipe's graph
studies       searches over recipes: trials in one session, winners on fresh seeds
run_graph     runs what is not stored, reports, records it at the tracker
complete_run  records that a run is complete, and reads a complete one back
tracking      the metrics of a run, sent to MLflow
report        tables, summaries, plots, pages
profiling     ``check --measure``: each stage run for some seconds, and an estimate of the run
execution     sessions and the graphs that run in them: order, attempts, recovery
deep_check    data, models and weights files examined before a run
home          stages and runs on disk
results       what a run has measured, as JSON
planning      graphs of stages, each with the digest of what determines its result
recipe        a recipe's file, read and validated
config        the whole recipe: the sections of all packages
schedule_config  the section ``schedule``
formatting    tables and units
errors        problems of a recipe
"""
