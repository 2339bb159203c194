"""Students: data, models, losses and the training of one student. They import no teacher.

Folders
  transfer_sets     the samples: data sets, splits, augmentation, order, sizes
  models            networks by kind, their taps, weights and costs
  objectives        loss terms, their weighted sum, softening, the gating network
  engines           optimizer steps in torch or DeepSpeed
  training          the training loop, and the role that runs it
  storage           attempts, checkpoints, the step log and the outcome of a stage
  evaluation        accuracy and other metrics, prior correction

What the folders share
  config            the recipe's section ``student``: how it is trained, engine, resources
  optimizers        SGD and AdamW
  lr_schedule       the learning rate of a step
  specs             the student to be trained, and what one rank of it is started with
  knowledge         questions, answers and knowledge: what passes from teachers to a student
  events            what a student in training reports to the run
  errors            exceptions, most of them for what a user must fix
  randomness        seeds as functions of a seed and a name
  torch_state       threads and generators of the process
  json_records      JSON files of a home, with checksums
  durable_files     files written whole and synced to the disk
  fault_injection   kills the run at a named step, for tests of resuming
  custom_code       functions from a Python file beside the recipe
  torchvision_door  the only file that imports torchvision
  lazy_imports      torch and numpy, imported at first use
"""
