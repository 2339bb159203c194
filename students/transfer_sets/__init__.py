"""The examples on which knowledge passes.

config            the recipe's section ``transfer_set``
catalog           loads a transfer set by its kind
transfer_set      a transfer set in memory: its parts and its batches
some_classes      a transfer set as a specialist of some classes sees it
splits            stratified parts as pure functions of a seed and the sample ids
examples          pictures with their classes, the rules they keep, their mean and deviation
identity          the hash of the data, wherever they lie (no torch)
file_hashes       remembers content hashes, so that files are not read again
places            where a set's files lie, and which are missing
digits            scikit-learn's digits, from their packaged file
digits_identity   what the digits are known by
published         mnist, fashion_mnist, cifar10, cifar100 by torchvision's loading code
picture_folder    the layout of a folder of pictures
pictures          one picture file, brought to size
prepared          decoded arrays in the cache, mapped by every later process
custom_set        pictures from the user's own function
"""
