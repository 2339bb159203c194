"""Runs graphs of stages in one session of the process.

A session and its graphs
  session            What a process has one of, and the graphs that run on it
  graph_run          Runs one graph, each node when what it needs is done; skips stored ones
  progress           Progress on standard error: the graph, with a bar for each running stage
  progress_graph     The graph's lines: what is stored, running, waiting, undecided
  side_by_side       Does the same for several things at the same time
  signals            Turns the signals that end a process into one KeyboardInterrupt
  stored_predictions  What finished models and ensembles predict; by it choices are decided

A stage
  stage_works        The stages under way, each once, however many graphs want it
  stage_attempts     As many attempts at a stage as the failure policy allows
  failure_policy     Why an attempt has failed, and whether the stage is tried again
  stage_runner       Runs one attempt: starts the roles, has the ranks train, retires the roles
  event_relay        Relays the events of the ranks; finds the role that ends an attempt early
  prewarm            Starts the processes of the stage that needs most, before it begins

Its teachers
  stage_teacher      One teacher of one stage: what is stored of it, and what the stage asks of it
  teacher_pool       The live teachers of a session, shared by its stages
  teacher_startup    Makes the teachers of a stage ready: started, chosen, passed by the gate
  parity_gate        Chooses how a teacher is run, and refuses one that fails the parity gate
  finished_network   Finds and loads finished models
"""
