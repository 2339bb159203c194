"""A driver in its own process whose Ray loses a process of its own; prints what follows."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import psutil


def main(home: Path, victim: str) -> None:
    from cluster.errors import RoleLost
    from cluster.ray.local_runtime import LocalRuntime
    from cluster.runtime import Demand
    from tests.cluster.roles import Counter

    seen: dict[str, Any] = {}
    runtime = LocalRuntime(2, home=home)
    try:
        waiting = runtime.start(Demand(), "waiting", Counter)
        other = runtime.start(Demand(), "other", Counter)
        before = psutil.Process().children(recursive=True)

        def wait() -> None:
            try:
                waiting.call(Counter.nap, 600).result()
            except RoleLost as error:
                seen["waiting"] = str(error)

        thread = threading.Thread(target=wait)
        thread.start()
        waiting.control(Counter.progress).result(timeout=60)
        [own] = [each for each in before if each.name() == victim]
        os.kill(own.pid, signal.SIGKILL)
        thread.join(60)
        seen["responds"] = other.responds(5)
        for role in (waiting, other):
            runtime.retire(role)
        # Both logical CPUs are free again, and the next role runs on another Ray.
        again = runtime.start(Demand(cpus=2), "again", Counter, 5)
        seen["again"] = again.call(Counter.add, 1).result(timeout=60)
        seen["starts"] = runtime.starts
        seen["left"] = [each.pid for each in before if each.is_running()]
    finally:
        runtime.close()
    seen["sessions"] = len(list((home / "session").iterdir()))
    seen["children"] = len(psutil.Process().children(recursive=True))
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
