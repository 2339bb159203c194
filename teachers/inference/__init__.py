"""One model, run fast: loading, precision, compilation, answers.

answer_encoding    How an answer is kept and shipped: half precision, finite, as the student will g
batchnorm_folding  Folds batch normalisation into the convolution before it, as evaluation mode all
compilation        Compiles a network with torch.compile, for one shape and one number of threads
inference_config   How a teacher is run: everything beside its weights that an answer's bits depend
loading            Loads a finished model: architecture from the recipe, weights from a file
runnable           A network made ready to answer in one manner, beside the one that it was made fr
teacher            A teacher: a frozen network that answers with logits and taps
"""
