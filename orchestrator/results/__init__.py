"""The values of a report, to JSON and back; nothing here computes them.

run_report        one run: its models, stages, curves and all of the below
teaching_report   how the student was taught: terms, weights, inference, speeds, the prediction
study_report      a study: its trials, its front, its winners on fresh seeds
finished_run      the reports of a run over several seeds, compared, and the files that hold them
"""
