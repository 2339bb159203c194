"""A stored file that has changed is never believed, whatever has changed in it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from students.json_records import (
    json_bytes,
    line_bytes,
    parse_json,
    parse_line,
    read_json,
    report_damage,
    write_json,
)

VALUES = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
    max_size=4,
)


@given(value=VALUES)
def test_what_was_written_is_read_back(value: dict[str, object]) -> None:
    assert parse_json(json_bytes(value)) == value


@given(data=st.data(), value=VALUES)
def test_a_file_with_a_changed_byte_is_refused_or_means_the_same(
    data: st.DataObject, value: dict[str, object]
) -> None:
    content = bytearray(json_bytes(value))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert parse_json(bytes(content)) == value


@given(data=st.data(), value=st.dictionaries(st.text(max_size=4), st.integers(), min_size=1))
def test_a_line_with_a_changed_byte_is_refused_or_is_no_row(
    data: st.DataObject, value: dict[str, int]
) -> None:
    content = bytearray(line_bytes(value)[:-1])
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = parse_line(bytes(content))
    except ValueError:
        return
    # A changed name of the checksum is a field that no row has.
    assert found == value or len(found) > len(value)


def test_a_file_from_before_there_were_checksums_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps({"student": 2}))
    assert read_json(tmp_path / "old.json") == {"student": 2}
    assert parse_line(b'{"step":1}\n') == {"step": 1}


@pytest.mark.parametrize("content", [b"", b"null", b"[1]", b'{"a": 1', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="it is not"):
        parse_json(content)


def test_one_of_the_two_keys_of_a_checksum_is_not_enough(tmp_path: Path) -> None:
    write_json(tmp_path / "file.json", {"threads": 2})
    for gone in ("checksum", "checksum_kind"):
        stored = json.loads((tmp_path / "file.json").read_text())
        del stored[gone]
        with pytest.raises(ValueError, match="checksum"):
            parse_json(json.dumps(stored))


def test_damage_is_reported_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    for _ in range(3):
        report_damage(tmp_path / "file.json", "it is not JSON", "it is made again")
    [record] = caplog.records
    assert record.getMessage().endswith("file.json` is damaged (it is not JSON); it is made again")
