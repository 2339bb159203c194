"""A driver of its own process: opens a runtime, says so, and waits to be ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import psutil


class Ended(Exception):
    """Our own handler was called."""


def end(number: int, frame: FrameType | None) -> None:
    raise Ended(signal.Signals(number).name)


def main(home: Path) -> None:
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    from cluster.ray.local_runtime import LocalRuntime
    from cluster.runtime import Demand
    from tests.cluster.roles import Counter

    # Ray sets a variable of its own as soon as it is imported.
    before = dict(os.environ)
    told: dict[str, object] = {}
    runtime = LocalRuntime(4, home=home)
    try:
        counter = runtime.start(Demand(), "counter", Counter)
        told["role"] = counter.call(Counter.where).result(timeout=30)
        told["session"] = [folder.name for folder in (home / "session").iterdir()]
        told["folder"] = str(Path.cwd())
        print(json.dumps(told), flush=True)
        threading.Event().wait(60)
    except Ended as ended:
        told["ended"] = str(ended)
    finally:
        runtime.close()
        runtime.close()
    told["left"] = [process.name() for process in psutil.Process().children(recursive=True)]
    after = dict(os.environ)
    told["changed"] = sorted(
        name for name in {*before, *after} if before.get(name) != after.get(name)
    )
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
