"""The recipe's sections ``cluster`` and ``timeouts``."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from cluster.section import Duration, Section


class ClusterConfig(Section):
    """Where the roles run: in this process, or on a one-node Ray started and stopped by us."""

    mode: Literal["in_process", "local"] = "local"


class Timeouts(Section):
    """How long a role may be silent before that counts as a failure."""

    teacher: Duration = timedelta(seconds=60)
    rank: Duration = timedelta(seconds=300)
    collective: Duration = timedelta(seconds=300)
