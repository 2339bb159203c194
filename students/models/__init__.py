"""Networks by kind: what a student or a teacher may be.

=====================  ==========================================================
config                 what every model is in a recipe, preprocessing, weights
catalog                the closed table of models: a kind and its class
build                  builds a model with its initial weights, or its skeleton
in_a_row               fully connected layers, or plain convolutions (Mirzadeh et al., 2020)
residual               ResNets (He et al., 2016) and wide ones (Zagoruyko & Komodakis, 2016)
mobilenet_cifar        depthwise separable convolutions (Howard et al., 2017)
torchvision_models     torchvision's classification models by name
custom                 a network that a function in a user's file builds
probabilities          tells outputs that are probabilities from logits
network                preprocessing, model and map of its classes in one module, as deployed
taps                   layers by name: finding, recording, probing
weights                reads weights files and loads them into a model
profile                parameters, multiplications, bytes and latency of a network
=====================  ==========================================================
"""
