"""Optuna's own figures of a study, as PNG files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState, create_trial

from search.config import Score, SearchConfig
from search.trials import FinishedTrial

_LEAST = 2
"""Complete trials that a figure needs."""


@dataclass(frozen=True)
class StudyFigure:
    """A figure's file, its title, and a caption that says how to read it."""

    file: str
    title: str
    caption: str


IMPORTANCES = StudyFigure(
    "importances.png",
    "Importance of what was drawn",
    "The share of the score's variance over the trials that follows from each value (Optuna's "
    "default estimate); with few trials it is rough.",
)
OPTIMIZATION = StudyFigure(
    "optimization_history.png",
    "Optimization history",
    "The score of each trial in order.",
)
COORDINATES = StudyFigure(
    "parallel_coordinates.png",
    "Parallel coordinates",
    "One line a trial, through its score at the left and each value that was drawn; values that "
    "only some trials have are left out.",
)
SLICE = StudyFigure(
    "slice.png",
    "Score by each value that was drawn",
    "One panel a value; darker points are later trials.",
)


@dataclass(frozen=True)
class Drawn:
    """The score that figures show: its name among those asked for, its ``title`` on axes, and its
    ``factor`` there."""

    score: Score
    title: str
    factor: float = 1.0


def draw_figures(
    known: Sequence[FinishedTrial],
    config: SearchConfig,
    names: Mapping[str, str],
    of: Drawn,
    folder: Path,
) -> tuple[tuple[StudyFigure, ...], tuple[str, ...]]:
    """Draws the figures of ``known`` trials into ``folder``; gives them, and a sentence on each
    that could not be drawn. ``names`` says what each parameter is called.

    Raises:
        OSError: a file cannot be written.
    """
    study = _study_of(known, config, names, of)
    if sum(each.state is TrialState.COMPLETE for each in study.trials) < _LEAST:
        return (), ()
    drawn, failed = [], []
    for figure, draw in _drawings(study, config).items():
        try:
            with _optunas_style() as pyplot:
                axes = draw(study, target_name=of.title)
                whole = (axes.flat[0] if hasattr(axes, "flat") else axes).figure
                _thin_ticks(whole)
                # Without the version of the software, so that the same figure is the same file.
                without = {"Software": None}
                whole.savefig(folder / figure.file, dpi=110, bbox_inches="tight", metadata=without)
                pyplot.close(whole)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - it is reported, and costs the study nothing else
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            failed.append(f"The picture '{figure.file}' could not be drawn ({reason}).")
        else:
            drawn.append(figure)
    return tuple(drawn), tuple(failed)


def _drawings(study: optuna.Study, config: SearchConfig) -> dict[StudyFigure, Callable[..., Any]]:
    """What draws each figure."""
    plots = optuna.visualization.matplotlib
    complete = [each.params for each in study.trials if each.state is TrialState.COMPLETE]
    common = [name for name in complete[0] if all(name in params for params in complete)]
    drawings: dict[StudyFigure, Callable[..., Any]] = {
        IMPORTANCES: plots.plot_param_importances,
        OPTIMIZATION: plots.plot_optimization_history,
        COORDINATES: partial(_coordinates, params=common),
        SLICE: _slice,
    }
    if len(config.scores) == 1:
        del drawings[OPTIMIZATION]  # The caller's own one has references.
    return drawings


def _coordinates(study: optuna.Study, *, params: list[str], target_name: str) -> Any:
    plot = optuna.visualization.matplotlib.plot_parallel_coordinate
    axes: Any = plot(study, params=params, target_name=target_name)
    # Else the names of many values lie over each other.
    axes.figure.set_size_inches(max(6.4, 1.1 * (len(params) + 3)), 4.8)
    return axes


def _slice(study: optuna.Study, *, target_name: str) -> Any:
    panels = optuna.visualization.matplotlib.plot_slice(study, target_name=target_name)
    for axes in getattr(panels, "flat", [panels]):
        if axes.xaxis.have_units():  # Words, which lie over those of the next panel.
            axes.tick_params(axis="x", labelrotation=30)
        for points in axes.collections:  # Else each panel has a scale of its own.
            points.set_clim(0, len(study.trials) - 1)
    return panels


def _study_of(
    known: Sequence[FinishedTrial], config: SearchConfig, names: Mapping[str, str], of: Drawn
) -> optuna.Study:
    """A study in memory of that score alone, whose parameters have short names."""
    study = optuna.create_study(direction=config.scores[of.score])
    for each in known:
        is_complete = each.result.state is TrialState.COMPLETE
        study.add_trial(
            create_trial(
                state=each.result.state,
                value=of.factor * each.result.scores[of.score] if is_complete else None,
                params={names[name]: value for name, value in each.frozen.params.items()},
                distributions={names[n]: each for n, each in each.frozen.distributions.items()},
            )
        )
    return study


def _thin_ticks(figure: Any) -> None:
    """Gives logarithmic axes few ticks, in plain numbers."""
    from matplotlib.ticker import LogLocator, NullLocator

    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.set_minor_locator(NullLocator())
                axis.set_major_formatter("{x:g}")


@contextmanager
def _optunas_style() -> Iterator[Any]:
    """Pyplot without a display; what Optuna sets for all figures is taken back."""
    import matplotlib as mpl
    from matplotlib import pyplot

    before = mpl.get_backend()
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyplot.switch_backend("agg")
        try:
            yield pyplot
        finally:
            pyplot.switch_backend(before)
