"""Writes a commented recipe to start from."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import Problem, RecipeProblems

TEMPLATE = """\
# A recipe holds what differs from the defaults; `stillhouse check` prints the whole of it.
# Any value can be set on the command line: stillhouse run FILE student.train.epochs=5
name: first
seed: 7                       # of the teachers

transfer_set:                 # the examples on which knowledge passes
  kind: digits                # real 8x8 digits that come along; or mnist | fashion_mnist |
                              #   cifar10 | cifar100 | image_folder | custom, with root: ~/data
  validation: 270             # count or share of the training samples kept back for choosing
  fraction: 0.1               # share of the rest that the student is given; teachers see all

teachers:                     # any number, each trained here or loaded
  wide:
    model: {kind: mlp, hidden: [256, 256], dropout: 0.2}
    train: {epochs: 15, optimizer: {kind: sgd, lr: 0.1, weight_decay: 0.0005}}
  convolutional:
    model: {kind: plain_cnn, channels: [16, 16, 32, 32]}
    train: {epochs: 15, optimizer: {kind: sgd, lr: 0.05, weight_decay: 0.0005}}
    # instead of train:  weights: path/to/file.safetensors

ensemble:                     # how the teachers agree
  weighting: uniform          # or {kind: fixed, weights: {wide: 0.7, convolutional: 0.3}} | random
                              #   | max_entropy | min_entropy | confidence | correct_only | adaptive
  temperature: 4.0            # softens what they say; higher shows more of the wrong classes

student:
  model: {kind: mlp, hidden: [16]}
  objective:                  # terms by name, each with a weight
    task: {weight: 0.1}       # the labels
    soft_targets: {weight: 0.9}   # what the teachers say; a weight may change over the epochs:
                              #   {kind: stop, value: 0.9, epoch: 30} | linear | ramp
  train: {epochs: 60, batch_size: 64, optimizer: {kind: sgd, lr: 0.1, weight_decay: 0.0005}}

controls: [untaught]          # trained beside it: the same student, taught by nobody
"""


def write_recipe(path: Path, *, force: bool = False) -> None:
    """Writes the recipe to ``path``; what stands there stays unless ``force``.

    Raises:
        RecipeProblems: there is something at ``path`` already, or no folder for it.
        OSError: it cannot be written.
    """
    if path.is_dir():
        raise RecipeProblems([Problem("", f"'{path}' is a folder; give the path of a new file")])
    try:
        with path.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(TEMPLATE)
    except FileExistsError:
        message = f"'{path}' already exists; choose another name, or --force to overwrite it"
        raise RecipeProblems([Problem("", message)]) from None
    except FileNotFoundError:
        message = f"the folder '{path.parent}' does not exist; make it first"
        raise RecipeProblems([Problem("", message)]) from None
