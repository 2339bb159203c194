"""The student side of a teacher: questions sent, answers received in order.

answer_source  One teacher's answers to one lesson: what is stored is read here, the rest asked of
stream         Waiting for teachers: a bounded look-ahead on each, order kept, closed cleanly
"""
