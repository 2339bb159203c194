"""Networks by kind: what a student or a teacher may be.

=====================  ==========================================================
config                 what a recipe may say of a model
catalog                builds a model, or its skeleton without weights
features               the last layer before the outputs, by kind
initialise             initial weights as a function of seed and module name
mlp                    fully connected layers
plain_cnn              convolutions in a row (Mirzadeh et al., 2020)
resnet_cifar           residual networks of depth 6n+2 (He et al., 2016)
wide_resnet            wide residual networks (Zagoruyko & Komodakis, 2016)
mobilenet_cifar        depthwise separable convolutions (Howard et al., 2017)
torchvision_models     torchvision's classification models by name
=====================  ==========================================================
"""
