"""Networks by kind: what a student or a teacher may be.

=====================  ==========================================================
config                 what every model is in a recipe, preprocessing, weights
catalog                the closed table of models: a kind and its class
build                  builds a model with its initial weights, or its skeleton
probe                  runs a skeleton as a run will, evaluated and trained
in_a_row               fully connected layers, or plain convolutions (Mirzadeh et al., 2020)
residual               ResNets (He et al., 2016) and wide ones (Zagoruyko & Komodakis, 2016)
mobilenet_cifar        depthwise separable convolutions (Howard et al., 2017)
torchvision_models     torchvision's classification models by name
custom                 a network that a function in a user's file builds
probabilities          tells outputs that are probabilities from logits
network                preprocessing, model and map of its classes in one module, as deployed
taps                   layers by name: finding, recording, probing
weights                loads a weights file into a model, and reports what is not used
weights_choice         which part of the file, and which prefix of its names, are meant
weights_misfit         the error of a file that does not fit, and what could be left out
weights_format         tells what a file is that holds no weights
weights_file           reads a weights file, running nothing of it
weights_names          compares names and shapes in a file with a model's
profile                parameters, multiplications, bytes and latency of a network
=====================  ==========================================================
"""
