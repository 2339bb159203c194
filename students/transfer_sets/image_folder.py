"""Reads the layout of a folder of pictures: ``train/CLASS/*`` and ``test/CLASS/*``."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from cluster.errors import some_of
from students.errors import TransferSetError

_DECODED = (
    ".apng .avif .avifs .blp .bmp .bw .cur .dcx .dds .dib .flc .fli .ftc .ftu .gbr .gif .icb .icns "
    ".ico .im .j2c .j2k .jfif .jp2 .jpc .jpe .jpeg .jpf .jpg .jpx .msp .pbm .pcd .pcx .pfm .pgm "
    ".png .pnm .ppm .psd .pxr .qoi .ras .rgb .rgba .sgi .tga .tif .tiff .vda .vst .webp .xbm "
    ".xpm"
)
ENDINGS = frozenset(_DECODED.split())
"""Of the files that ``image_files`` decodes."""
MOST_NAMED = 10
"""Of several files with the same problem so many are named."""
_LEFT_BEHIND = ("thumbs.db", "desktop.ini", "@eadir", "__macosx")
"""What Windows, macOS and network storage put beside files, without a dot."""


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


def read_layout(root: Path, parts: tuple[str, str] = ("train", "test")) -> PictureFolder:
    """Lists the pictures below ``root``; classes are numbered in order of their names.

    ``parts`` are the folders of the training and of the test part. Names that differ in their
    Unicode form alone are the same class.

    Raises:
        TransferSetError: a folder is missing or empty, or something lies in the wrong place.
    """
    train, test = (root / part for part in parts)
    classes, tested = (_classes(root, parts, part) for part in parts)
    if len(classes) < 2:
        raise _problem(f"'{train}' has {len(classes)} class folders", "there must be at least two")
    strange = [folder for name, folder in tested.items() if name not in classes]
    if strange:
        raise _problem(
            f"'{strange[0]}' is a class without a folder in {train.name}",
            "add its training pictures or take it out",
        )
    found = [_pictures(folders, list(classes)) for folders in (classes, tested)]
    if not found[1]:
        raise _problem(f"'{test}' has no pictures", f"put some into {test.name}/CLASS/")
    return PictureFolder(tuple(folder.name for folder in classes.values()), *found)


def existing(path: Path) -> Path:
    """``path``, or, where nothing is there, what has the same name in another Unicode form."""
    if path.exists() or path == path.parent:
        return path
    parent = existing(path.parent)
    name = normalize("NFC", path.name)
    entries = parent.iterdir() if parent.is_dir() else ()
    alike = (entry for entry in entries if normalize("NFC", entry.name) == name)
    return next(alike, parent / path.name)


def _part(root: Path, parts: tuple[str, str], part: str) -> Path:
    """The folder of one of the ``parts``."""
    place = existing(root / part)
    if place.is_dir():
        return place
    if not root.is_dir():
        raise _problem(
            f"'{root}' is {'not a folder' if root.exists() else 'not there'}",
            f"give the folder that has {' and '.join(f'{each}/CLASS/' for each in parts)}",
        )
    others = [f"'{each.name}'" for each in _other_folders(root, parts)]
    beside = f", but beside it there is {some_of(others, MOST_NAMED)}" if others else ""
    raise _problem(
        f"'{place}' is not there{beside}",
        f"{_another(root, parts, part)}put the pictures into {part}/CLASS/, one folder for each "
        "class",
    )


def _another(root: Path, parts: tuple[str, str], part: str) -> str:
    """The beginning of a remedy: which folder could be meant by ``part``; empty if none."""
    number, others = parts.index(part), _other_folders(root, parts)
    words = (("train",), ("val", "test", "dev"))[number]
    alike = [each.name for each in others if any(word in each.name.lower() for word in words)]
    inside = [str(each) for each in others if existing(each / part).is_dir()]
    setting = "root" if inside else ("train_folder", "test_folder")[number]
    for found in inside + alike:
        return f"set `transfer_set.{setting}` to {found} if that is it, or "
    return ""


def _other_folders(root: Path, parts: tuple[str, str]) -> list[Path]:
    return [each for each in visible(root) if each.is_dir() and each.name not in parts]


def _classes(root: Path, parts: tuple[str, str], part: str) -> dict[str, Path]:
    """The class folders of a part by their names in one Unicode form, in order of their names."""
    entries = visible(_part(root, parts, part))
    beside = [f"'{entry}'" for entry in entries if not entry.is_dir()]
    if beside:
        hint = _another(root, parts, part) if len(beside) == len(entries) else ""
        raise _problem(
            f"{some_of(beside, MOST_NAMED)} {'lies' if len(beside) == 1 else 'lie'} beside the "
            "class folders",
            f"{hint}move what belongs to a class into its folder, and take out the rest",
        )
    classes: dict[str, Path] = {}
    for entry in entries:
        first = classes.setdefault(normalize("NFC", entry.name), entry)
        if first != entry:
            raise _problem(
                f"'{entry}' is there twice, in two Unicode forms of its name", "make it one folder"
            )
    return classes


def _pictures(folders: dict[str, Path], classes: list[str]) -> tuple[tuple[str, int], ...]:
    """The pictures in the class ``folders`` of a part, each with the number of its class."""
    found: list[tuple[str, int]] = []
    wrong: dict[tuple[str, str], list[str]] = {}
    for number, name in enumerate(classes):
        place = folders.get(name)
        if place is None:
            continue
        entries = visible(place)
        if not entries:
            raise _problem(f"'{place}' is a class without pictures", "add some or delete it")
        for entry in entries:
            reason = _reason_against(entry)
            if reason is None:
                found.append((f"{place.parent.name}/{place.name}/{entry.name}", number))
            else:
                wrong.setdefault(reason, []).append(f"'{entry}'")
    if wrong:
        raise _problem(
            "; ".join(f"{some_of(names, MOST_NAMED)} {what}" for (what, _), names in wrong.items()),
            "; ".join(dict.fromkeys(remedy for _, remedy in wrong)),
        )
    return tuple(found)


def _reason_against(entry: Path) -> tuple[str, str] | None:
    """Why an entry of a class folder cannot be a picture, and what to do; none if it can be."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        return "cannot be found (a link that leads nowhere)", "correct the link or take it out"
    if stat.S_ISDIR(mode):
        return "is a folder within a class", "put its pictures beside it"
    if not stat.S_ISREG(mode):
        return "is not a file", "take it out"
    if entry.suffix.lower() not in ENDINGS:
        return (
            f"is not a picture of a known kind ('{entry.suffix}')",
            "convert it to .png or .jpg, say, or take it out",
        )
    return None


def visible(place: Path) -> list[Path]:
    """Entries in order of name, without those that systems leave behind."""
    shown = (
        entry
        for entry in place.iterdir()
        if not entry.name.startswith(".") and entry.name.lower() not in _LEFT_BEHIND
    )
    return sorted(shown, key=lambda entry: entry.name)


def _problem(what: str, remedy: str) -> TransferSetError:
    return TransferSetError(f"`transfer_set.root`: {what}; {remedy}.", path="root")
