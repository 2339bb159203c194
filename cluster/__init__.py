"""Says where roles run; knows nothing of distillation.

- ``section``: what every section of a recipe is.
- ``config``: the sections ``cluster`` and ``timeouts``.
- ``errors``: what can go wrong with a place where roles run.
- ``runtime``: the protocol of a runtime and the typed handles it gives out.
- ``catalog``: from a mode to its runtime.
- ``in_process``: roles as plain objects of this process.
- ``local``: roles as processes of this machine, kept warm for the next.
- ``placement``: who holds how many logical CPUs and GPUs.
- ``ray_session``: a Ray of our own on loopback, started and stopped.
- ``session_folder``: where such a Ray keeps its token and its files.
- ``ray_host``: what stands in a process and holds one role at a time.
- ``ray_waits``: who waits for Ray in this process.
- ``ray_handle``: handles of such roles, and Ray's errors in our words.
"""
