"""The schedules: each builds the stages from the teachers to the student of one repeat.

assistants  Teacher assistants between teachers and student
born_again  The student's own model in generations
catalog     The table of schedules by their kind
chain       Models one after another, each taught by the one before or by all before
offline     The teachers teach the student
route       The student in stages along a teacher's training
two_stage   The student in two stages, layers frozen in the second
"""
