#!/usr/bin/env python3
"""Checks that the documents are true where a program can tell.

    docs.py ROOT

- the C++ example of README.md is examples/link_core/main.cc, which is built;
- every relative link of README.md and docs/*.md leads to a file.
Prints a line for each violation and returns 1 if there is any.
"""

import re
import sys
from pathlib import Path

LINK = re.compile(r"\[[^\]]+\]\(([^)#:]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`[^`]*`")


def check(root):
    violations = []
    readme = (root / "README.md").read_text()
    example = (root / "examples/link_core/main.cc").read_text()
    if f"```cpp\n{example}```" not in readme:
        violations.append("README.md: the C++ example differs from "
                          "examples/link_core/main.cc; copy that file into it")
    for page in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.startswith("    "):
                continue  # code
            for target in LINK.findall(CODE.sub("code", line)):
                if not (page.parent / target).exists():
                    violations.append(
                        f"{page.relative_to(root)}:{number}: the link to {target} "
                        "leads nowhere; write that file or mend the link")
    return violations


if __name__ == "__main__":
    found = check(Path(sys.argv[1]))
    print("\n".join(found) if found else "docs: ok")
    sys.exit(bool(found))
