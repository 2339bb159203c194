import os
from pathlib import Path

import pytest


@pytest.fixture
def published_root():
    """The folder where MNIST and CIFAR-10 lie as torchvision expects them."""
    named = os.environ.get("STILLHOUSE_TEST_DATA")
    if not named:
        pytest.skip("STILLHOUSE_TEST_DATA does not name a folder with MNIST and CIFAR-10")
    root = Path(named).resolve()
    if not (root / "cifar-10-batches-py" / "test_batch").is_file():
        pytest.skip(f"STILLHOUSE_TEST_DATA is {root}, which has no unpacked CIFAR-10")
    return root
