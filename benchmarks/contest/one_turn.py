"""One turn of one contender in this process: ``python -m benchmarks.contest.one_turn``.

Prints one line of JSON, the last on standard output.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

from benchmarks.contest.contenders import CONTENDERS, take_turn
from benchmarks.contest.meter import Meter
from benchmarks.contest.setting import Setting


def main() -> None:
    """Takes the turn that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=CONTENDERS)
    parser.add_argument("root", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--loaders", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=6)
    parser.add_argument("--seconds", type=float, help="none: to the end of all epochs")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--fraction", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    setting = Setting(
        root=asked.root,
        teachers=CONTENDERS[asked.name].teachers,
        epochs=asked.epochs,
        fraction=asked.fraction,
        loaders=asked.loaders,
        seed=asked.seed,
        cache=asked.cache,
    )
    turn = take_turn(asked.name, setting, Meter(asked.warm_up, asked.seconds), asked.threads)
    print(json.dumps(turn.to_json()))


if __name__ == "__main__":
    main()
