"""Tells from its first bytes what a file is that holds no weights which can be read."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

_ALONE = "give the weights alone (torch.save(model.state_dict(), path), or safetensors)"
_UNPACK = "unpack it, and give the weights file inside"
_CONVERT = (
    "load it with its own library, and save its tensors under this model's names"
    " (safetensors.torch.save_file)"
)
_PULL = "run git lfs pull, which fetches it"
_DOWNLOAD = "download the file itself again"

_MARKS = (
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the file itself", _PULL),
    (0, b"\x1f\x8b", "is compressed (gzip)", _UNPACK),
    (0, b"BZh", "is compressed (bzip2)", _UNPACK),
    (0, b"\xfd7zXZ\x00", "is compressed (xz)", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "is compressed (zstandard)", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "is a RAR archive", _UNPACK),
    (257, b"ustar", "is a tar archive", _UNPACK),
    (0, b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes them", _CONVERT),
    (0, b"\x93NUMPY", "is a single NumPy array", _CONVERT),
    (0, b"GGUF", "is a GGUF file", _CONVERT),
    (4, b"TFL3", "is a TensorFlow Lite model", _CONVERT),
    (0, b"\x89PNG", "is a picture (PNG)", _DOWNLOAD),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)", _DOWNLOAD),
    (0, b"%PDF", "is a PDF document", _DOWNLOAD),
)
"""Where a format's own mark stands in the file, the mark, what the file is, the remedy."""

_SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin", ".tar")
_FIELDS_OF_A_GRAPH = (0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A)


def path_problem(path: Path, written: str) -> str | None:
    """Why no file can be opened at ``path``, which the recipe gives as ``written``, with the
    remedy, to follow "which"; none if there is one."""
    try:
        if path.is_file():
            return None
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return "is no regular file; give the path of a weights file"
    except OSError as error:
        return f"cannot be reached ({error.strerror}); give the path of a weights file"
    if "://" in written:
        return "is an address, and nothing is downloaded; download it and give the file's path"
    return "does not exist; give the path of a weights file"


def _folder(path: Path) -> str:
    names = sorted(each.name for each in path.iterdir())
    if any(name.endswith(".distcp") for name in names):
        return (
            "is a folder with a distributed checkpoint; join it"
            " (torch.distributed.checkpoint.format_utils.dcp_to_torch_save) and give that file"
        )
    inside = [name for name in names if name.endswith(_SUFFIXES)]
    hint = f", such as {inside[0]!r} in it" if inside else ""
    return f"is a folder; give the path of a weights file{hint}"


def foreign_format(path: Path, head: bytes) -> str | None:
    """What the file at ``path`` is, whose first 512 bytes are ``head``, with the remedy, to follow
    "which"; none if it may be a safetensors file or one of ``torch.save``, whole or damaged.

    Raises:
        OSError: the file cannot be read.
    """
    if not head:
        return "cannot be read: it is empty (0 bytes); fetch it again"
    if is_safetensors(head) or head.startswith(b"\x80"):
        return None
    for offset, mark, what, remedy in _MARKS:
        if head[offset:].startswith(mark):
            return f"{what}; {remedy}"
    if head.startswith(b"PK"):
        return _of_archive(path)
    if head[0] == 8 and head[1:2] < b"\x20" and head[2:3] and head[2] in _FIELDS_OF_A_GRAPH:
        return f"is a serialised graph (ONNX or TensorFlow); {_ALONE}"
    if not head.strip(b"\x00"):
        return (
            "cannot be read: its first bytes are zeros, so it was not written whole; fetch it again"
        )
    return _of_text(path, head)


def is_safetensors(head: bytes) -> bool:
    """Whether a file with these first bytes is a safetensors file: the length of its header, then
    the header's brace."""
    return head[4:9] == b"\x00\x00\x00\x00{"


def _of_archive(path: Path) -> str | None:
    """What the zip archive at ``path`` is; none if ``torch.save`` wrote it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # noqa: BLE001 - damaged bytes lead the reader to raise anything
        return (
            "cannot be read: it is damaged, cut short, or no file of torch.save: its first bytes"
            " are those of one, but its list of contents, at the end, is not; fetch it again"
        )
    inner = [name.partition("/")[2] for name in names]
    if any(name == "constants.pkl" or name.startswith("code/") for name in inner):
        return f"is a TorchScript program (torch.jit.save), not weights; {_ALONE}"
    if any("exported_program" in name or name == "archive_format" for name in (*names, *inner)):
        return f"is an exported program (torch.export.save, .pt2), not weights; {_ALONE}"
    if "data.pkl" in inner:
        return None
    if any(name.endswith(".npy") for name in names):
        return f"is an archive of NumPy arrays (.npz); {_CONVERT}"
    if "model.weights.h5" in names:
        return f"is a Keras model; {_CONVERT}"
    return f"is a zip archive (of {len(names)} files: {', '.join(names)[:100]}); {_UNPACK}"


def _of_text(path: Path, head: bytes) -> str | None:
    """What the text file at ``path`` is; none if it is no text."""
    try:
        # The last character may be cut.
        text = head[:509].decode("utf-8-sig", "strict" if len(head) < 509 else "ignore").strip()
    except UnicodeDecodeError:
        return None
    if not text or not all(each.isprintable() or each.isspace() for each in text):
        return None
    begins = text[:60].lower()
    if begins.startswith(("<!doctype html", "<html", "<head", "<body")):
        return f"is a web page (HTML), not the file itself; {_DOWNLOAD}, by its direct address"
    if begins.startswith("<"):
        return f"is an XML document, perhaps a server's error message; {_DOWNLOAD}"
    if begins.startswith(("{", "[")):
        return _of_json(path)
    return f"is a text that starts with {text.splitlines()[0][:60]!r}; {_DOWNLOAD}"


def _of_json(path: Path) -> str:
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    shards = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(shards, dict):
        return f"is JSON, perhaps a configuration or a server's error message; {_DOWNLOAD}"
    files = sorted({str(each) for each in shards.values()})
    return (
        f"is the index of weights in {len(files)} files ({', '.join(files)[:100]}); join these in"
        " one file (safetensors.torch.load_file and save_file) and give that"
    )
