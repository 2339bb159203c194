"""Transfer sets: their parts, their augmented views, the order of samples.

config            what a recipe may say of a transfer set
catalog           loads a transfer set by its kind, to plan a run or as it was planned
transfer_set      the pictures in memory, their parts, also of some classes, and batches
examples          what a source returns, and the rules it must keep
splits            stratified splits as functions of a seed and the sample ids
augmentation      augmented views as functions of a seed, a view and a sample id
sampler           which samples are seen in which step, on any number of ranks
identity          where the data lie, and a remembered hash of their content, without torch
planned_data      what a run was planned with, and what has changed since, without torch
decoded_cache     decoded pictures, mapped by all processes
digits            scikit-learn's digits
torchvision_sets  MNIST and CIFAR as torchvision reads and downloads them
image_folder      the layout of a folder of pictures
image_files       decodes a picture file
custom_set        pictures that a function in a user's file returns
"""
