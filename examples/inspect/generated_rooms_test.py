#!/usr/bin/env python3
"""Makes the rooms on whose resolution other implementations agree, and resolves them.

    generated_rooms_test.py MATRIXCORE_INSPECT VECTORS GENROOM [NAME...]

Rooms of more than 1,000 state events are resolved only when they are named: each takes
the generator a minute.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

SMALL = 1000


def check(program, genroom, room):
    """What is wrong with the resolution of a room, or None."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in room["args"].items()]
        subprocess.run([sys.executable, "-B", genroom, "--out", folder, *arguments],
                       check=True, stdout=subprocess.DEVNULL)
        pdus = pathlib.Path(folder, "pdus.jsonl")
        if hashlib.sha256(pdus.read_bytes()).hexdigest() != room["pdus_sha256"]:
            return "the generator made other events than it did when it was recorded"
        done = subprocess.run([program, "resolve", "--events", pdus,
                               "--states", pathlib.Path(folder, "states.json")],
                              capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr
    rows = json.loads(done.stdout)
    if len(rows) != room["resolved"]:
        return f"{len(rows)} rows, not {room['resolved']}"
    text = "\n".join("\t".join(row) for row in rows)
    if hashlib.sha256(text.encode()).hexdigest() != room["resolved_sha256"]:
        return "another state"
    return None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    program, vectors, genroom, *names = sys.argv[1:]
    rooms = json.loads(pathlib.Path(vectors, "genroom", "expected.json").read_text())
    checked = 0
    failures = []
    for room in rooms:
        if room["name"] not in names if names else room["args"]["state_events"] > SMALL:
            continue
        checked += 1
        problem = check(program, genroom, room)
        if problem is not None:
            failures.append(f"{room['name']}: {problem}")
    print(f"{checked} rooms")
    if failures or checked == 0:
        sys.exit("\n".join(failures) or "no room was checked")


if __name__ == "__main__":
    main()
