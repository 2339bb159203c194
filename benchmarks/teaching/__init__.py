"""What ``benchmarks.ensembles`` compares, and how.

regimes   the samples, teachers, student and budget under which ways of teaching are compared
ways      the ways of teaching, each with the settings that are tried for it
school    teaches the students of one setting, and reads what became of them
contest   tunes each way on the validation part, then teaches with other seeds; what was found
steps     what a way's step takes beside a uniform one's, measured in turns
table     the tables and sentences that say what was found
"""
