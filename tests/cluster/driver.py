"""A driver in its own process: opens a runtime, prints what it sees, waits for a signal."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from cluster.ray.local_runtime import LocalRuntime


class Ended(Exception):
    """Our own handler was called."""


def end(number: int, frame: FrameType | None) -> None:
    raise Ended(signal.Signals(number).name)


def late_call() -> str:
    """What a call raises that comes when Ray is gone."""
    import ray

    try:
        ray.put(1)
    except Exception as error:  # noqa: BLE001 - whatever it is
        return type(error).__name__
    return "a Ray was started for it"


def one_of_two(home: Path) -> LocalRuntime:
    """One of two runtimes that were opened by threads that have ended; the other is closed."""
    from cluster.ray.local_runtime import LocalRuntime

    with ThreadPoolExecutor(2) as pool:
        opened = [pool.submit(LocalRuntime, 4, home=home) for _ in range(2)]
    closed, runtime = (each.result() for each in opened)
    closed.close()
    return runtime


def main(home: Path, where: str) -> None:
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from cluster.ray.local_runtime import LocalRuntime
    from cluster.runtime import Demand
    from tests.cluster.roles import Counter

    # Ray sets a variable of its own as soon as it is imported.
    before = dict(os.environ)
    seen: dict[str, object] = {}
    runtime = LocalRuntime(4, home=home) if where == "main" else one_of_two(home)
    try:
        counter = runtime.start(Demand(), "counter", Counter)
        seen["role"] = counter.call(Counter.where).result(timeout=30)
        seen["session"] = [folder.name for folder in (home / "session").iterdir()]
        seen["folder"] = str(Path.cwd())
        print(json.dumps(seen), flush=True)
        # In short waits: a signal that another thread receives does not end one.
        for _ in range(600):
            time.sleep(0.1)
    except Ended as ended:
        seen["ended"] = str(ended)
    finally:
        runtime.close()
        runtime.close()
    seen["late call"] = late_call()
    seen["left"] = [process.name() for process in psutil.Process().children(recursive=True)]
    after = dict(os.environ)
    seen["changed"] = sorted(
        name for name in {*before, *after} if before.get(name) != after.get(name)
    )
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
