"""Networks by kind: what a student or a teacher may be.

=====================  ==========================================================
config                 what every model is in a recipe, preprocessing, weights
catalog                the closed table of models: a kind and its class
build                  builds a model, or its skeleton without weights
initialise             initial weights as a function of seed and module name
in_a_row               fully connected layers, or plain convolutions (Mirzadeh et al., 2020)
residual               ResNets (He et al., 2016) and wide ones (Zagoruyko & Komodakis, 2016)
mobilenet_cifar        depthwise separable convolutions (Howard et al., 2017)
torchvision_models     torchvision's classification models by name
custom                 a network that a function in a user's file builds
network                preprocessing and model in one module, as deployed
class_map              which classes of the transfer set the outputs stand for
taps                   layers by name: finding, recording, probing
weights                reads weights files and loads them into a model
profile                parameters, multiplications, bytes and latency of a network
=====================  ==========================================================
"""
