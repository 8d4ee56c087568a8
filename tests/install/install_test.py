#!/usr/bin/env python3
"""Installs a build and builds a project that uses the installation.

    install_test.py BUILD CMAKE COMPILER FLAGS
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Programs of the consumer: arguments, and how what they print begins.
PROGRAMS = {"core": ([], "$"), "store": (["store.db"], "hello\n"),
            "kit": (["own.store"], "all conform\n")}
# The shared libraries that a program of the protocol core may need: C and C++,
# Abseil and fmt (formatting, hash tables), signatures and hashes.
CORE_LIBRARIES = re.compile(
    r"(ld-linux.*|linux-vdso|libc|libm|libgcc_s|libstdc\+\+|libabsl_\w+|libfmt|libsodium"
    r"|libcrypto)\.so\b.*")


def run(*command):
    """Runs `command`; returns its standard output, or ends the test with all of it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed ({done.returncode}):\n{done.stdout}")
    return done.stdout


def check_relocatable(prefix, places):
    """No file of the CMake package names the places that it was made from."""
    for path in prefix.glob("**/*.cmake"):
        text = path.read_text()
        for place in places:
            if str(place) in text:
                sys.exit(f"{path.relative_to(prefix)} names {place}")


def check_links(program):
    """The program needs no store, no socket, no log."""
    dynamic = run("readelf", "--dynamic", "--wide", program)
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    if not needed:
        sys.exit(f"readelf shows no library that {program} needs")
    for library in needed:
        if not CORE_LIBRARIES.fullmatch(library):
            sys.exit(f"{program.name}, which links matrixcore::core only, needs {library}")
    undefined = run("nm", "--dynamic", "--undefined-only", program)
    for name in ("socket", "connect", "bind", "listen", "pthread_create"):
        if re.search(rf"\bU {name}(@|$)", undefined, re.MULTILINE):
            sys.exit(f"{program.name}, which links matrixcore::core only, calls {name}()")


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    build, cmake, compiler, flags = Path(sys.argv[1]), *sys.argv[2:]
    source = Path(__file__).resolve().parent.parent.parent
    with tempfile.TemporaryDirectory() as folder:
        first, prefix = Path(folder, "first"), Path(folder, "prefix")
        run(cmake, "--install", build, "--prefix", first, "--component", "Development")
        # Used from where it was not installed to, as a package is.
        shutil.move(first, prefix)
        check_relocatable(prefix, [source, build.resolve(), first])
        consumer = Path(folder, "consumer")
        run(cmake, "-G", "Ninja", "-S", Path(__file__).parent / "consumer", "-B", consumer,
            f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={compiler}",
            f"-DCMAKE_CXX_FLAGS={flags}", "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF")
        run(cmake, "--build", consumer)
        for program, (arguments, expected) in PROGRAMS.items():
            output = run(consumer / program, *(folder + "/" + a for a in arguments))
            if not output.startswith(expected):
                sys.exit(f"{program} printed {output!r}, not {expected!r}")
        if "-fsanitize" not in flags:
            check_links(consumer / "core")
        # As a subdirectory the targets are the same; that they compile is known.
        run(cmake, "-G", "Ninja", "-S", Path(__file__).parent / "subdirectory",
            "-B", Path(folder, "subdirectory"), f"-DMATRIXCORE={source}",
            f"-DCMAKE_CXX_COMPILER={compiler}")


if __name__ == "__main__":
    main()
