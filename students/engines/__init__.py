"""Engines: how one optimizer step is carried out, in torch or DeepSpeed.

autocast            Computes a learner's outputs in the recipe's precision
buffer_sync         Makes the buffers of one learner equal on all ranks
catalog             The engines there are, by kind
deepspeed_engine    The engine that spreads a student over ranks with DeepSpeed's ZeRO, stages 0 to
deepspeed_settings  Merges the user's own DeepSpeed settings with those that the recipe decides
engine              What carries out optimizer steps: the protocol of an engine and its canonical s
gradient_clipping   Measures gradients and says by what they are scaled, in the same bits for every
import_blocker      Withholds a package from what is imported meanwhile, as if it were not installe
optimizers          Builds the optimizers, in the one form whose bits every engine can give
process_group       Joins and leaves the process group in which ranks add up their gradients
state_tensors       Reads and writes a learner's tensors under their canonical names
torch_engine        The engine that is nothing but torch: each rank holds the whole student
zero_partitions     Finds the pieces of weights, gradients and slots where each ZeRO stage keeps th
"""
