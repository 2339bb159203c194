"""Says where roles run; imports nothing of distillation.

section       What every section of a recipe is: frozen, strict, closed to unknown keys
own_packages  Our top-level packages and the libraries they need: where Python finds them
config        The sections ``cluster`` and ``timeouts``
errors        What can go wrong with a place where roles run
runtime       The protocol of a runtime and of the typed handles it gives out
in_process    The runtime without processes: roles are objects of this process
ray           The runtime of one machine: roles are processes under a Ray of our own
catalog       From a cluster's mode to its runtime
"""
