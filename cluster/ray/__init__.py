"""Ray: one-node start, actors, and calls that wait.

handle           Handles of roles that live in Ray actors, and Ray's errors in our words
host             What stands in a process of its own and holds one role at a time
local_runtime    The runtime of one machine: each role in a process of its own, kept warm for the n
pending_calls    Counts who waits for Ray in this process, so that Ray is not shut down under them
resource_ledger  Counts the logical CPUs and GPUs of one machine: who holds how many, who must wait
session          A Ray of our own on this machine: on loopback, behind a token, gone when we close
session_folder   Where a Ray session keeps its token and its files, and what removes both
"""
