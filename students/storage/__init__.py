"""What a stage keeps on disk.

attempts    Counts the attempts at a stage, so that an outlived one can be told from the current
checkpoint  Keeps an engine's canonical state on disk so that what was committed can be read
outcome     What a finished stage leaves: weights, answers on the held-out parts, the learning curv
step_log    The spool: what each step of a stage measured, of which only committed rows are ever re
"""
