"""Chooses what of a weights file is meant for a model: its part, and the prefix of its names."""

from __future__ import annotations

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
from students.models.weights_parts import Parts, keys_of, parts_of, usual_key


@dataclass(frozen=True)
class Chosen:
    """The part that is used, how it fits, and other parts that fit as well."""

    key: str
    match: Match
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The choice of a part and a prefix in the ``content`` of a file for a model."""

    file: WeightsFile
    content: Any
    wanted: Wanted

    def made(self) -> Chosen:
        """The part and the prefix that are meant.

        Raises:
            WeightsError: there is none, or there are several.
        """
        parts, given = self._parts(), self.file.weights.key
        usual = [k for k in parts if k == given or usual_key(k.removeprefix(f"{given}."))]
        key = next(iter(usual or parts))
        chosen = self._automatic(parts[key]) if usual else None
        options = [(each, found) for each in parts for found in self._fitting(parts[each])]
        if chosen is None and len(options) == 1:
            key, chosen = options[0][0], self._automatic(parts[options[0][0]])
        if chosen is None:
            raise self._ambiguous() or self._misfit(key, parts[key])
        self._check_effects(chosen)
        others = {each for each, _ in options if each and each != key}
        return Chosen(key, chosen, tuple(sorted(others)))

    def _parts(self) -> Parts:
        key = self.file.weights.key
        parts = parts_of(self.content, key)
        if not parts and key is not None:
            raise self.file.error(
                f"{key!r}, which is no part with weights of {self.file.weights.path!r};"
                f" the file has: {keys_of(self.content)}",
                setting="key",
            )
        if not parts:
            raise self.file.error(
                f"which holds no tensors by name (it has: {keys_of(self.content)}; arrays of NumPy"
                " are not read); give one that holds them (torch.save(model.state_dict(), path), or"
                " safetensors)"
            )
        return {name: _bare(part) for name, part in parts.items()}

    def _fitting(self, tensors: dict[str, Tensor]) -> list[Match]:
        """How the tensors fit, under each prefix under which they do."""
        found = (match(tensors, prefix, self.wanted) for prefix in prefixes(tensors, self.wanted))
        return [each for each in found if each.fits]

    def _automatic(self, tensors: dict[str, Tensor]) -> Match | None:
        """How the tensors fit under the one prefix that is meant; none if there is no such."""
        given = self.file.weights.strip_prefix
        if given is not None:
            return self._under(given, tensors)
        found = self._fitting(tensors)
        plain = next((each for each in found if each.prefix == ""), None)
        if plain is None and len(found) == 1 and known_prefix(found[0].prefix):
            return found[0]
        return plain

    def _under(self, given: str, tensors: dict[str, Tensor]) -> Match | None:
        """How the tensors fit under the recipe's prefix, and wrappers' prefixes after it."""
        if not any(name.startswith(given) for name in tensors):
            return None
        found = [match(tensors, given, self.wanted), *self._fitting(tensors)]
        for each in found:
            after = each.prefix.removeprefix(given).removeprefix(".")
            if each.fits and each.prefix.startswith(given) and known_prefix(after):
                return each
        # A head beside a backbone has not its prefix.
        inner = {f"{given}{name.removeprefix(given)}": each for name, each in tensors.items()}
        whole = match(inner, given, self.wanted)
        return whole if whole.fits and len(inner) == len(tensors) else None

    def _check_effects(self, chosen: Match) -> None:
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

    def _ambiguous(self) -> WeightsError | None:
        """The error where settings choose weights that fit; none if no setting does."""
        weights, parts = self.file.weights, parts_of(self.content)
        options = [
            _settings(key, found.prefix)
            for key, part in parts.items()
            for found in self._fitting(_bare(part))
        ]
        if not options:
            return None
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

    def _misfit(self, key: str, tensors: dict[str, Tensor]) -> WeightsError:
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


def _bare(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {bare: tensors[name] for bare, name in bare_names(tensors).items()}


def _settings(key: str, prefix: str) -> str:
    """The settings by which a part and a prefix are chosen."""
    named = {"key": key, "strip_prefix": prefix}
    return "{" + ", ".join(f"{name}: {each!r}" for name, each in named.items() if each) + "}"
