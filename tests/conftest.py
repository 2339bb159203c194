"""What tests of several packages share: one Ray for the whole session, and the real data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.local import LocalRuntime


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Files go to one process each where several run, all that share the Ray to the same one."""
    ours = {item.path for item in items if "local_runtime" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "ray" if item.path in ours else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def local_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    """A one-node Ray with 16 logical CPUs; whoever starts a role here retires it."""
    from cluster.local import LocalRuntime

    runtime = LocalRuntime(16, home=tmp_path_factory.mktemp("home"), patience=5.0)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets and weights that STILLHOUSE_TEST_DATA names."""
    folder = os.environ.get("STILLHOUSE_TEST_DATA")
    if not folder:
        pytest.skip("STILLHOUSE_TEST_DATA does not name a folder of data")
    root = Path(folder)
    if not root.is_dir():
        pytest.skip(f"STILLHOUSE_TEST_DATA is '{folder}', which is not a folder")
    return root
