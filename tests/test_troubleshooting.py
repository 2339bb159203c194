"""``docs/troubleshooting.md`` has every sentence that a user can meet, and quotes no other.

The page quotes fixed parts of sentences as **`part`**, where … is a value. The sentences are taken
from the code's syntax tree: the texts of each statement that raises, yields or says something, and
of any other statement whose text is long or has a remedy.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cluster.own_packages import OWN_PACKAGES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "troubleshooting.md"

SAYING = ("report_damage", "warn_once", "warning", "warn", "_say")
"""Functions that tell the user their last text."""

NO_SENTENCES = {
    "orchestrator/cli.py": "the help of commands",
    "orchestrator/commands/": "help, and what commands print when all is well",
    "orchestrator/execution/progress.py": "progress",
    "orchestrator/formatting.py": "the report's figures",
    "orchestrator/home/cleaning.py": "the reasons in the list of `clean`",
    "orchestrator/profiling/": "the tables of `check --measure`",
    "orchestrator/recipe/schema.py": "the rules behind `but must be`",
    "orchestrator/report/": "the report",
    "orchestrator/tracking/home_database.py": "SQL",
    "search/figures.py": "captions of the report",
    "students/objectives/weight_schedule.py": "what a schedule is called",
    "teachers/qualification/autotune.py": "the reasons in the report's table of inference",
}
"""Files whose texts, except in errors, are no sentences of the page, by what they are."""

NOT_MET = {
    "`ahead` is …": "a mistake in this program",
    "was not started by this runtime": "a mistake in this program",
    "that was given back or used before": "a mistake in this program",
    "the last attempt returns or raises": "a mistake in this program",
    "has no attribute '…'": "Python's own sentence",
    "students/fault_injection.py": "faults of the tests",
    "students/engines/deepspeed_engine.py": "caught by the library that imports",
    "students/evaluation/prior_correction.py": "a mistake in this program",
    "students/knowledge.py": "a mistake in this program",
    "students/models/build.py": "a mistake in a new built-in model",
    "teachers/bank/columns.py": "a mistake in this program",
    "teachers/bank/sealed_file.py": "quoted as `is corrupt`",
    "teachers/weighting/rule.py": "a mistake in this program",
    "none within … s": "quoted as `did not answer in time`",
    "one of its own processes has ended": "quoted as `Ray did not start`",
    "is '…', which …": "a frame of the causes beside it, which are on the page",
    "first to sample …": "a frame of the causes beside it, which are on the page",
}
"""Statements, by a part of a text or by their file, that no user meets as they stand, and why."""


@dataclass(frozen=True)
class Statement:
    """The texts of a statement, values as …; ``said``: raised, yielded or reported."""

    place: str
    line: int
    raises: bool
    said: bool
    returned: bool
    texts: tuple[str, ...]

    @property
    def is_sentence(self) -> bool:
        """Whether it belongs on the page."""
        if self.place.startswith(tuple(NO_SENTENCES)) and not self.raises:
            return False
        if any(self.place == key or self.has(key) for key in NOT_MET):
            return False
        long = 4 if self.said else 8 if self.returned else math.inf
        return any(
            _words(text) >= long or ("; " in text and _words(text) >= 4) for text in self.texts
        )

    def has(self, part: str) -> bool:
        """Whether one of its texts has that part."""
        return any(part in text for text in self.texts)


def _words(text: str) -> int:
    return sum(any(map(str.isalpha, word)) for word in text.split())


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(each) or "…" for each in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[sd]", "…", node.value)
    return None


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts in a statement or expression, but for inner statements and for descriptions."""
    if (text := _text(node)) is not None:
        yield text
    for child in ast.iter_child_nodes(node):
        described = isinstance(child, ast.keyword) and child.arg in ("description", "help")
        fixed = isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)
        if not (described or fixed or isinstance(child, ast.stmt)):
            yield from _texts(child)


def _is_said(node: ast.stmt) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        return getattr(called, "attr", getattr(called, "id", "")) in SAYING
    return isinstance(node, ast.Raise) or isinstance(getattr(node, "value", None), ast.Yield)


@cache
def _statements() -> tuple[Statement, ...]:
    found = []
    for name in (*OWN_PACKAGES, "stillhouse.py"):
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            place = file.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                block = isinstance(node, (ast.FunctionDef, ast.ClassDef))
                if not isinstance(node, ast.stmt) or docstring or block:
                    continue
                if texts := tuple(_texts(node)):
                    raises, returned = isinstance(node, ast.Raise), isinstance(node, ast.Return)
                    said = _is_said(node)
                    found.append(Statement(place, node.lineno, raises, said, returned, texts))
    return tuple(found)


@cache
def _quoted() -> tuple[str, ...]:
    spans = re.findall(r"\*\*(`+)(.+?)\1\*\*", PAGE.read_text(encoding="utf-8"))
    return tuple(text.strip(" ") if len(ticks) > 1 else text for ticks, text in spans)


def test_what_the_page_quotes_is_said_by_the_code() -> None:
    code = "\n".join(text for each in _statements() for text in each.texts)
    unknown = [part for part in _quoted() if part not in code]
    assert unknown == [], "no text of the code has these parts; quote what replaced them"


def test_a_quoted_part_is_long_enough_to_be_found_by() -> None:
    assert [part for part in _quoted() if sum(map(str.isalpha, part)) < 8] == []


def test_every_sentence_of_the_code_is_on_the_page() -> None:
    absent = [
        f"{each.place}:{each.line}: {max(each.texts, key=_words)}"
        for each in _statements()
        if each.is_sentence and not any(each.has(part) for part in _quoted())
    ]
    remedy = "explain each in docs/troubleshooting.md, which quotes a fixed part as **`part`**:"
    assert not absent, "\n".join([remedy, *absent])


def test_the_lists_of_what_the_page_leaves_out_have_no_entry_too_many() -> None:
    places = {each.place for each in _statements() if each.texts}
    files = (*NO_SENTENCES, *(key for key in NOT_MET if "/" in key and "`" not in key))
    assert [key for key in files if not any(place.startswith(key) for place in places)] == []
    texts = [key for key in NOT_MET if key not in files]
    assert [key for key in texts if not any(each.has(key) for each in _statements())] == []
