"""Reads a recipe, plans its stages, runs them, remembers. Knows everybody; nobody knows it.

From the outside
  cli               the command line
  commands          what each command does
  exit_codes        how a command ends
  config            the whole recipe: the sections of all packages
  errors            problems of a recipe

The recipe
  recipe            read and judged
  deep_check        data, models and weights files looked at
  outputs_check     teachers' outputs beside the classes that they stand for
  layer_check       layers that terms and the gate look at, and their shapes
  measuring         roles timed for some seconds, and what a run will take

The plan
  plan              stages, each with the digest of what is asked
  gating            what a student is told of how its teachers are weighed
  judged_plan       of a recipe that has passed the deep check
  what              what is asked of a stage: all that its result depends on
  digest            one canonical spelling, hashed
  plan_printing     in print

The run
  run               judges, plans, runs what is not stored, reports
  executor          each stage once it can
  stage_work        one stage: starts its roles, listens, lets them go
  faculty           the teachers of a stage made ready
  ensembles         how its teachers agree, and what that needs to know
  shelving          where their answers are kept
  gatekeeping       how a teacher is run, and whether it may teach
  placing           what roles are told, and where they are put
  resolution        ``threads: auto``
  warming           processes made ready for what comes
  progress          bars
  signals           one orderly way out

What is remembered
  home              stages and runs on disk
  report            figures, tables, pages, pictures
  run_tracking      what the tracker is told of a run
  tracking          what a tracker promises
  tracking_writer   the one thread that sends
  tracking_sender   one pass of sending
  tracking_windows  committed rows as metrics
  tracking_mlflow   MLflow; the only door to it
"""
