"""One model, run fast: loading, precision, compilation, answers.

answer_encoding    how an answer is stored and streamed: half precision, finite
batchnorm_folding  folds batch normalisation into the convolution before it
inference_config   how a teacher is run: all beside its weights that an answer's bits depend on
loading            loads a finished model: architecture from the recipe, weights from a file
runnable           a network made ready to run with one inference config, compiled if it says so
teacher            a frozen network that returns logits and taps
"""
