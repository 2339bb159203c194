"""A student's side of its teachers: questions sent, answers received in order.

answer_source  One teacher's answers to a window of questions: read if stored, else asked
stream         Waiting for teachers: a bounded look-ahead on each, order kept, closed cleanly
"""
