"""One model, run fast: loading, precision, compilation, answers.

aligned            matrix products of which a row does not depend on its place in the batch
answer_encoding    how an answer is stored and streamed: half precision, finite
inference_config   how a teacher is run: all beside its weights that an answer's bits depend on
runnable           a network made ready to run with one inference config: folded, compiled
teacher            a frozen network that returns logits and taps
"""
