"""Reads the layout of a folder of pictures: ``train/CLASS/*`` and ``test/CLASS/*``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from students.errors import TransferSetError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
_LEFT_BY_WINDOWS = ("thumbs.db", "desktop.ini")


@dataclass(frozen=True)
class PictureFolder:
    """The pictures below a root: names relative to it, and the class number of each."""

    class_names: tuple[str, ...]
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All pictures, the training part first, in the order of their sample ids."""
        return tuple(name for name, _ in (*self.train, *self.test))


def read_layout(root: Path) -> PictureFolder:
    """Lists the pictures below ``root``; classes are numbered in order of their names.

    Raises:
        TransferSetError: a folder is missing or empty, or something lies in the wrong place.
    """
    for part in ("train", "test"):
        if not (root / part).is_dir():
            raise _problem(
                f"'{root / part}' is not there",
                f"put the pictures into {part}/CLASS/, one folder for each class",
            )
    class_names = tuple(_folders(root / "train"))
    if len(class_names) < 2:
        raise _problem(
            f"'{root / 'train'}' has {len(class_names)} class folders", "there must be at least two"
        )
    strange = [name for name in _folders(root / "test") if name not in class_names]
    if strange:
        raise _problem(
            f"'{root / 'test' / strange[0]}' is a class without a folder in train",
            "add its training pictures or take it out",
        )
    train = _pictures(root, "train", class_names)
    test = _pictures(root, "test", class_names)
    if not test:
        raise _problem(f"'{root / 'test'}' has no pictures", "put some into test/CLASS/")
    return PictureFolder(class_names, train, test)


def _folders(part: Path) -> list[str]:
    entries = _visible(part)
    for entry in entries:
        if not entry.is_dir():
            raise _problem(f"'{entry}' lies beside the class folders", "move it into one of them")
    return [entry.name for entry in entries]


def _pictures(root: Path, part: str, class_names: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for number, name in enumerate(class_names):
        place = root / part / name
        if part == "test" and not place.is_dir():
            continue
        entries = _visible(place)
        if not entries:
            raise _problem(f"'{place}' is a class without pictures", "add some or delete it")
        for entry in entries:
            if entry.is_dir():
                raise _problem(
                    f"'{entry}' is a folder within a class", "put its pictures beside it"
                )
            if entry.suffix.lower() not in ENDINGS:
                raise _problem(
                    f"'{entry}' is not a picture of a known kind ({', '.join(ENDINGS)})",
                    "convert it or take it out",
                )
            found.append((f"{part}/{name}/{entry.name}", number))
    return tuple(found)


def _visible(place: Path) -> list[Path]:
    """Entries in order of name, without those that systems leave behind."""
    shown = (
        entry
        for entry in place.iterdir()
        if not entry.name.startswith(".") and entry.name.lower() not in _LEFT_BY_WINDOWS
    )
    return sorted(shown, key=lambda entry: entry.name)


def _problem(what: str, remedy: str) -> TransferSetError:
    return TransferSetError(f"`transfer_set.root`: {what}; {remedy}.", path="root")
