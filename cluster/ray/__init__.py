"""Ray: a session of our own on one machine, and roles as actors in it.

session_folder   Makes and removes the folders of a session: its token, and Ray's own files
own_processes    Ray's own processes, which are not roles: started, watched, ended
session          A Ray of our own on this machine: on loopback, behind a token
process_session  Starts that Ray for its first user in this process, and again where it was lost
pending_calls    Counts the threads that wait for Ray
host             The actor: a process that holds one role at a time
handle           Handles of such roles, calls that wait for them, and Ray's errors as ours
resource_ledger  Counts logical CPUs and GPUs: which place has how many, who must wait
local_runtime    The runtime of one machine: each role in its own process
"""
