"""Files that hold no weights are named for what they are, and nothing of them is run."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from students.errors import WeightsError
from students.models.config import Weights
from students.models.weights_file import WeightsFile


class Net(nn.Module):
    """A model of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save(nn.Linear(2, 2).state_dict(), buffer)
    return buffer.getvalue()


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, saved())
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"), io.BytesIO())
    return buffer.getvalue()


def arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weight=np.zeros(3))
    return buffer.getvalue()


def of_another_zip() -> bytes:
    """A list of contents whose version nothing reads."""
    changed = bytearray(saved())
    changed[changed.rindex(b"PK\x01\x02") + 6] = 201
    return bytes(changed)


def scripted() -> bytes:
    buffer = io.BytesIO()
    # DeepSpeed, where another test has imported it, puts a function of its own in a linear layer.
    torch.jit.save(torch.jit.trace(nn.Conv1d(1, 1, 1), torch.zeros(1, 1, 2)), buffer)
    return buffer.getvalue()


def whole(*, old: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save({"epoch": 3, "model": Net()}, buffer, _use_new_zipfile_serialization=not old)
    return buffer.getvalue()


INDEX = json.dumps({"weight_map": {"a": "m-1-of-2.safetensors", "b": "m-2-of-2.safetensors"}})

FILES: list[tuple[bytes | Callable[[], bytes], str]] = [
    (b"", "it is empty (0 bytes); fetch it again"),
    (bytes(900), "its first bytes are zeros, so it was not written whole; fetch it again"),
    (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
    (b"\n<!DOCTYPE html>\n<html>" + "\u00e9".encode() * 300, "is a web page (HTML)"),
    (b"<?xml version='1.0'?><Error/>", "is an XML document"),
    (b"404: Not Found", "is a text that starts with '404: Not Found'"),
    (b'{"error": "no such file"}', "is JSON"),
    (INDEX.encode(), "in 2 files (m-1-of-2.safetensors, m-2-of-2.safetensors); join these"),
    (lambda: gzip.compress(saved()), "is compressed (gzip); unpack it"),
    (lambda: zipped("out/model.pth"), "is a zip archive (of 1 files: out/model.pth); unpack it"),
    (tarred, "is a tar archive; unpack it"),
    (arrays, "is an archive of NumPy arrays"),
    (b"\x93NUMPY\x01\x00", "is a single NumPy array"),
    (b"\x89HDF\r\n\x1a\n" + bytes(9), "is an HDF5 file, as Keras"),
    (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0", "is a serialised graph (ONNX or TensorFlow)"),
    (lambda: zipped("m/archive_format", "m/models/model.json"), "is an exported program"),
    (scripted, "is a TorchScript program (torch.jit.save), not weights; give the weights alone"),
    (lambda: saved()[:-400], "its list of contents, at the end, is not; fetch it again"),
    (of_another_zip, "damaged, cut short, or no file of torch.save"),
    (whole, "holds a whole model (torch.save(model)), not its weights"),
    (lambda: whole(old=True), "holds a whole model (torch.save(model)), not its weights"),
    (lambda: pickle.dumps({"a": np.zeros(2)}), "is a pickle that torch.save does not write"),
]


@pytest.mark.parametrize(("content", "words"), FILES, ids=[words for _, words in FILES])
@pytest.mark.filterwarnings("ignore")
def test_a_file_is_told_for_what_it_is(
    tmp_path: Path, content: bytes | Callable[[], bytes], words: str
) -> None:
    (tmp_path / "w.safetensors").write_bytes(content if isinstance(content, bytes) else content())
    message = refusal(tmp_path, "w.safetensors")
    assert words in message
    assert "weights_only" not in message
    assert "\n" not in message


def refusal(folder: Path, path: str) -> str:
    with pytest.raises(WeightsError) as caught:
        WeightsFile(Weights(path=path), "teachers.t.weights", folder).read(header_only=True)
    assert caught.value.message.startswith(f"`teachers.t.weights.path` is '{path}', which ")
    return caught.value.message


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "__0_0.distcp").touch()
    assert "dcp_to_torch_save" in refusal(tmp_path, "shards")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").touch()
    assert refusal(tmp_path, "model").endswith("such as 'model.safetensors' in it")
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in refusal(tmp_path, "pipe")
    assert "nothing is downloaded" in refusal(tmp_path, "https://example.org/model.pth")
