#!/usr/bin/env python3
"""Checks what no compiler checks, line by line.

    lint.py ROOT

Prints file:line, what was found and the cure; returns 1 if there is any.

  clock    time, randomness and waiting come from base (Clock, Random,
           Executor), handed to constructors, so that tests can steer them
  mark     unfinished work is an issue, not a comment
  machine  nothing names a path of one machine or a package registry
"""

import re
import sys
from pathlib import Path

CPP = (".h", ".cc", ".inc")
TEXT = CPP + (".cmake", ".txt", ".py", ".mjs", ".js", ".json", ".md", ".toml", ".yaml", ".yml",
              ".sh", ".html", ".service", ".npmrc", "")
SKIPPED_DIRS = {".git", "build", "node_modules", "__pycache__", ".cache", "data"}
# This file's own patterns, and the lines that its test plants.
SKIPPED_FILES = {"tests/lint/lint.py", "tests/lint/lint_test.py"}
LARGEST = 4 << 20  # bytes; what is larger is data

CLOCK_CURE = "take a Clock, Random or Executor of base as an argument"
MARK_CURE = "finish it, or open an issue and delete the mark"
MACHINE_CURE = "use a relative path, or a setting"

# (rule, pattern, files it is for, where it is allowed, cure)
RULES = [
    ("clock", r"\b\w*_clock::now\b", CPP, ("src/base/", "benchmarks/"), CLOCK_CURE),
    ("clock", r"\brandom_device\b|\bmt19937|\bdefault_random_engine\b|(?<![\w.>:])s?rand\(|"
              r"\bsrandom\(|\bstd::s?rand\(|\bgetrandom\(|\barc4random",
     CPP, ("src/base/", "benchmarks/"), CLOCK_CURE),
    ("clock", r"\bsleep_(for|until)\b|(?<![\w.>])(u|nano)?sleep\(",
     CPP, ("src/base/", "benchmarks/"), CLOCK_CURE),
    ("clock", r"(?<![\w.>])time\(\s*(nullptr|NULL|0|&\w+)\s*\)|\bgettimeofday\b|"
              r"\bclock_gettime\b",
     CPP, ("src/base/", "benchmarks/"), CLOCK_CURE),
    ("mark", r"\b(TODO|FIXME|XXX|HACK)\b|^\s*#\s*if\s+0\b", TEXT, (), MARK_CURE),
    ("machine", r"(?<![\w./~$}:-])(/home/[a-z]|/root/|/Users/[A-Za-z]|[A-Z]:\\Users)", TEXT, (),
     MACHINE_CURE),
    ("machine", r"\b(registry\.npmjs\.org|registry\.yarnpkg\.com|pypi\.org|proxy\.golang\.org|"
                r"deb\.debian\.org|security\.debian\.org|deb\.nodesource\.com|crates\.io)\b",
     TEXT, (), "leave the registry to the machine's own settings"),
]


def rules_for(root):
    """RULES, and the very folder that this checkout lies in."""
    here = str(Path(root).resolve())
    if here.count("/") < 2:
        return RULES
    return RULES + [("machine", re.escape(here) + r"(?![\w-])", TEXT, (), MACHINE_CURE)]


def files(root):
    for path in sorted(Path(root).iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in SKIPPED_DIRS and not path.name.startswith("build-"):
                yield from files(path)
        elif (path.suffix in TEXT or path.name.startswith(".")) and path.stat().st_size < LARGEST:
            yield path


def check(root):
    rules = [(name, re.compile(pattern), kinds, homes, cure)
             for name, pattern, kinds, homes, cure in rules_for(root)]
    found = []
    for path in files(root):
        relative = path.relative_to(root).as_posix()
        if relative in SKIPPED_FILES:
            continue
        active = [rule for rule in rules
                  if (path.suffix in rule[2] or (path.name.startswith(".") and rule[2] is TEXT))
                  and not relative.startswith(rule[3])]
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for name, pattern, _, _, cure in active:
                match = pattern.search(line)
                if match:
                    found.append(f"{relative}:{number}: [{name}] {match.group(0).strip()}; {cure}")
    return found


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = check(sys.argv[1])
    for violation in found:
        print(violation)
    if found:
        print(f"{len(found)} violations")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
