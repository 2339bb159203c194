"""The table of samplers: one is made for each batch, with the batch's own seed."""

from __future__ import annotations

import math
import random
import warnings
from itertools import product
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from search.config import (
    BruteForce,
    Gp,
    Grid,
    Nsga2,
    Random,
    Sampler,
    SearchConfig,
    Tpe,
)
from search.parameters import Categorical, Choice, Complement, Number, Parameter
from search.space import Space


def build_sampler(config: SearchConfig, seed: int) -> BaseSampler:
    """The sampler of the section, which draws by ``seed``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _build(config.sampler, config, seed)


def _build(sampler: Sampler, config: SearchConfig, seed: int) -> BaseSampler:
    match sampler:
        case Tpe(startup_trials=startup):
            return optuna.samplers.TPESampler(n_startup_trials=startup, seed=seed)
        case Nsga2(population=population):
            return optuna.samplers.NSGAIISampler(
                population_size=population or default_population(config), seed=seed
            )
        case Gp(startup_trials=startup):
            return optuna.samplers.GPSampler(n_startup_trials=startup, seed=seed)
        case Random() | Grid():  # The points of a grid are given, not sampled.
            return optuna.samplers.RandomSampler(seed=seed)
        case BruteForce():
            return optuna.samplers.BruteForceSampler(seed=seed)


def default_population(config: SearchConfig) -> int:
    """The trials of a generation of NSGA-II: as many as there are generations."""
    return max(2, math.isqrt(config.trials))


def grid_points(space: Space, seed: int) -> list[dict[str, Any]]:
    """All draws of a space that has no conditional parts and no floats without a step, in an order
    that follows from ``seed``."""
    values = {
        path: _values(each) for path, each in space.items() if not isinstance(each, Complement)
    }
    points = [dict(zip(values, each, strict=True)) for each in product(*values.values())]
    random.Random(seed).shuffle(points)
    return points


def _values(parameter: Parameter) -> list[Any]:
    match parameter:
        case Number():
            return [parameter.value(number) for number in range(parameter.count)]
        case Categorical(values):
            return list(values)
        case Choice(labels):
            return list(labels)
    raise TypeError(parameter)
