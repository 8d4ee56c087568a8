#!/usr/bin/env python3
"""Checks that the source keeps to its floors (docs/architecture.md).

    layers.py ROOT MODULES.JSON

ROOT is the project, MODULES.JSON what mc_library() declared; CMake writes it
into the build directory.  Prints one line for each violation,

    src/event/event.cc:12: includes "matrixcore/room/tables.h": ...; <the cure>

and returns 1 if there is any.
"""

import json
import re
import sys
from pathlib import Path

# What the DEPS of a module may name: the modules of lower floors.  To widen
# this is to change the architecture, so the table is here and not in DEPS.
_BASE = {"base"}
_VALUES = _BASE | {"json", "crypto", "id", "roomversion"}
_EVENT = _VALUES | {"event"}
_AUTH = _EVENT | {"auth"}
_STORES = {"store", "cache", "blob", "coord", "search"}
_ROOM = _AUTH | {"stateres"} | _STORES
_FEDERATION = _ROOM | {"room", "http"}
FLOORS = {
    "base": set(),
    "json": _BASE,
    "crypto": _BASE,
    "id": _BASE,
    "http": _BASE,
    "roomversion": _BASE,
    "event": _VALUES,
    "auth": _EVENT,
    "stateres": _AUTH,
    "store": _EVENT,
    "cache": _EVENT,
    "blob": _EVENT,
    "coord": _EVENT,
    "search": _BASE,
    "room": _ROOM,
    "federation": _FEDERATION,
    "service": _FEDERATION | {"federation"},
    "api": _FEDERATION | {"federation", "service"},
    "net": {"base", "http"},
}
# Not floors but sides: the test kit may use every module above, and a backend
# shows that the interfaces are enough.
TEST_KIT = {"testing", "fake_homeserver"}
BACKEND = _EVENT | _STORES | {"http"}

# Third-party headers: a pattern, what it is, where it is at home.
HOMES = [
    (r"rapidjson/", "RapidJSON", ["src/json/"]),
    (r"boost/", "Boost", ["src/net/", "benchmarks/load/"]),
    (r"sqlite3", "SQLite", ["backends/sqlite/"]),
    (r"curl/", "libcurl", ["src/net/"]),
    (r"prometheus/", "prometheus-cpp", ["src/base/"]),
    (r"spdlog/", "spdlog", ["src/base/"]),
    (r"sodium(\.h|/)", "libsodium", ["src/crypto/", "src/base/"]),
    (r"openssl/", "OpenSSL", ["src/crypto/", "src/net/", "benchmarks/"]),
]
# Public headers are for people who have none of these, nor our version of
# Abseil: only std types.  The exceptions are deliberate.
NOT_PUBLIC = re.compile(
    r"(rapidjson|boost|curl|prometheus|spdlog|openssl|absl|fmt|toml\+\+|CLI)/"
    r"|sqlite3|sodium|toml\.hpp|zlib\.h|zstd")
PUBLIC_EXCEPTIONS = {
    "include/matrixcore/base/function.h": "absl/functional/any_invocable.h",
}
# Internal headers are their module's own.  Who may include one all the same,
# because it would be a poor public API and copying it would be worse:
FRIENDS = {
    "event/canonical_reader.h": {"auth", "stateres"},
    "event/power_level.h": {"auth", "stateres"},
    "auth/auth_keys.h": {"stateres"},
    "auth/content_rules.h": {"stateres"},
    "auth/rule_engine.h": {"stateres"},
}
# What every cache of the server takes is measured by one program, whose
# allocator counts: it cannot stand in each module, and fills caches through
# their internal headers.
MEASURES_CACHES = "tests/memory/"
# The only parts of tests/ that other tests include: the reader of spec cases,
# and what fuzzers check with.
SHARED_BY_TESTS = ("tests/vectors/", "tests/fuzz/check.h")
GOOGLETEST = re.compile(r"(gtest|gmock)/")

MOVE = "move the code to the floor it needs, or pass in an interface from below"

INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEST_CASE = re.compile(r"^\s*(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P|"
                       r"INSTANTIATE_\w+|MC_INSTANTIATE_\w+)\s*\(", re.MULTILINE)


