"""A study in its storage: Optuna's own, which its dashboard reads while trials run."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from search.config import SearchConfig, constraints
from search.errors import StudyError, StudyExists
from search.space import draw, find
from search.trials import OVERRIDES, RESULT, FinishedTrial, Result, finish

IDENTITY = "stillhouse.identity"
"""What a study asks, beside it in its storage."""

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")


def open_storage(url: str) -> optuna.storages.RDBStorage:
    """The storage at ``url``.

    Raises:
        StudyError: it cannot be reached or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    options: dict[str, Any] = {}
    if url.startswith("sqlite"):
        options = {"connect_args": {"timeout": 60}}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except Exception as error:  # noqa: BLE001 - drivers raise what they like.
        # What a driver says may have the password in it, so only the kind of the error is shown.
        raise StudyError(
            f"`search.storage` ({redacted(url)}) cannot be opened ({_cause(error)}); see that it "
            "exists, can be written, and that its driver is installed"
        ) from None


def close_storage(storage: optuna.storages.RDBStorage) -> None:
    """Closes the connections of a storage."""
    storage.remove_session()
    storage.engine.dispose()


@contextmanager
def used_storage() -> Iterator[None]:
    """While open, what a storage raises is one sentence.

    Raises:
        StudyError: it cannot be reached or written any more.
    """
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        raise StudyError(
            f"`search.storage` has failed ({_cause(error)}); see that it can be reached and "
            "written, and run the same command again, which goes on from there"
        ) from None


