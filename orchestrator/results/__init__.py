"""The values of a report, to JSON and back; nothing here computes them.

finished_run      the reports of a run, and the files that hold them
run_report        one run: its models, stages, curves and all of the below
teaching_report   how the student was taught: teachers' inference, speeds, the prediction
weighting_report  the weight of each teacher by epoch and class
term_report       value, weight and gradient norm of each loss term by epoch
repeat_report     test accuracies over several seeds, and paired differences
"""
