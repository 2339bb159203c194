"""Runs the stages of a plan.

bank_shelves      Finds the bank's shelf of each teacher, and whether it has the answers needed
executor          Runs the stages of a plan, each when its dependencies are done; skips stored ones
finished_network  Loads the finished model of a stage, as it is deployed
parity_gate       Chooses how a teacher is run, and refuses one that fails the parity gate
prewarm           Starts the processes of the stage that needs most, while the first stages prepare
progress          Progress bars: one for each running stage, on standard error
role_specs        Builds what the roles of a stage are started with: specs, ensemble, resources
signals           Turns SIGINT and SIGTERM into one KeyboardInterrupt
stage_runner      Runs one stage: starts its roles, relays the events of rank 0, retires the roles
teacher_startup   Prepares the teachers of a stage: stored answers, hosts, config, parity gate
"""