def _cause(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"no module '{error.name}'"
    inner = getattr(error, "orig", None) or error.__cause__ or error
    return type(inner).__name__


def redacted(url: str) -> str:
    """``url`` without its user and password."""
    return _CREDENTIALS.sub("***@", url)


@dataclass(frozen=True)
class StoredStudy:
    """One study in a storage, which one process writes."""

    study: optuna.Study
    config: SearchConfig
    _ids: dict[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Under which it is stored."""
        return self.study.study_name

    @property
    def has_trials(self) -> bool:
        """Whether any trial is stored, be it under way."""
        return bool(self.study.get_trials(deepcopy=False))

    @used_storage()
    def known(self) -> list[FinishedTrial]:
        """The finished trials, in the order of their numbers, up to the first that is not."""
        found: list[FinishedTrial] = []
        for trial in self.study.get_trials(deepcopy=False):
            if not trial.state.is_finished() or RESULT not in trial.user_attrs:
                break
            stored = dict(trial.user_attrs[RESULT])
            curve = {int(step): scores for step, scores in stored.pop("curve").items()}
            result = Result(trial.state, curve=curve, **stored)
            found.append(finish(self.config, trial.number, trial, result))
        return found

    @used_storage()
    def keep(self, name: str, value: Any) -> Any:
        """What the study was begun with under ``name``: ``value``, plain data, if it is new."""
        key = f"stillhouse.{name}"
        if key not in self.study.user_attrs:
            self.study.set_user_attr(key, value)
        return self.study.user_attrs[key]

    @used_storage()
    def begin(self, proposals: Mapping[int, FrozenTrial]) -> None:
        """Adds the trials of a batch that it does not have yet, as running."""
        have = len(self.study.get_trials(deepcopy=False))
        for number, proposal in proposals.items():
            if number >= have:
                self.study.add_trial(proposal)
        trials = self.study.get_trials(deepcopy=False)
        self._ids.update((n, trials[n]._trial_id) for n in proposals)

    @used_storage()
    def report(self, number: int, step: int, score: float) -> None:
        """Adds the one score of a running trial after a step; repeated ones change nothing."""
        live = self._live(number)
        if step not in self.study.get_trials(deepcopy=False)[number].intermediate_values:
            live.report(score, step)

    @used_storage()
    def finish(self, number: int, result: Result) -> None:
        """Stores what came of a trial."""
        live = self._live(number)
        stored = asdict(result)
        del stored["state"]
        live.set_user_attr(RESULT, stored)
        for name, excess in constraints(self.config.limits, result.scores).items():
            if name not in live.constraints:
                live.set_constraint(name, excess)
        self.study.tell(number, result.values(self.config), state=result.state)

    def _live(self, number: int) -> optuna.Trial:
        return optuna.Trial(self.study, self._ids[number])


@used_storage()
def open_study(
    storage: optuna.storages.BaseStorage,
    name: str,
    config: SearchConfig,
    identity: Mapping[str, Any],
    *,
    new: bool,
) -> StoredStudy:
    """The study ``name`` that asks what ``identity`` says, begun if there is none; with ``new``
    beside one that asks something else, under the next free name: ``name-2`` and so on.

    ``identity`` is plain data; its part ``recipe`` (values by dotted path) is shown where something
    differs, and not compared: what of it counts, ``stages`` says.

    Raises:
        StudyExists: there is one of that name that asks something else.
        StudyError: there is no study `search.from`.
    """
    names = {each.study_name: each for each in optuna.get_all_study_summaries(storage=storage)}
    if config.from_ is not None and config.from_ not in names:
        raise StudyError(
            f"`search.from` is '{config.from_}', which is no study here; there are: "
            f"{', '.join(names) or 'none'}"
        )
    asked, own = json.dumps(identity, sort_keys=True), name
    now, others = json.loads(asked), list[dict[str, Any]]()
    while own in names:
        if IDENTITY not in names[own].user_attrs and names[own].n_trials == 0:
            optuna.delete_study(study_name=own, storage=storage)  # Killed while it was begun.
            break
        others.append(json.loads(names[own].user_attrs.get(IDENTITY, "{}")))
        if _compared(others[-1]) == _compared(now):
            return StoredStudy(optuna.load_study(study_name=own, storage=storage), config)
        own = f"{name}-{len(others) + 1}"
    if others and not new:
        raise StudyExists(
            f"study '{name}' asks something else ({_difference(others[0], now)}); take that back, "
            "give the recipe another `name`, or begin another study beside it with --new"
        )
    return _begin_study(storage, own, config, asked)


def _begin_study(
    storage: optuna.storages.BaseStorage, name: str, config: SearchConfig, identity: str
) -> StoredStudy:
    directions = list(config.scores.values())
    study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(config.scores))
    study.set_user_attr(IDENTITY, identity)
    return StoredStudy(study, config)


def _compared(identity: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name != "recipe"}


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which parts differ, each with both values where they are short."""
    parts: list[str] = []
    for name in sorted({*before, *now} - {"stages", "recipe"}):
        place = name if name == "seed" else f"search.{name}"
        parts += _differences(place, before.get(name), now.get(name))
    if before.get("stages") != now.get("stages"):
        old, new = before.get("recipe", {}), now.get("recipe", {})
        for place in sorted({*old, *new} - {"seed"}):
            parts += _differences(place, old.get(place), new.get(place))
    return "; ".join(parts) or "data or files that it names have changed"


def _differences(place: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(f"{place}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and _shown(old) == _shown(new):
        for number, pair in enumerate(zip_longest(old, new)):
            yield from _differences(f"{place}.{number}", *pair)
    else:
        yield f"`{place}` was {_shown(old)}, and is {_shown(new)}"


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:50]}…"


@used_storage()
def foreign_trials(stored: StoredStudy) -> tuple[FrozenTrial, ...]:
    """The finished trials of the study `search.from`, if any, that space and scores allow; of those
    that were finished when ``stored`` began, so that its history is the same each time."""
    if (name := stored.config.from_) is None:
        return ()
    study = optuna.load_study(study_name=name, storage=stored.study._storage)
    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    numbers = set(stored.keep("foreign", [trial.number for trial in trials]))
    known = (each for each in trials if each.number in numbers)
    return tuple(_translated(known, stored.config))


def _translated(trials: Iterable[FrozenTrial], config: SearchConfig) -> Iterator[FrozenTrial]:
    space, scores = config.parameters, config.scores
    for trial in trials:
        stored, values = trial.user_attrs.get(RESULT), trial.user_attrs.get(OVERRIDES, {})
        if stored is None or not scores.keys() <= stored["scores"].keys():
            continue
        if not space.keys() <= values.keys():
            continue
        params, missing = find(space, {path: [values[path]] for path in space})
        if missing:
            continue
        fixed = optuna.trial.FixedTrial(params)
        draw(space, fixed)
        yield create_trial(
            values=[stored["scores"][name] for name in scores],
            params=params,
            distributions=fixed.distributions,
            constraints=constraints(config.limits, stored["scores"]) or None,
        )
