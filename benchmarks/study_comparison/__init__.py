"""What ``benchmarks.study_cost`` compares: a study, its parts alone, and separate runs.

work          the recipes: of a study, of one trial, of an untaught student, of a bank's filling
run_part      a part of a study alone, as a program: filling the bank, or untaught students
commands      each of these as a process of its own, in an empty home, with its seconds
study_times   where the time of a study went
table         the comparison over the rounds
"""
