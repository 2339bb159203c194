"""The process of a teacher.

answer_columns  What a student asks of one teacher, and by which names that is kept
batcher         Answers questions about one view: what is known is looked up, the rest computed man
examiner        Examines a teacher whose weights were trained elsewhere: the role a runtime starts
host            A teacher with the transfer set beside it: asked for samples, it makes the views it
view_cache      What one host knows of a view's answers: kept whole, in part, or not at all
"""
