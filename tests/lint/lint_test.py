#!/usr/bin/env python3
"""Plants one violation of each kind and checks that lint.py notices it."""

import tempfile
import unittest
from pathlib import Path

import lint

FORBIDDEN_CPP = [
    "auto t = std::chrono::steady_clock::now();",
    "auto t = system_clock::now();",
    "auto t = std::chrono::high_resolution_clock::now();",
    "int r = rand();",
    "int r = std::rand();",
    "srand(1);",
    "std::random_device device;",
    "std::mt19937 engine;",
    "std::this_thread::sleep_for(1ms);",
    "std::this_thread::sleep_until(t);",
    "usleep(10);",
    "sleep(1);",
    "nanosleep(&ts, nullptr);",
    "auto t = time(nullptr);",
    "auto t = std::time(nullptr);",
    "auto t = time(NULL);",
    "gettimeofday(&tv, nullptr);",
    "clock_gettime(CLOCK_REALTIME, &ts);",
]
FORBIDDEN_ANYWHERE = [
    "// TODO: later",
    "// FIXME",
    "# XXX",
    "#if 0",
    'path = "/home/alice/matrixcore"',
    "cp /root/.cache x",
    "see /Users/alice/src",
    '"resolved": "https://registry.npmjs' '.org/x"',
    "URIs: http://deb.debian" ".org/debian",
]
PERMITTED_CPP = [
    "TimePoint now = clock.Now();",
    "uint64_t r = random.Next();",
    "operand(1); my_rand(2); random_.rand();",
    "int64_t time(int64_t ts);",
    "origin_server_ts.time(0x7);",
    'Route{"/home"};',
    '"/_matrix/client/v3/root/home"',
    "https://spec.matrix.org/home/page",
    "executor.sleep_queue();",
    "SeededRandom random(7); Fixture(clock());",
    "#if 01",
    "kMastodon, ATODOB",
]


class LintTest(unittest.TestCase):

    def check(self, name, text):
        with tempfile.TemporaryDirectory() as root:
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("first\n" + text.replace("ROOT", str(Path(root).resolve())) + "\n")
            return lint.check(root)

    def test_clocks_randomness_and_sleeps(self):
        for line in FORBIDDEN_CPP:
            for name in ("src/room/room.cc", "include/matrixcore/room/room.h",
                         "backends/sqlite/sqlite.cc", "examples/homeserver/main.cc",
                         "src/room/room_test.cc", "tests/scenario/talk_test.cc"):
                with self.subTest(line=line, file=name):
                    found = self.check(name, line)
                    self.assertEqual(len(found), 1, found)
                    self.assertTrue(found[0].startswith(f"{name}:2: [clock]"), found)

    def test_their_homes(self):
        for line in FORBIDDEN_CPP:
            for name in ("src/base/time.cc", "benchmarks/load/main.cc"):
                with self.subTest(line=line, file=name):
                    self.assertEqual(self.check(name, line), [])

    def test_scripts_may_wait(self):
        self.assertEqual(self.check("tests/interop/server.mjs", "await sleep(10);"), [])

    def test_marks_and_machines_anywhere(self):
        for line in FORBIDDEN_ANYWHERE:
            for name in ("src/base/time.cc", "scripts/serve", "docs/building.md",
                         "tests/interop/package-lock.json", "tests/interop/.npmrc",
                         "CMakeLists.txt", ".clang-tidy"):
                with self.subTest(line=line, file=name):
                    found = self.check(name, line)
                    self.assertEqual(len(found), 1, found)
                    self.assertTrue(found[0].startswith(f"{name}:2: ["), found)

    def test_the_folder_of_this_checkout(self):
        found = self.check("docs/building.md", "cd ROOT/build")
        self.assertEqual(len(found), 1, found)
        self.assertIn("[machine]", found[0])

    def test_what_only_looks_alike(self):
        for line in PERMITTED_CPP:
            with self.subTest(line):
                self.assertEqual(self.check("src/room/room.cc", line), [])

    def test_builds_and_packages_are_not_ours(self):
        for name in ("build/dev/x.cc", "node_modules/x/x.js", ".git/COMMIT_EDITMSG"):
            self.assertEqual(self.check(name, "// TODO"), [])


if __name__ == "__main__":
    unittest.main()
