"""What tests of several packages share: one Ray for each testing process, and the real data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster.in_process import InProcessRuntime
    from cluster.ray.local_runtime import LocalRuntime
    from cluster.runtime import Runtime


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the whole program come first: where several processes test, they are few and long,
    and no test is to wait for the last of them."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


@pytest.fixture(scope="session")
def local_runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRuntime]:
    """A one-node Ray with 16 logical CPUs; whoever starts a role here retires it."""
    from cluster.ray.local_runtime import LocalRuntime

    runtime = LocalRuntime(16, home=tmp_path_factory.mktemp("home"))
    yield runtime
    runtime.close()


@pytest.fixture
def in_process_runtime() -> Iterator[InProcessRuntime]:
    """Roles in the testing process itself."""
    from cluster.in_process import InProcessRuntime

    runtime = InProcessRuntime()
    yield runtime
    runtime.close()


@pytest.fixture(params=["in_process", "local"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Every runtime, for what all of them promise."""
    each: Runtime = request.getfixturevalue(f"{request.param}_runtime")
    return each


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
