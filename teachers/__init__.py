"""Answer: frozen models, ensembles and how they agree, the stream.

config     the recipe's sections ``teachers`` and ``ensemble``
errors     what can go wrong with teachers
loading    a finished model: architecture from the recipe, weights from a file
manner     how a teacher is run: everything beside its weights that an answer's bits depend on
prepared   a network made ready to answer in one manner, beside the one it was made from
folding    batch normalisation folded into the convolution before it
compiling  a network compiled for one shape and one number of threads
teacher    a frozen network that answers with logits and taps
tuning     the fastest way of running a teacher that answers as plain fp32 does
trials     what was tried when a manner was chosen, and what was chosen
gate       the parity gate: pure judgements of fidelity and plausibility
readings   other ways in which weights may want to be given the same pictures
probing    judges a teacher by its answers to a few samples
verdict    a teacher's verdict at the gate, as it is kept beside its answers
papers     what is kept of a teacher beside its answers: its tuning, its verdict
draws      numbers drawn for samples: functions of a seed and a sample's id
noise      noise on logits: a function of seed, teacher, epoch and sample id
encoding   how an answer is kept and shipped: float16, finite
spoilt     what is said of an answer that is not a number
asked      what a student asks of one teacher, and by which names that is kept
books      what one host knows of a view's answers: kept whole, in part, or not at all
answering  what is known is looked up, the rest computed many at a time
host       a teacher with the transfer set beside it, as a runtime starts it
examiner   asks a teacher that was loaded for its answers on the held-out parts
weighting  how K teachers agree: one rule for each kind
ensemble   K answers gathered into knowledge
bank       answers that are kept, so that none is computed twice
lesson     one teacher's answers to one lesson: read where stored, else asked
stream     waiting for teachers: bounded, in order, closed cleanly
"""
