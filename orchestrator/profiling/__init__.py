"""`check --measure`: short timings, and what a run will take.

assumptions           What a prediction rests on, in sentences: whoever reads a figure may judge it
bank_contents         What the bank holds already for a plan's student: how teachers are run, and w
bank_timing           Times the bank on the disk of the home: a view is filled, sealed, and read ag
measure               Times the roles of a recipe in this process for some seconds, and says what i
measured_plan         What was measured of a plan and what it makes one expect, as values that go t
measured_table        Prints what was measured of a plan: teachers, the student's speeds, the run,
process_start_timing  Times what a role's process does before its first work: it imports what it ne
replayed_answers      Lessons of teachers who have answered already, to time a student with all tha
roles_timing          Times each role of a plan by itself: teachers, those still to be trained, stu
stage_estimate        What each stage of a plan takes, from the measured parts of its roles
student_timing        Times a pupil's steps in this process, with the trainer that a run trains it
teacher_timing        Times a teacher as its host runs it: views are made, and answers computed in
throughput_model      From what each role does alone to what all of them do together: arithmetic, n
workload              How much there is to do in each stage of a plan: samples, epochs, views, held
"""
