"""The command ``stillhouse init``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.errors import RecipeProblems

TEMPLATE = """\
# A recipe contains what differs from the defaults; `stillhouse check` prints all settings.
# Any value can be set on the command line: stillhouse run FILE student.train.epochs=5
name: first
seed: 7                       # for the teachers

transfer_set:                 # the samples on which the student is taught
  kind: digits                # scikit-learn's 8x8 digits; or mnist | fashion_mnist |
                              #   cifar10 | cifar100 | image_folder | custom, with root: ~/data
  validation: 270             # count or share of the training samples held out for choices
  fraction: 0.1               # the student's share of the rest; teachers are given all

teachers:                     # any number, each trained here or loaded
  wide:
    model: {kind: mlp, hidden: [256, 256], dropout: 0.2}
    train: {epochs: 15, optimizer: {kind: sgd, lr: 0.1, weight_decay: 0.0005}}
  convolutional:
    model: {kind: plain_cnn, channels: [16, 16, 32, 32]}
    train: {epochs: 15, optimizer: {kind: sgd, lr: 0.05, weight_decay: 0.0005}}
    # instead of train:  weights: path/to/file.safetensors

ensemble:                     # how the teachers are combined
  weighting: uniform          # or {kind: fixed, weights: {wide: 0.7, convolutional: 0.3}} | random
                              #   | max_entropy | min_entropy | confidence | correct_only | adaptive
  temperature: 4.0            # of the softmax; higher shows more of the wrong classes

student:
  model: {kind: mlp, hidden: [16]}
  objective:                  # terms by name, each with a weight
    task: {weight: 0.1}       # the labels
    soft_targets: {weight: 0.9}   # the teachers' answers; a weight may change over the epochs:
                              #   {kind: stop, value: 0.9, epoch: 30} | linear | ramp
  train: {epochs: 60, batch_size: 64, optimizer: {kind: sgd, lr: 0.1, weight_decay: 0.0005}}

controls: [untaught]          # also trained, for comparison: the same student without teachers
"""


@click.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("recipe.yaml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def command(file: Path, force: bool) -> None:
    """Writes a commented recipe to FILE (default: recipe.yaml)."""
    if file.is_dir():
        raise RecipeProblems.of(f"'{file}' is a folder; give the path of a new file")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(TEMPLATE)
    except FileExistsError:
        message = f"'{file}' already exists; choose another name, or --force to overwrite it"
        raise RecipeProblems.of(message) from None
    except FileNotFoundError:
        message = f"the folder '{file.parent}' does not exist; make it first"
        raise RecipeProblems.of(message) from None
    click.echo(f"wrote {file}; next: stillhouse check {file}, then stillhouse run {file}")
