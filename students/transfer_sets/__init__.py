"""Transfer sets: their parts, their augmented views, the order of samples.

config            what a recipe may say of a transfer set
catalog           loads a transfer set by its kind
transfer_set      the pictures in memory, their parts, and batches of them
class_subset      the samples of some classes, as a specialist sees them
examples          what a source returns, and the rules it must keep
splits            stratified splits as functions of a seed and the sample ids
augmentation      augmented views as functions of a seed, a view and a sample id
sampler           which samples are seen in which step, on any number of ranks
identity          where the data lie, and a hash of their content, without torch
content_hashes    hashes of files, remembered while the files are unchanged
decoded_cache     decoded pictures, mapped by all processes
digits            scikit-learn's digits
torchvision_sets  MNIST and CIFAR as torchvision reads and downloads them
image_folder      the layout of a folder of pictures
image_files       decodes a picture file
custom_set        pictures that a function in a user's file returns
"""
