"""Chooses what of a weights file is meant for a model: its part, and the prefix of its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from students.errors import WeightsError
from students.models.weights_file import WeightsFile
from students.models.weights_misfit import misfit
from students.models.weights_names import (
    Match,
    Wanted,
    bare_names,
    known_prefix,
    match,
    prefixes,
)

_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "ema", "model_ema", "module")
"""Where checkpoints keep their weights, the first that is there."""
_DEPTH = 4
"""How deep checkpoints are nested, at most."""


@dataclass(frozen=True)
class Chosen:
    """The part that is used, how it fits, and other parts that fit as well."""

    key: str
    match: Match
    others: tuple[str, ...] = ()


def choose(file: WeightsFile, content: Any, wanted: Wanted) -> Chosen:
    """The part of ``content``, what ``file`` holds, and the prefix that are meant for a model.

    Raises:
        WeightsError: there is none, or there are several.
    """
    every = {key: _bare(tensors) for key, tensors in _parts(content, "", _DEPTH)}
    choice, given = _Choice(file, wanted), file.weights.key
    parts = {key: every[key] for key in every if given is None or f"{key}.".startswith(f"{given}.")}
    if not parts:
        raise choice.no_parts(content)
    usual = [k for k in parts if k == given or usual_key(k.removeprefix(f"{given}."))]
    key = next(iter(usual or parts))
    chosen = choice.automatic(parts[key]) if usual else None
    fitting = [(each, found) for each in every for found in choice.fitting(every[each])]
    options = [each for each, _ in fitting if each in parts]
    if chosen is None and len(options) == 1:
        key, chosen = options[0], choice.automatic(parts[options[0]])
    if chosen is None:
        raise choice.ambiguous(fitting) if fitting else choice.misfit(key, parts[key])
    choice.check_effects(chosen)
    return Chosen(key, chosen, tuple(sorted({each for each in options if each and each != key})))


def usual_key(key: str) -> bool:
    """Whether weights are found under ``key`` without a word: the usual names alone."""
    return all(name in _KEYS for name in key.split(".")) if key else True


def _parts(content: Any, key: str, depth: int) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors by name of each part, by its dotted key (that of the file itself is empty): usual
    ones first, and after all those below it what lies loose beside them."""
    if not isinstance(content, Mapping) or depth == 0:
        return
    below = [name for name in content if isinstance(name, str)]
    for name in sorted(below, key=lambda name: _KEYS.index(name) if name in _KEYS else len(_KEYS)):
        yield from _parts(content[name], f"{key}.{name}" if key else name, depth - 1)
    tensors = {str(name): each for name, each in content.items() if isinstance(each, Tensor)}
    if tensors:
        yield key, tensors


def _bare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {bare: tensors[name] for bare, name in bare_names(tensors).items()}


@dataclass(frozen=True)
class _Choice:
    """How the tensors of a part fit a model, and the errors of those that do not."""

    file: WeightsFile
    wanted: Wanted

    def no_parts(self, content: Any) -> WeightsError:
        weights = self.file.weights
        has = ", ".join(map(str, content))[:200] if isinstance(content, Mapping) else "no names"
        if weights.key is not None:
            return self.file.error(
                f"{weights.key!r}, which is no part with weights of {weights.path!r};"
                f" the file has: {has}",
                setting="key",
            )
        return self.file.error(
            f"which holds no tensors by name (it has: {has}; arrays of NumPy"
            " are not read); give one that holds them (torch.save(model.state_dict(), path), or"
            " safetensors)"
        )

    def fitting(self, tensors: dict[str, Tensor]) -> list[Match]:
        """How the tensors fit, under each prefix under which they do."""
        found = (match(tensors, prefix, self.wanted) for prefix in prefixes(tensors, self.wanted))
        return [each for each in found if each.fits]

    def automatic(self, tensors: dict[str, Tensor]) -> Match | None:
        """How the tensors fit under the one prefix that is meant; none if there is no such."""
        given = self.file.weights.strip_prefix
        if given is not None:
            return self._under(given, tensors)
        found = self.fitting(tensors)
        plain = next((each for each in found if each.prefix == ""), None)
        if plain is None and len(found) == 1 and known_prefix(found[0].prefix):
            return found[0]
        return plain

    def _under(self, given: str, tensors: dict[str, Tensor]) -> Match | None:
        """How the tensors fit under the recipe's prefix, and wrappers' prefixes after it."""
        if not any(name.startswith(given) for name in tensors):
            return None
        found = [match(tensors, given, self.wanted), *self.fitting(tensors)]
        for each in found:
            after = each.prefix.removeprefix(given).removeprefix(".")
            if each.fits and each.prefix.startswith(given) and known_prefix(after):
                return each
        # A head beside a backbone has not its prefix.
        inner = {f"{given}{name.removeprefix(given)}": each for name, each in tensors.items()}
        whole = match(inner, given, self.wanted)
        return whole if whole.fits and len(inner) == len(tensors) else None

    def check_effects(self, chosen: Match) -> None:
        weights = self.file.weights
        inside = [name.removeprefix(chosen.prefix) for name in chosen.left_out]
        for written, module in zip(weights.leave_out, self.wanted.leave_out, strict=True):
            if not any(f"{n}.".startswith(f"{module}.") for n in (*inside, *self.wanted.shapes)):
                raise self.file.error(
                    f"{list(weights.leave_out)}, but neither the model nor {weights.path!r} has a"
                    f" module {written!r}; take it out",
                    setting="leave_out",
                )
        if weights.select_outputs is not None and not chosen.selected:
            raise self._no_selection()

    def _no_selection(self) -> WeightsError:
        return self.file.error(
            f"{list(self.file.weights.select_outputs or ())[:10]}, which selects nothing: it names"
            " one output of the file for each output of the model, where the file has more of them;"
            " correct it or leave it out",
            setting="select_outputs",
        )

    def ambiguous(self, fitting: Sequence[tuple[str, Match]]) -> WeightsError:
        """The error where settings choose weights that fit, each with its part."""
        weights = self.file.weights
        options = [_settings(key, found.prefix) for key, found in fitting]
        listed = " or ".join(options[:4])
        if weights.strip_prefix is not None:
            return self.file.error(
                f"{weights.strip_prefix!r}, under which {weights.path!r} does not have this model's"
                f" weights; they fit with {listed}",
                setting="strip_prefix",
            )
        several = "several sets of weights fit" if len(options) > 1 else "one set of weights fits"
        return self.file.error(
            f"in which {several} this model, under other names; choose by `{self.file.place}`:"
            f" {listed}"
        )

    def misfit(self, key: str, tensors: dict[str, Tensor]) -> WeightsError:
        weights = self.file.weights
        prefix = weights.strip_prefix
        if prefix is None:
            prefix = prefixes(tensors, self.wanted)[0]
        elif not any(name.startswith(prefix) for name in tensors):
            return self.file.error(
                f"{prefix!r}, but no name in {weights.path!r} begins so"
                f" (the first is {next(iter(tensors), '')!r}); repair it or leave it out",
                setting="strip_prefix",
            )
        found = match(tensors, prefix, self.wanted)
        if 2 * len(found.missing) > len(self.wanted.required):
            found = match(tensors, weights.strip_prefix or "", self.wanted)
        if weights.select_outputs is not None and found.shapes and not found.selected:
            return self._no_selection()
        return misfit(self.file, key, found, self.wanted)


def _settings(key: str, prefix: str) -> str:
    """The settings by which a part and a prefix are chosen."""
    named = {"key": key, "strip_prefix": prefix}
    return "{" + ", ".join(f"{name}: {each!r}" for name, each in named.items() if each) + "}"
