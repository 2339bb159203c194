"""Learn: transfer sets, models, objectives, the trainer and its engines. They know no teacher.

The words
  knowledge           in which knowledge passes from teachers to a student
  assignment          what a student's rank is told
  reports             what a student in training tells
  errors              what can go wrong
  config              the recipe's section ``student``: how it is trained

What is learnt from
  transfer_sets       the examples, their parts and their labels
  views               augmented pictures as pure functions of seed, view and sample id
  order               which samples are seen in which step, on any number of ranks
  randomness          seeds as functions of a seed and a name
  lazy_imports        torch and numpy, imported at first use, for files that hold settings too
  seeding             torch's generators, seeded for what is computed next
  lessons             lessons of nobody
  asking              under which views a student will ask its teachers

What learns
  models              networks by kind
  network             preprocessing and model in one, as deployed
  class_map           which of the transfer set's classes a network's outputs stand for
  taps                layers by name: finding, recording, probing
  adapters            from a student's layer to the shape of a teacher's
  gate                weighs the teachers by what the student sees
  learner             the one module that an engine trains
  making              a student from its assignment
  weights             weights from files as people have them
  torchvision_door    the only door to torchvision
  custom_code         functions in a Python file beside the recipe

What is minimised
  objectives          terms, and their weighted sum
  softening           K teachers' logits as one distribution
  single_precision    the precision losses are computed in

How it is trained
  student_rank        one rank, from assignment to outcome: the role a runtime starts
  trainer             the loop
  validation          accuracy and loss on the validation part, shared out among ranks
  listening           who was listened to, and what a rule changed
  notes               of that, worked out lot by lot
  lr_schedule         the learning rate of a step
  standstill          keeps a gate still that has learnt enough
  max_norm            the max-norm constraint
  threads             a role's own number of threads
  notices             warnings, carried to whoever watches
  faults              faults on purpose, to prove that resuming works

Engines
  engine              the protocol, and the canonical state
  catalog             the engines there are, by kind
  engine_torch        nothing but torch
  engine_deepspeed    DeepSpeed's ZeRO, stages 0 to 3; the only door to deepspeed
  withheld            a package withheld from an import
  deepspeed_settings  the user's own settings merged with the recipe's
  partitions          where each ZeRO stage keeps its pieces
  canonical           tensors under their canonical names
  optimizers          in the one form whose bits every engine can give
  clipping            norms and clipping, in the same bits for every engine
  precision           outputs in the recipe's precision
  buffers             equal buffers on all ranks
  process_group       joined and left

What is kept
  checkpoint          canonical checkpoints, committed in two phases
  attempts            which attempt at a stage is the current one
  spool               what each step measured; only committed rows are read
  outcome             what a finished stage leaves

What came of it
  examination         a finished model's answers on the held-out parts
  learning_curve      from the committed spool
  metrics             accuracy, likelihood, calibration, agreement
  prior_correction    one shift per class that makes the mean prediction uniform
  costs               parameters, MACs, bytes, latency
"""
