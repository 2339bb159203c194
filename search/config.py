"""The recipe's section ``search``: what is explored, by which scores, for how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from search.read_space import read_parameter, read_space
from search.space import Space

Score = Literal["accuracy", "nll", "parameters", "macs", "bytes", "latency_ms"]
Direction = Literal["maximize", "minimize"]

LEARNED: tuple[Score, ...] = ("accuracy", "nll")
"""Scores that only training shows; the others follow from the architecture."""


class _Section(BaseModel):
    """Values are validated strictly, and unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        validate_default=True,
    )


def kind_first(value: Any) -> Any:
    """The short form of a section: its kind."""
    return {"kind": value} if isinstance(value, str) else value


Count = Annotated[int, Field(ge=1)]


class Tpe(_Section):
    """Tree-structured Parzen estimator, multivariate (Watanabe, 2023, arXiv:2304.11127)."""

    kind: Literal["tpe"] = "tpe"
    startup_trials: Annotated[int, Field(ge=0)] = Field(10, description="drawn at random")


class Nsga2(_Section):
    """NSGA-II (Deb et al., 2002)."""

    kind: Literal["nsga2"] = "nsga2"
    population: Annotated[int, Field(ge=2)] | None = Field(
        None, description="trials of a generation; default: the square root of `trials`"
    )


class Gp(_Section):
    """A Gaussian process with expected improvement."""

    kind: Literal["gp"] = "gp"
    startup_trials: Count = Field(10, description="drawn at random")


class Random(_Section):
    """Independent draws."""

    kind: Literal["random"] = "random"


class Grid(_Section):
    """All points of a space without conditional parts."""

    kind: Literal["grid"] = "grid"


class BruteForce(_Section):
    """All points of a space, conditional parts too."""

    kind: Literal["brute_force"] = "brute_force"


class NoPruner(_Section):
    """All trials are trained to their end."""

    kind: Literal["none"] = "none"


class Hyperband(_Section):
    """Hyperband (Li et al., 2018, arXiv:1603.06560)."""

    kind: Literal["hyperband"] = "hyperband"
    min_epochs: Count = Field(1, description="after which a trial may be ended")
    reduction: Annotated[int, Field(ge=2)] = Field(3, description="one of so many goes on")


class Median(_Section):
    """Ends a trial that is worse than the median of the finished ones after the same epoch."""

    kind: Literal["median"] = "median"
    startup_trials: Annotated[int, Field(ge=0)] = Field(5, description="are never ended")
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(0, description="of each trial")


class Dominated(_Section):
    """Ends a trial that so many finished ones dominate in all scores after the same epoch."""

    kind: Literal["dominated"] = "dominated"
    by: Count = Field(3, description="finished trials of earlier batches")
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(1, description="of each trial")


class Wilcoxon(_Section):
    """Trains each trial's student on several seeds in turn, and ends a trial that is worse than the
    best one by the signed-rank test over the seeds that it has so far (Wilcoxon, 1945)."""

    kind: Literal["wilcoxon"] = "wilcoxon"
    seeds: Annotated[int, Field(ge=3)] = Field(5, description="of each trial")
    p: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="a trial with a lower p-value is ended"
    )
    startup_seeds: Annotated[int, Field(ge=0)] = Field(2, description="of each trial")


Sampler = Annotated[
    Annotated[Tpe | Nsga2 | Gp | Random | Grid | BruteForce, Field(discriminator="kind")],
    BeforeValidator(kind_first),
]
Pruner = Annotated[
    Annotated[NoPruner | Hyperband | Median | Dominated | Wilcoxon, Field(discriminator="kind")],
    BeforeValidator(kind_first),
]


def _readable(value: Any) -> Any:
    read_parameter(value)
    return value


def constraints(
    limits: Mapping[Score, float] | Mapping[str, float], scores: Mapping[str, float]
) -> dict[str, float]:
    """By how much each of the ``limits`` is broken; up to 0 it is kept."""
    return {
        name: (limit - scores[name]) if name == "accuracy" else (scores[name] - limit)
        for name, limit in limits.items()
        if name in scores
    }


class SearchConfig(_Section):
    """What a study explores. Only the validation part decides."""

    trials: Count = 20
    parallel: Count = Field(1, description="trials of a batch, which are trained at the same time")
    scores: Annotated[dict[Score, Direction], Field(min_length=1)] = {"accuracy": "maximize"}
    limits: dict[Score, float] = Field(
        {}, description="what a student must keep to: at least this accuracy, at most of the others"
    )
    sampler: Sampler = Tpe()
    pruner: Pruner = NoPruner()
    repeats: Annotated[int, Field(ge=0)] = Field(
        5, description="seeds on which the winners are trained again"
    )
    space: dict[str, Annotated[Any, AfterValidator(_readable)]] = Field(
        min_length=1, description="what is drawn for each dotted path of the recipe"
    )
    storage: str | None = Field(None, description="URL of the study; default: sqlite in the home")
    from_: str | None = Field(
        None, alias="from", description="a study whose finished trials are known from the start"
    )

    @property
    def single_score(self) -> Score | None:
        """The score, if only one was asked for."""
        return next(iter(self.scores)) if len(self.scores) == 1 else None

    def signed(self, scores: Mapping[str, float]) -> list[float]:
        """The scores that are optimized, with the sign that makes the higher one the better."""
        return [
            scores[name] if direction == "maximize" else -scores[name]
            for name, direction in self.scores.items()
        ]

    @property
    def parameters(self) -> Space:
        """The parameters of the space, by path."""
        return read_space(self.space)

    @property
    def seeds(self) -> int:
        """On how many seeds a trial trains its student; its learned scores are the means."""
        return self.pruner.seeds if isinstance(self.pruner, Wilcoxon) else 1

    @property
    def step(self) -> Literal["epoch", "seed"]:
        """What a step of a trial is: after each one a pruner decides whether the trial goes on."""
        return "seed" if isinstance(self.pruner, Wilcoxon) else "epoch"