class Checker:
    """Collects the violations of one source tree."""

    def __init__(self, root, modules):
        self.root = Path(root)
        self.modules = modules
        self.header_owners = {header: name for name, module in modules.items()
                              for header in module["hdrs"]}
        self.violations = []
        self.built = {}  # see built_headers()

    def report(self, path, line, what, cure):
        self.violations.append(f"{path}:{line}: {what}; {cure}")

    def is_backend(self, module):
        return self.modules[module]["dir"].startswith("backends/")

    def allowed_deps(self, module):
        """What the floors let `module` name in DEPS; None if it is on no floor."""
        if self.is_backend(module):
            return BACKEND
        if module == "testing":
            return set(self.modules) - TEST_KIT
        if module == "fake_homeserver":
            return set(self.modules) - {module}
        return FLOORS.get(module)

    def closure(self, module):
        """The modules whose headers `module` may include: itself, its DEPS and theirs."""
        seen, todo = set(), [module]
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += self.modules.get(name, {"deps": []})["deps"]
        return seen

    # -- What CMake was told.

    def check_declarations(self):
        for name, module in self.modules.items():
            where = f"{module['dir']}/CMakeLists.txt"
            allowed = self.allowed_deps(name)
            if allowed is None:
                self.report(where, 1, f"module {name} is on no floor",
                            "give it one in FLOORS of tests/layers/layers.py and in "
                            "docs/architecture.md")
                continue
            for dep in module["deps"]:
                if dep not in self.modules:
                    self.report(where, 1, f"DEPS of {name} name {dep}, which is no module",
                                "mend the name")
                elif dep not in allowed:
                    self.report(where, 1, f"DEPS of {name} name {dep}, which is not below it",
                                f"{MOVE} (may name: {' '.join(sorted(allowed)) or 'none'})")
            self.check_listed(name, module)
        for header in sorted((self.root / "include").glob("**/*.h")):
            if str(header.relative_to(self.root / "include")) not in self.header_owners:
                self.report(header.relative_to(self.root), 1, "is in no HDRS, so it is not installed",
                            "list it in its module's mc_library()")
        for directory in [*(self.root / "src").glob("*"), *(self.root / "backends").glob("*")]:
            path = directory.relative_to(self.root)
            if any(directory.glob("**/*.[hc]*")) and self.owner(path / "x") is None:
                self.report(path, 1, "belongs to no module", "declare it with mc_library()")

    def check_listed(self, name, module):
        """Every file of a module is part of it: installed, built, its tests run."""
        directory = self.root / module["dir"]
        told = "".join(p.read_text() for p in
                       [*directory.glob("**/CMakeLists.txt"), *directory.glob("**/*.cmake")])
        for source in sorted(directory.glob("**/*.cc")):
            path = source.relative_to(self.root)
            listed = module["srcs"] + module["tests"]
            if str(source.relative_to(directory)) not in listed and source.name not in told:
                self.report(path, 1, "is in no SRCS or TESTS, so nobody builds it",
                            f"list it in {module['dir']}/CMakeLists.txt, or delete it")
            if source.name.endswith("_test.cc") and not TEST_CASE.search(source.read_text()):
                self.report(path, 1, "is a test without a test case", "write one, or delete it")

    # -- What the files include.

    def check_includes(self):
        for top in ["include", "src", "backends", "examples", "tests", "benchmarks"]:
            for path in sorted((self.root / top).glob("**/*")):
                if path.suffix in (".h", ".cc", ".inc") and "node_modules" not in path.parts:
                    self.check_file(path)

    def check_file(self, path):
        relative = path.relative_to(self.root)
        in_comment = False
        for number, text in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if in_comment:
                in_comment = "*/" not in text
                continue
            if text.lstrip().startswith("/*") and "*/" not in text:
                in_comment = True
                continue
            match = INCLUDE.match(text)
            if match:
                self.check_include(relative, number, match.group(2))

    def check_include(self, path, line, target):
        shown = f'includes "{target}"'
        if ".." in Path(target).parts:
            self.report(path, line, shown + " through ..",
                        "write the path from include/ or from src/")
            return
        parts = Path(target).parts
        if parts[0] == "matrixcore":
            self.check_public_target(path, line, shown, target)
        elif not self.check_third_party(path, line, shown, target):
            self.check_internal_target(path, line, shown, target)

    def owner(self, path):
        """The module that `path` belongs to, or None (examples, tests, ...)."""
        if path.parts[0] == "include":
            return self.header_owners.get(str(path.relative_to("include")))
        for name, module in self.modules.items():
            if str(path).startswith(module["dir"] + "/"):
                return name
        return None

    def is_test(self, path, module):
        """Whether `path` is part of the tests of `module`: a test, or a header only they use."""
        if path.parts[0] == "include":
            return False
        if path.suffix == ".h":
            return str(path) not in self.built_headers(module)
        inside = str(path.relative_to(self.modules[module]["dir"]))
        return path.name.endswith("_test.cc") or inside in self.modules[module]["tests"]

    def is_fuzzer_with_test_header(self, path, header):
        """Fuzzers check against what the tests of a module check against."""
        owner = self.owner(header)
        return path.parts[:2] == ("tests", "fuzz") and owner and self.is_test(header, owner)

    def built_headers(self, module):
        """The internal headers that the SRCS of `module` include, directly or not."""
        if module not in self.built:
            directory = Path(self.modules[module]["dir"])
            seen, todo = set(), [directory / source for source in self.modules[module]["srcs"]]
            while todo:
                path = todo.pop()
                if str(path) in seen or not (self.root / path).is_file():
                    continue
                seen.add(str(path))
                for line in (self.root / path).read_text(errors="replace").splitlines():
                    match = INCLUDE.match(line)
                    if match:
                        todo += [directory.parent / match.group(2), directory / match.group(2)]
            self.built[module] = seen
        return self.built[module]

    def check_public_target(self, path, line, shown, target):
        if not (self.root / "include" / target).is_file():
            self.report(path, line, f"{shown}, which does not exist", "mend the name")
            return
        wanted = self.header_owners.get(target)
        owner = self.owner(path)
        if owner is None or wanted is None:
            return  # examples, tests, ...; check_declarations reports the rest
        allowed = self.closure(owner)
        if self.is_test(path, owner):
            allowed = allowed | TEST_KIT | {m for m in self.modules if self.is_backend(m)}
        if wanted in allowed:
            return
        if wanted in self.allowed_deps(owner):
            cure = f"name {wanted} in DEPS of {self.modules[owner]['dir']}/CMakeLists.txt"
        else:
            cure = f"{wanted} is not below {owner}: {MOVE}"
        self.report(path, line, f"{shown}: DEPS of {owner} do not permit {wanted}", cure)

    def check_third_party(self, path, line, shown, target):
        """True if `target` is a header of a library that we have rules for."""
        known = False
        for pattern, name, homes in HOMES:
            if re.match(pattern, target):
                known = True
                if not str(path).startswith(tuple(homes)):
                    self.report(path, line, f"{shown}: {name} is at home in {', '.join(homes)}",
                                "use what that module offers")
        if path.parts[0] == "include":
            if NOT_PUBLIC.match(target) and PUBLIC_EXCEPTIONS.get(str(path)) != target:
                known = True
                self.report(path, line, f"{shown} in a public header",
                            "keep it in the .cc file: forward-declare, or hold it by pointer")
            if GOOGLETEST.match(target) and self.owner(path) not in TEST_KIT:
                self.report(path, line, f"{shown} in a public header", "only testing/ may")
        return known

    def check_internal_target(self, path, line, shown, target):
        """Headers without matrixcore/ in front: ours, internal, or a library's."""
        if (self.root / path).parent.joinpath(target).is_file() and "/" not in target:
            if path.parts[0] == "include":
                self.report(path, line, f"{shown} by its bare name",
                            "write the path from include/: matrixcore/...")
            return
        for top in ("src", "backends"):
            found = self.root / top / target
            if not found.is_file():
                continue
            wanted = found.relative_to(self.root)
            if path.parts[0] == "include":
                self.report(path, line, f"{shown}, an internal header, in a public one",
                            "move what it needs to include/, or the code to the .cc file")
            elif path.parts[:2] != wanted.parts[:2] and \
                    self.owner(path) not in FRIENDS.get(target, ()) and \
                    not path.as_posix().startswith(MEASURES_CACHES) and \
                    not self.is_fuzzer_with_test_header(path, wanted):
                self.report(path, line, f"{shown}, an internal header of {wanted.parent}",
                            "use the public header, or make that one public")
            return
        for top in ("examples", "tests", "benchmarks"):
            if f"{top}/{target}".startswith(SHARED_BY_TESTS) and \
                    (path.name.endswith("_test.cc") or path.parts[0] == "tests"):
                continue
            found = self.root / top / target
            if found.is_file() and path.parts[:2] != (top, Path(target).parts[0]):
                self.report(path, line, f"{shown}, which belongs to {top}/{Path(target).parts[0]}",
                            "share through a module (testing, say)")
                return


def check(root, modules):
    checker = Checker(root, modules)
    checker.check_declarations()
    checker.check_includes()
    return checker.violations


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    violations = check(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
    for violation in violations:
        print(violation)
    if violations:
        print(f"{len(violations)} violations of the floors (docs/architecture.md)")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
