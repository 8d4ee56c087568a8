#!/usr/bin/env python3
"""Runs matrixcore-inspect as people do: files, standard input, exit status."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

PROGRAM = sys.argv.pop(1)
VECTORS = pathlib.Path(sys.argv.pop(1))


def run(*args, stdin=""):
    return subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True,
                          text=True, timeout=60, check=False)


class ProgramTest(unittest.TestCase):
    def output(self, *args, stdin=""):
        result = run(*args, stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def test_help_names_every_command(self):
        text = self.output("--help")
        for command in ("canonical", "event-id", "hash", "redact", "sign", "verify",
                        "auth-check", "resolve", "explain", "dag"):
            self.assertIn(f"  {command} ", text)
            self.assertIn("Usage:", self.output(command, "--help"))

    def test_canonical_reads_standard_input(self):
        self.assertEqual(self.output("canonical", stdin='{"b": 1, "a": [ ]}'),
                         '{"a":[],"b":1}\n')
        self.assertEqual(self.output("canonical", "-", stdin='{"a":1}\n{"b":2}\n'),
                         '{"a":1}\n{"b":2}\n')
        self.assertEqual(self.output("canonical", "--lax", stdin='{"a":1e10}'),
                         '{"a":10000000000}\n')

    def test_bad_input_and_bad_usage_are_status_two(self):
        for result in (run("canonical", stdin="{"), run("canonical", stdin='{"a":1.5}'),
                       run("canonical", "/does/not/exist"), run(), run("nonsense"),
                       run("hash", stdin="{}"), run("hash", "-r", "99", stdin="{}"),
                       run("auth-check", "-r", "11"),
                       run("resolve", "--events", "/does/not/exist", "--states", "x")):
            self.assertEqual(result.returncode, 2, result.args)
            self.assertEqual(result.stdout, "")
            self.assertNotEqual(result.stderr, "")

    def test_sign_and_verify(self):
        with tempfile.TemporaryDirectory() as folder:
            key = pathlib.Path(folder) / "key"
            key.write_text("ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\n")
            signed = self.output("sign", "--key", key, "--entity", "domain",
                                 stdin='{"one":1,"two":"Two"}')
            public = "XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI"
            arguments = ("verify", "--entity", "domain", "--key-id", "ed25519:1",
                         "--public-key", public)
            result = run(*arguments, stdin=signed)
            self.assertEqual((result.returncode, json.loads(result.stdout)),
                             (0, {"signature": True}))
            result = run(*arguments, stdin=signed.replace("Two", "Three"))
            self.assertEqual((result.returncode, json.loads(result.stdout)),
                             (1, {"signature": False}))
            self.assertEqual(run(*arguments[:-1], "short", stdin=signed).returncode, 2)

    def test_resolve_every_generated_room(self):
        for room in sorted((VECTORS / "genroom").iterdir()):
            rows = json.loads(self.output("resolve", "--events", room / "pdus.jsonl",
                                          "--states", room / "states.json"))
            self.assertEqual(rows, json.loads((room / "expected.json").read_text()), room)
            self.assertEqual(rows, sorted(rows))

    def test_dag_writes_a_file(self):
        room = VECTORS / "genroom" / "v11-s13"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "room.svg"
            self.output("dag", "--events", room / "pdus.jsonl", "--format", "svg",
                        "--auth", "-o", path)
            svg = xml.dom.minidom.parse(str(path))
            events = len((room / "pdus.jsonl").read_text().splitlines())
            self.assertEqual(len(svg.getElementsByTagName("g")), events)
        self.assertTrue(self.output("dag", "--events", room / "pdus.jsonl")
                        .startswith("digraph"))
        self.assertEqual(run("dag", "--events", room / "pdus.jsonl", "--format", "png",
                             ).returncode, 2)


if __name__ == "__main__":
    unittest.main()
