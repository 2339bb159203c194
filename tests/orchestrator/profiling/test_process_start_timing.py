"""The start of a process is timed; where it cannot start, that is one sentence."""

from __future__ import annotations

import pytest

from cluster.errors import ClusterError
from orchestrator.exit_codes import ending_of
from orchestrator.profiling import process_start_timing
from orchestrator.profiling.process_start_timing import start_seconds


def test_a_process_that_cannot_start_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(process_start_timing._NEEDS, "torch", ("nowhere_to_be_found",))
    with pytest.raises(ClusterError) as caught:
        start_seconds("torch")
    assert str(caught.value) == (
        "a rank's process cannot `import nowhere_to_be_found` "
        "(ModuleNotFoundError: No module named 'nowhere_to_be_found'); mend that first"
    )
    assert ending_of(caught.value) is not None, "it ends the command without a traceback"


def test_a_process_that_does_not_come_up_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_start_timing, "_LONGEST", 0.05)
    with pytest.raises(ClusterError, match=r"within 0\.05 s; measure on a quieter machine"):
        start_seconds("torch")
