"""The error of a weights file that does not fit a model, and what of it could be left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.errors import some_of
from students.errors import ShapeMismatch, WeightsError
from students.models.weights_file import WeightsFile
from students.models.weights_names import Match, Wanted, known_prefix


def misfit(file: WeightsFile, key: str, found: Match, wanted: Wanted) -> WeightsError:
    """The error of tensors that do not fit, with what could be left out where most of them do."""
    place = f"{file.place}.path"
    other = [
        f"{name} {list(has)}, not {list(needs)}" for name, (has, needs) in found.shapes.items()
    ]
    other += [f"{name} not of floating-point numbers" for name in found.not_floating]
    part = f", in its part {key!r}," if key and file.weights.key is None else ""
    message = (
        f"`{place}` is {file.weights.path!r}, which{part} does not fit this model:"
        f" {_list_some(found.missing, 'missing')},\n"
        f"{_list_some(found.unexpected, 'unexpected')},\n"
        f"{_list_some(other, 'of another shape' if not found.not_floating else 'of another kind')};"
        f" give the weights of this very model, or change the model{_offer(file, found, wanted)}"
    )
    if found.missing or found.unexpected or found.not_floating:
        return WeightsError(message, path=place)
    modules = _modules([*found.shapes], [n for n in wanted.shapes if n not in found.shapes])
    return ShapeMismatch(message, path=place, shapes=found.shapes, modules=modules)


def _offer(file: WeightsFile, found: Match, wanted: Wanted) -> str:
    """The settings with which the rest would fit; empty if little would."""
    lacking = {*found.missing, *found.shapes, *found.not_floating}
    extra = [name.removeprefix(found.prefix) for name in found.unexpected]
    fitting = [name for name in wanted.shapes if name not in lacking]
    modules = _modules([*lacking, *extra], fitting)
    if 2 * len(lacking) > len(wanted.required) or not 0 < len(modules) <= 4:
        return ""
    given = file.weights.strip_prefix is not None or known_prefix(found.prefix)
    prefix = "" if given else f"`{file.place}.strip_prefix: {found.prefix!r}` and "
    without = "to use the rest alone" if not lacking else "to start a student from the rest"
    return f"; {without}, set {prefix}`{file.place}.leave_out: [{', '.join(modules)}]`"


def _modules(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """The outermost modules that hold ``names`` and none of ``others``; a tensor's own name where
    there is none."""
    taken = {name[:at] for name in others for at in range(len(name)) if name[at] == "."}
    found: dict[str, None] = {}
    for name in sorted(names):
        words = name.split(".")
        outer = (".".join(words[:at]) for at in range(1, len(words)))
        found[next((each for each in outer if each not in taken), name)] = None
    return tuple(found)


def _list_some(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}" + (f" ({some_of(names)})" if names else "")
