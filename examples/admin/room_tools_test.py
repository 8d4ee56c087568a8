#!/usr/bin/env python3
"""Checks, exports, imports and purges rooms with the real programs.

    HOMESERVER=... MATRIXCORE_ADMIN=... MATRIXCORE_INSPECT=... room_tools_test.py
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

HOMESERVER = os.environ["HOMESERVER"]
ADMIN = os.environ["MATRIXCORE_ADMIN"]
INSPECT = os.environ["MATRIXCORE_INSPECT"]
PATIENCE = 60  # seconds


class Running:
    """A homeserver on a free port, over a data folder that may exist."""

    def __init__(self, data):
        config = data.with_suffix(".toml")
        config.write_text(f'server_name = "test"\ndata_dir = "{data}"\n'
                          "[registration]\nenabled = true\n[rate_limits]\nenabled = false\n"
                          "[[listeners]]\nport = 0\n")
        with open(data.with_suffix(".log"), "a") as log:
            self.process = subprocess.Popen([HOMESERVER, "--config", str(config)],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        if not lines[1]:
            raise RuntimeError(data.with_suffix(".log").read_text())
        self.url = f"http://127.0.0.1:{int(lines[1].rsplit(':', 1)[1])}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def ask(self, method, path, body=None, token=None, version="v3"):
        request = urllib.request.Request(
            f"{self.url}/_matrix/client/{version}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            return json.load(response)

    def register(self, name):
        body = {"username": name, "password": "long enough", "auth": {"type": "m.login.dummy"}}
        return self.ask("POST", "/register", body)["access_token"]

    def login(self, name):
        return self.ask("POST", "/login", {
            "type": "m.login.password", "password": "long enough",
            "identifier": {"type": "m.id.user", "user": name}})["access_token"]

    def make_room(self, token, messages):
        room = self.ask("POST", "/createRoom", {
            "preset": "public_chat", "name": "Tea", "room_alias_name": "tea"}, token)["room_id"]
        sent = []
        for number in range(messages):
            path = f"/rooms/{quote(room)}/send/m.room.message/{number}"
            sent.append(self.ask("PUT", path, {"msgtype": "m.text", "body": f"cup {number}"},
                                 token)["event_id"])
        self.ask("PUT", f"/rooms/{quote(room)}/redact/{quote(sent[0])}/r", {}, token)
        return room, sent


class RoomToolsTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.data = self.folder / "one"

    def tearDown(self):
        self.temporary.cleanup()

    def admin(self, *arguments, status=0, data=None):
        config = (data or self.data).with_suffix(".toml")
        result = subprocess.run([ADMIN, *map(str, arguments), "--config", str(config)],
                                capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(result.returncode, status, (arguments, result.stdout, result.stderr))
        return result

    def exported(self, room, name, data=None):
        path = self.folder / name
        self.admin("export-room", room, "-o", path, data=data)
        return path.read_text().splitlines()

    def a_room(self, messages=5):
        with Running(self.data) as server:
            token = server.register("alice")
            return server.make_room(token, messages)

    def a_second_server(self):
        """With the same name and key, and an Alice who waits for news."""
        other = self.folder / "two"
        with Running(other):
            pass
        shutil.copy(self.data / "signing.key", other / "signing.key")
        with Running(other) as server:
            since = server.ask("GET", "/sync", token=server.register("alice"))["next_batch"]
        return other, since

    # ------------------------------------------------------------------ check

    def test_a_room_of_a_running_server_is_right(self):
        with Running(self.data) as server:
            token = server.register("alice")
            room, _ = server.make_room(token, 30)
            text = self.admin("check", room).stdout
            self.assertIn("1 rooms", text)
            self.assertIn("nothing is wrong", text)
            totals = json.loads(self.admin("check", "--all", "--json").stdout)
            self.assertEqual((totals["rooms"], totals["findings"], totals["unverified"]),
                             (1, 0, 0))

    def test_names_what_was_changed(self):
        room, sent = self.a_room()
        with sqlite3.connect(self.data / "homeserver.db") as database:
            database.execute("UPDATE events SET json = replace(json, 'cup 3', 'mug 3')")
        found = self.admin("check", room, "--json", status=2).stdout.splitlines()
        self.assertEqual(json.loads(found[0])["what"], "content-hash")
        self.assertEqual(json.loads(found[0])["event_id"], sent[3])
        self.assertEqual(json.loads(found[-1])["findings"], len(found) - 1)
        self.assertIn("content-hash", self.admin("check", "--all", status=2).stdout)

    def test_says_what_is_missing(self):
        self.a_room()
        self.assertIn("there is no room !none:test",
                      self.admin("check", "!none:test", status=1).stderr)
        self.assertIn("--all", self.admin("check", status=1).stderr)
        (self.data / "signing.key").unlink()
        self.assertIn("signing.key", self.admin("check", "--all", status=1).stderr)

    # ------------------------------------------------------------------ export

    def test_exports_beside_the_server_what_inspect_replays(self):
        with Running(self.data) as server:
            token = server.register("alice")
            room, _ = server.make_room(token, 5)
            self.exported(room, "room.jsonl")
            state = server.ask("GET", f"/rooms/{quote(room)}/state", token=token)
        for options in ([], ["--state-only"]):
            path = self.folder / f"state{len(options)}.jsonl"
            self.admin("export-room", room, "-o", path, *options)
            replayed = subprocess.run([INSPECT, "resolve", "--events", path], text=True,
                                      capture_output=True, timeout=PATIENCE, check=True).stdout
            self.assertEqual(
                sorted(json.loads(replayed)),
                sorted([e["type"], e["state_key"], e["event_id"]] for e in state))

    def test_does_not_write_over_a_file(self):
        room, _ = self.a_room()
        path = self.folder / "taken"
        path.write_text("mine")
        self.assertIn("exists", self.admin("export-room", room, "-o", path, status=1).stderr)
        self.assertEqual(path.read_text(), "mine")
        self.admin("export-room", "!none:test", "-o", self.folder / "none", status=1)
        self.assertEqual(list(self.folder.glob("none*")), [])

    # ------------------------------------------------------------------ import

    def test_an_imported_room_comes_with_the_next_sync(self):
        room, sent = self.a_room()
        lines = self.exported(room, "room.jsonl")
        other, since = self.a_second_server()
        text = self.admin("import-room", self.folder / "room.jsonl", data=other).stdout
        self.assertIn("1 joined", text)
        with Running(other) as server:
            token = server.login("alice")
            joined = server.ask("GET", f"/sync?since={since}", token=token)["rooms"]["join"]
            timeline = joined[room]["timeline"]["events"]
            self.assertIn(sent[-1], [event["event_id"] for event in timeline])
            self.assertEqual(joined[room]["unread_notifications"]["notification_count"], 0)
            found = server.ask("GET", f"/directory/room/{quote('#tea:test')}", token=token)
            self.assertEqual(found["room_id"], room)
            self.admin("check", "--all", data=other)
        again = self.exported(room, "again.jsonl", data=other)
        self.assertEqual(again[1:-1], lines[1:-1])

    def test_what_is_wrong_stays_out(self):
        room, _ = self.a_room()
        lines = self.exported(room, "room.jsonl")
        other, _ = self.a_second_server()
        torn = self.folder / "torn.jsonl"
        torn.write_text("\n".join(lines[:-1]) + "\n")
        self.assertIn("was not written whole",
                      self.admin("import-room", torn, data=other, status=1).stderr)
        whole = self.folder / "room.jsonl"
        self.admin("import-room", whole, data=other)
        self.assertIn("purge-room",
                      self.admin("import-room", whole, data=other, status=1).stderr)
        with Running(other):
            self.assertIn("stop", self.admin("import-room", whole, data=other, status=1).stderr)

    def test_a_killed_import_leaves_nothing_and_can_be_repeated(self):
        room, _ = self.a_room(messages=400)
        lines = self.exported(room, "room.jsonl")
        other, _ = self.a_second_server()
        command = [ADMIN, "import-room", str(self.folder / "room.jsonl"), "--config",
                   str(other.with_suffix(".toml"))]
        for milliseconds in (20, 60, 120):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            try:
                process.wait(milliseconds / 1000)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            rooms = json.loads(self.admin("check", "--all", "--json", data=other).stdout)["rooms"]
            if rooms == 1:  # It was faster than its death.
                break
            self.assertEqual(rooms, 0)
        else:
            self.admin("import-room", self.folder / "room.jsonl", data=other)
        again = self.exported(room, "again.jsonl", data=other)
        self.assertEqual(again[1:-1], lines[1:-1])

    # ------------------------------------------------------------------ purge

    def test_purged_history_ends_at_the_cut_and_the_room_goes_on(self):
        with Running(self.data) as server:
            token = server.register("alice")
            since = server.ask("GET", "/sync", token=token)["next_batch"]
            room, sent = server.make_room(token, 20)
            path = f"/rooms/{quote(room)}"
            root = sent[3]
            for number, body in enumerate(("so", "and so")):
                server.ask("PUT", f"{path}/send/m.room.message/t{number}", {
                    "msgtype": "m.text", "body": body,
                    "m.relates_to": {"rel_type": "m.thread", "event_id": root}}, token)
            self.search(server, token, "cup")
        self.admin("purge-history", room, "--before", sent[10], "--delete-local")
        self.admin("check", room)
        with Running(self.data) as server:
            token = server.login("alice")
            events, start = [], ""
            while True:
                page = server.ask("GET", f"{path}/messages?dir=b&limit=4{start}", token=token)
                events += [event["event_id"] for event in page["chunk"]]
                if "end" not in page:
                    break
                start = f"&from={page['end']}"
            self.assertEqual(events[-1], sent[10])
            self.assertEqual(events[2:][::-1][:10], sent[10:])
            for gone in ("context", "event"):
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    server.ask("GET", f"{path}/{gone}/{quote(sent[4])}", token=token)
                self.assertEqual(refused.exception.code, 404)
                refused.exception.close()
            kept = server.ask("GET", f"{path}/context/{quote(sent[10])}?limit=4", token=token)
            self.assertEqual(kept["events_before"], [])
            self.assertEqual(len(server.ask("GET", f"{path}/state", token=token)),
                             len(kept["state"]))
            news = server.ask("GET", f"/sync?since={since}", token=token)["rooms"]["join"][room]
            self.assertTrue(news["timeline"]["limited"])
            self.assertEqual(
                server.ask("GET", f"{path}/threads", token=token, version="v1")["chunk"], [])
            self.assertEqual(self.search(server, token, "cup"), sent[10:][::-1])
            server.ask("GET", "/notifications", token=token)
            server.ask("PUT", f"{path}/send/m.room.message/more", {
                "msgtype": "m.text", "body": "more"}, token)
        self.admin("check", "--all")
        self.admin("purge-history", room, "--before", "2000-01-01")
        self.assertIn("no age",
                      self.admin("purge-history", room, "--before", "soon", status=1).stderr)

    def search(self, server, token, term):
        found = server.ask("POST", "/search", {"search_categories": {"room_events": {
            "search_term": term, "order_by": "recent"}}}, token)
        return [hit["result"]["event_id"]
                for hit in found["search_categories"]["room_events"]["results"]]

    def test_nothing_of_a_purged_room_remains(self):
        with Running(self.data) as server:
            token = server.register("alice")
            room, sent = server.make_room(token, 5)
            kept = server.ask("POST", "/createRoom", {}, token)["room_id"]
            server.ask("PUT", f"/user/@alice:test/rooms/{quote(room)}/tags/u.tea", {}, token)
            server.ask("POST", f"/rooms/{quote(room)}/receipt/m.read/{quote(sent[1])}", {}, token)
        self.assertIn("purged", self.admin("purge-room", room).stdout)
        dump = "\n".join(sqlite3.connect(self.data / "homeserver.db").iterdump())
        for trace in (room, quote(room), sent[1], "cup 3"):
            self.assertNotIn(trace, dump)
        with Running(self.data) as server:
            token = server.login("alice")
            joined = server.ask("GET", "/sync", token=token)["rooms"]["join"]
            self.assertEqual(list(joined), [kept])
        self.admin("check", "--all")
        self.assertIn("there is no room", self.admin("purge-room", room, status=1).stderr)

    def test_a_blocked_room_does_not_come_back(self):
        room, _ = self.a_room()
        self.exported(room, "room.jsonl")
        self.admin("purge-room", room, "--block")
        refused = self.admin("import-room", self.folder / "room.jsonl", status=1)
        self.assertIn("blocked", refused.stderr)

    def test_each_command_has_help(self):
        for command in ("check", "export-room", "import-room", "purge-history",
                        "purge-room"):
            text = subprocess.run([ADMIN, command, "--help"], capture_output=True, text=True,
                                  timeout=PATIENCE, check=True).stdout
            self.assertIn("--data-dir", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
