"""Times a recipe's roles for some seconds, and foretells its run: ``stillhouse check --measure``.

measuring       the whole of it
roles_timing    every role, one after the other
teacher_timing  a teacher that answers
pupil_timing    a student's or a future teacher's steps
canned          lessons of teachers who have answered already
shelves         what the bank holds already
bank_timing     the bank's disk
start_timing    what a process does before its first work
extents         how much there is to do in each stage
prediction      from what each role does alone to what all do together: arithmetic
expectation     what each stage takes
assumptions     what that rests on
measured_plan   the values, to JSON and back, kept beside the run's report
measured_table  in print
"""
