"""What ``benchmarks.schedules`` compares, and how.

regimes   the samples, teacher, student and sizes of assistants of each comparison
arms      what is compared in each regime, each with the settings that are tried for it
training  trains the students of one setting, and evaluates them
holm      p-values of paired differences, corrected for their number
page      the page of results
"""
