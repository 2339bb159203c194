"""Answer: frozen models, ensembles and how they agree, the stream.

config     the recipe's sections ``teachers`` and ``ensemble``
errors     what can go wrong with teachers
loading    a finished model: architecture from the recipe, weights from a file
manner     how a teacher is run: everything beside its weights that an answer's bits depend on
teacher    a frozen network that answers with logits and taps
encoding   how an answer is kept and shipped: float16, finite
asked      what a student asks of one teacher, and by which names that is kept
books      what one host knows of a view's answers: kept whole, in part, or not at all
answering  what is known is looked up, the rest computed many at a time
host       a teacher with the transfer set beside it, as a runtime starts it
examiner   asks a teacher that was loaded for its answers on the held-out parts
weighting  the recipe's weighting as one weight per teacher
ensemble   K answers gathered into knowledge
bank       answers that are kept, so that none is computed twice
lesson     one teacher's answers to one lesson: read where stored, else asked
stream     waiting for teachers: bounded, in order, closed cleanly
"""
