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

    def refusal(self, *args, stdin=""):
        """What the program says about bad input."""
        result = run(*args, stdin=stdin)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.args)
        return result.stderr

    def test_messages_name_the_input_the_place_and_the_cure(self):
        room = VECTORS / "genroom" / "v11-s13"
        with tempfile.TemporaryDirectory() as folder:
            def file(name, text):
                path = pathlib.Path(folder) / name
                path.write_text(text)
                return path

            lines = (room / "pdus.jsonl").read_text().splitlines()
            states = room / "states.json"
            gone = pathlib.Path(folder) / "gone"
            for message in (
                    self.refusal("resolve", "--events", gone, "--states", states),
                    self.refusal("auth-check", "--vectors", gone),
                    self.refusal("dag", "--events", gone),
                    self.refusal("hash", "-r", "11", gone),
                    self.refusal("sign", "--key", gone, "--entity", "x")):
                self.assertIn(f"{gone}: cannot be read: No such file or directory; name a file",
                              message)
            self.assertIn(f"{folder}: cannot be read: Is a directory",
                          self.refusal("canonical", folder))

            cut = file("cut.jsonl", "\n".join(lines)[:-20])
            message = self.refusal("resolve", "--events", cut, "--states", states)
            self.assertIn(f"{cut}, line {len(lines)}: Not JSON at byte", message)
            self.assertIn("must be complete JSON", message)
            cut = file("cut.json", states.read_text()[:-20])
            self.assertIn(f"{cut}: Not JSON at byte",
                          self.refusal("resolve", "--events", room / "pdus.jsonl",
                                       "--states", cut))

            few = file("few.jsonl", "\n".join(lines[:3]))
            message = self.refusal("explain", "--events", few, "--states", states)
            self.assertRegex(message, r"states\.json, state set 1, entry \d+: \$\S+ is not among "
                                      r"the events of \S+few\.jsonl; add it")

            deep = file("deep.json", '{"a":' + "[" * 20000 + "]" * 20000 + "}")
            for command in (("canonical",), ("event-id", "-r", "11"), ("redact", "-r", "1")):
                message = self.refusal(*command, deep)
                self.assertIn(f"{deep}: Not JSON at byte", message)
                self.assertIn("nested at most 128 deep", message)

            self.assertIn("--room-version: unknown room version \"99\"; known are 1 to 12",
                          self.refusal("hash", "-r", "99", stdin="{}"))
            self.assertIn("standard input: is empty", self.refusal("canonical"))
            self.assertIn("standard input, line 2: event_id is missing",
                          self.refusal("event-id", "-r", "2", stdin='{"event_id":"$a"}\n{}'))
            self.assertIn("standard input: The number 1.5 is not allowed; canonical JSON has",
                          self.refusal("canonical", stdin="1.5"))
            key = file("key", "ed25519 1 short")
            self.assertIn(f"{key}: a signing key is one line: ed25519 VERSION BASE64SEED",
                          self.refusal("sign", "--key", key, "--entity", "x", stdin="{}"))
            self.assertIn("standard input: was read already",
                          self.refusal("resolve", "--events", "-", "--states", "-", stdin="{}"))
            self.assertIn("/room.svg: cannot be written",
                          self.refusal("dag", "--events", room / "pdus.jsonl",
                                       "-o", pathlib.Path(folder) / "no" / "room.svg"))

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
        for room in sorted((VECTORS / "genroom").glob("v*-s*")):
            rows = json.loads(self.output("resolve", "--events", room / "pdus.jsonl",
                                          "--states", room / "states.json"))
            self.assertEqual(rows, json.loads((room / "expected.json").read_text()), room)
            self.assertEqual(rows, sorted(rows))

    def test_standard_input_is_as_good_as_a_file(self):
        room = VECTORS / "genroom" / "v11-s13"
        pdus = room / "pdus.jsonl"
        states = ("--states", room / "states.json")
        text = pdus.read_text()
        for command in (("canonical",), ("hash", "-r", "11"), ("event-id", "-r", "11"),
                        ("redact", "-r", "11")):
            self.assertEqual(self.output(*command, stdin=text), self.output(*command, pdus))
        for command in ("resolve", "explain", "dag"):
            self.assertEqual(self.output(command, *states, "--events", "-", stdin=text),
                             self.output(command, *states, "--events", pdus))
        self.assertEqual(self.output("auth-check", "--events", "-", stdin=text),
                         self.output("auth-check", "--events", pdus))
        vectors = VECTORS / "auth" / "vectors.jsonl"
        self.assertEqual(self.output("auth-check", "--vectors", "-", stdin=vectors.read_text()),
                         self.output("auth-check", "--vectors", vectors))

    def test_rumas_problems_as_their_files_are(self):
        folder = VECTORS / "ruma"
        for problem in json.loads((folder / "manifest.json").read_text()):
            paths = [folder / "fixtures" / name for name in problem["pdus"]]
            arguments = ["resolve", "--events", *paths]
            if "state_maps" in problem:
                arguments += ["--states",
                              *(folder / "fixtures" / name for name in problem["state_maps"])]
            snapshot = (folder / problem["expected"]).read_text()
            expected = [[row["type"], row["state_key"], row["event_id"]]
                        for row in json.loads(snapshot[snapshot.index("\n["):])]
            self.assertEqual(json.loads(self.output(*arguments)), expected, problem["name"])

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
