"""What a stage keeps on disk.

attempts    The number of the current attempt, so that a stale one commits nothing
checkpoint  The engine's state with a manifest, committed in two phases
outcome     What a finished stage leaves: weights, logits on the held-out parts, learning curve
step_log    What each step measured; only rows of committed steps are read
"""
