"""Engines: how one optimizer step is taken, in torch or DeepSpeed.

catalog             Builds an engine by its kind
deepspeed_engine    DeepSpeed's ZeRO, stages 0 to 3; the only file that imports deepspeed
deepspeed_settings  The user's own DeepSpeed settings merged with the recipe's
engine              What every engine does: outputs, clipped steps, equal buffers, its state
group               The ranks that train one student
process_group       The process group in which ranks add up their gradients
state_tensors       The state that is the same for every engine, under canonical names
torch_engine        Plain torch: each rank holds the whole student
zero_partitions     Where each ZeRO stage keeps weights, gradients and slots
"""
