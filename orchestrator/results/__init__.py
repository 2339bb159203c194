"""The values of a report, to JSON and back.

run_report        What a run found out, as values that go to JSON and come back
teaching_report   How a student was taught, as values: its teachers' manners and answers, and its s
term_report       What each term of a student's objective said, as values: epoch by epoch
weighting_report  Who a student listened to, as values: how much each teacher counted, epoch by epo
"""
