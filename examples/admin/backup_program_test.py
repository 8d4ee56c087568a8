#!/usr/bin/env python3
"""Backs up, restores and checks the data of the real server with the real tool.

    HOMESERVER=... MATRIXCORE_ADMIN=... backup_program_test.py
"""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "homeserver"))
from program_test import ADMIN, PATIENCE, Running, environment  # noqa: E402

CLIENT = "/_matrix/client/v3"
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
OPEN = "[registration]\nenabled = true\n[rate_limits]\nenabled = false\n"
DONE, FAILED, WRONG = 0, 1, 2
SCHEMAS = Path(__file__).resolve().parent.parent.parent / "tests" / "schema"


class Client:
    """A user of a running server; keeps its token over restorations."""

    def __init__(self, server, name):
        self.server = server
        _, user, _ = server.ask("POST", f"{CLIENT}/register", {
            "username": name, "password": "correct horse", "auth": {"type": "m.login.dummy"}})
        self.user_id, self.token = user["user_id"], user["access_token"]
        self.sent = 0

    def ask(self, method, path, body=None):
        status, answer, _ = self.server.ask(method, path, body, self.token)
        return status, answer

    def good(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        assert status == 200, (path, status, answer)
        return answer

    def say(self, room, text):
        self.sent += 1
        return self.good("PUT", f"{CLIENT}/rooms/{quote(room)}/send/m.room.message/"
                                f"t{self.sent}",
                         {"msgtype": "m.text", "body": text})["event_id"]

    def sync(self, since=None):
        return self.good("GET", f"{CLIENT}/sync?timeout=0" + (f"&since={since}" if since else ""))

    def slide(self, pos=None):
        return self.ask("POST", f"{SLIDING}?timeout=0" + (f"&pos={quote(pos)}" if pos else ""), {
            "lists": {"all": {"ranges": [[0, 20]], "required_state": [], "timeline_limit": 5}}})


class BackupTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.backup = self.folder / "backup"

    def admin(self, *arguments, expect=DONE):
        """What it says: when it fails, the error."""
        result = subprocess.run([ADMIN, *map(str, arguments)], capture_output=True, text=True,
                                timeout=PATIENCE, env=environment())
        self.assertEqual(result.returncode, expect, result.stdout + result.stderr)
        if expect != FAILED:
            return result.stdout
        said = result.stderr.strip().splitlines()[-1]
        self.assertTrue(said.startswith("matrixcore-admin: "), result.stderr)
        return said

    def add_medium(self, data, name="local+a", content=b"a picture"):
        place = data / "media" / "3f" / "a2"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        return place / name

    def make(self):
        """The data of a server that has stopped, with a backup of it."""
        with Running(self.folder, OPEN) as server:
            Client(server, "alice")
            server.stop()
        self.add_medium(server.data)
        self.admin("backup", self.backup, "--data-dir", server.data)
        return server.data

    # ------------------------------------------------------------------ the way there and back

    def test_restores_what_a_busy_server_acknowledged_before_the_backup(self):
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        with Running(self.folder, OPEN) as server:
            self.add_medium(server.data)
            alice, bob = Client(server, "alice"), Client(server, "bob")
            room = alice.good("POST", f"{CLIENT}/createRoom",
                              {"preset": "public_chat", "name": "kept"})["room_id"]
            bob.good("POST", f"{CLIENT}/join/{quote(room)}")
            bob.good("POST", f"{CLIENT}/keys/upload",
                     {"one_time_keys": {"curve25519:AAAA": "key"}})
            before = bob.sync()["next_batch"]
            acknowledged = [alice.say(room, f"before {i}") for i in range(5)]
            self.back_up_under_load(server, alice, room)
            alice.say(room, "lost")
            alice.good("PUT", f"{CLIENT}/rooms/{quote(room)}/state/m.room.name", {"name": "lost"})
            after = bob.sync()["next_batch"]
            _, slid = bob.slide()
            server.stop(signal.SIGKILL)

        self.check_folder()
        self.assertIn("nothing is wrong", self.admin("verify", self.backup))
        data = elsewhere / "data"
        said = self.admin("restore", self.backup, "--data-dir", data)
        self.assertIn("dropped 1 one-time keys of 1 devices", said)
        self.assertIn("nothing is wrong", self.admin("verify", "--data-dir", data))
        self.assertEqual((data / "media/3f/a2/local+a").read_bytes(), b"a picture")
        for name in ("signing.key", "registration_secret"):
            self.assertEqual((data / name).read_bytes(), (self.backup / name).read_bytes())
        with Running(elsewhere, OPEN) as server:
            alice.server = bob.server = server
            new = alice.say(room, "new")
            for since in (before, after):
                with self.subTest(since=since):
                    self.check_truth(bob, room, since, acknowledged + [new])
            status, answer = bob.slide(slid["pos"])
            self.assertEqual((status, answer.get("errcode")), (400, "M_UNKNOWN_POS"))
            self.assertEqual(bob.slide()[0], 200)
            # The log has not gone back to positions that clients know.
            self.assertGreater(self.position(server.data), int(after[1:].split("_")[0]))
            self.assertEqual(server.stop(), 0)

    def back_up_under_load(self, server, client, room):
        stop = threading.Event()

        def load():
            while not stop.is_set():
                client.say(room, "during")
        writer = threading.Thread(target=load)
        writer.start()
        try:
            said = self.admin("backup", self.backup, "--data-dir", server.data)
        finally:
            stop.set()
            writer.join()
        self.assertIn("the backup of localhost is complete", said)

    def check_folder(self):
        for path in [self.backup, *self.backup.rglob("*")]:
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode, 0o700 if path.is_dir() else 0o600, path)
        self.assertEqual({p.name for p in self.backup.iterdir()}, {
            "homeserver.db", "signing.key", "registration_secret", "manifest.json", "media",
            "media.sha256"})
        manifest = json.loads((self.backup / "manifest.json").read_text())
        self.assertEqual(manifest["server_name"], "localhost")
        self.assertEqual(manifest["media_files"], 1)
        database = (self.backup / "homeserver.db").read_bytes()
        self.assertEqual(manifest["database"], {
            "bytes": len(database), "sha256": hashlib.sha256(database).hexdigest()})
        self.assertEqual(manifest["log_position"], self.position(self.backup))
        # As sha256sum has it.
        subprocess.run(["sha256sum", "-c", "--quiet", "media.sha256"], cwd=self.backup, check=True)

    def position(self, folder):
        connection = sqlite3.connect(f"file:{folder}/homeserver.db?mode=ro", uri=True)
        try:
            return connection.execute("SELECT position FROM mc_log").fetchone()[0]
        finally:
            connection.close()

    def check_truth(self, bob, room, since, wanted):
        answer = bob.sync(since)
        self.assertNotIn('"lost"', json.dumps(answer))
        timeline = answer["rooms"]["join"][room]["timeline"]
        events = timeline["events"]
        if timeline["limited"]:
            page = bob.good("GET", f"{CLIENT}/rooms/{quote(room)}/messages?dir=b&limit=1000"
                                   f"&from={timeline['prev_batch']}")
            events = page["chunk"][::-1] + events
        ids = [e["event_id"] for e in events]
        self.assertEqual([i for i in ids if i in wanted], wanted)
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual(answer["device_one_time_keys_count"].get("curve25519", 0), 0)
        self.assertIn("@alice:localhost", answer["device_lists"]["changed"])
        self.assertNotIn("rooms", bob.sync(answer["next_batch"]))

    def test_shares_media_with_the_backup_before(self):
        data = self.make()
        self.add_medium(data, "local+b", b"another")
        second = self.folder / "second"
        self.admin("backup", second, "--previous", self.backup, "--data-dir", data)
        first = self.backup / "media/3f/a2/local+a"
        self.assertTrue((second / "media/3f/a2/local+a").samefile(first))
        self.assertEqual((second / "media/3f/a2/local+b").read_bytes(), b"another")
        self.assertIn("2 media", self.admin("verify", second))
        shutil.rmtree(self.backup)
        self.assertIn("nothing is wrong", self.admin("verify", second))

    # ------------------------------------------------------------------ what is refused

    def test_never_takes_half_a_backup_for_a_whole_one(self):
        data = self.make()
        self.assertIn("it exists", self.admin("backup", self.backup, "--data-dir", data,
                                              expect=FAILED))
        (self.folder / "next.partial").mkdir()
        said = self.admin("backup", self.folder / "next", "--data-dir", data, expect=FAILED)
        self.assertIn("was broken off", said)
        (self.backup / "manifest.json").unlink()
        for command in ("verify", "restore"):
            said = self.admin(command, self.backup, "--data-dir", self.folder / "new",
                              expect=FAILED)
            self.assertIn("it is no backup, or one that was broken off", said)
        self.assertFalse((self.folder / "new").exists())

    def test_removes_what_it_made_when_it_cannot_go_on(self):
        data = self.make()
        (data / "signing.key").unlink()
        said = self.admin("backup", self.folder / "next", "--data-dir", data, expect=FAILED)
        self.assertIn("signing.key", said)
        self.assertEqual(list(self.folder.glob("next*")), [])

    def test_restores_into_empty_folders_only(self):
        data = self.make()
        said = self.admin("restore", self.backup, "--data-dir", data, expect=FAILED)
        self.assertIn("is not empty", said)
        target = self.folder / "target"
        target.mkdir()
        (target / "precious").write_text("mine")
        said = self.admin("restore", self.backup, "--data-dir", target, expect=FAILED)
        self.assertIn("it holds precious", said)
        self.assertEqual([p.name for p in target.iterdir()], ["precious"])

    def rewrite_manifest(self, **changes):
        manifest = self.backup / "manifest.json"
        values = {**json.loads(manifest.read_text()), **changes}
        del values["manifest_sha256"]
        body = json.dumps(values)[:-1]
        digest = hashlib.sha256(body.encode()).hexdigest()
        manifest.write_text(f'{body},"manifest_sha256":"{digest}"}}\n')

    def test_refuses_backups_of_newer_programs_and_of_other_servers(self):
        self.make()
        manifest = self.backup / "manifest.json"
        good = manifest.read_text()
        target = self.folder / "target"
        for change, what in (({"version": 2}, "a newer program made the backup"),
                             ({"schema_version": 999}, "a newer program made it")):
            manifest.write_text(good)
            self.rewrite_manifest(**change)
            said = self.admin("restore", self.backup, "--data-dir", target, expect=FAILED)
            self.assertIn(what, said)
        manifest.write_text(good)
        config = self.folder / "other.toml"
        config.write_text(f'server_name = "b.org"\ndata_dir = "{target}"\n')
        said = self.admin("restore", self.backup, "--config", config, expect=FAILED)
        self.assertIn("of the server localhost", said)
        self.assertFalse(target.exists())

    def test_finds_every_damage_of_a_backup(self):
        self.make()
        files = [p for p in self.backup.rglob("*") if p.is_file()]
        self.assertEqual(len(files), 6)
        for number, path in enumerate(files):
            whole = path.read_bytes()
            flipped = bytearray(whole)
            flipped[len(whole) // 2] ^= 1
            for damage in (bytes(flipped), whole[:len(whole) // 2], b"", None):
                with self.subTest(path.name, damage=damage and len(damage)):
                    path.unlink()
                    if damage is not None:
                        path.write_bytes(damage)
                    self.check_damage(path.name, self.folder / f"target{number}")
            path.write_bytes(whole)
            path.chmod(0o600)
        self.assertIn("nothing is wrong", self.admin("verify", self.backup))

    def check_damage(self, name, target):
        """Verifying tells of it; restoring too, and leaves no database."""
        verified = subprocess.run([ADMIN, "verify", str(self.backup)], capture_output=True,
                                  text=True, env=environment())
        self.assertIn(verified.returncode, (FAILED, WRONG))
        self.assertIn(name, verified.stdout + verified.stderr)
        said = self.admin("restore", self.backup, "--data-dir", target, expect=FAILED)
        self.assertIn(name, said)
        self.assertEqual(list(target.glob("*")), [])

    # ------------------------------------------------------------------ one database

    def test_verify_finds_damage_and_nothing_repairs_it(self):
        data = self.make()
        self.assertIn("nothing is wrong", self.admin("verify", "--data-dir", data))
        database = data / "homeserver.db"
        whole = database.read_bytes()
        damaged = bytearray(whole)
        damaged[4096 * 3:4096 * 3 + 200] = bytes(200)
        database.write_bytes(damaged)
        said = self.admin("verify", "--data-dir", data, expect=WRONG)
        self.assertIn("WRONG", said)
        self.assertIn("restore a backup", said)
        said = self.admin("vacuum", "--data-dir", data, expect=FAILED)
        self.assertIn("damaged", said)
        self.assertEqual(database.read_bytes(), damaged)
        database.write_bytes(whole)
        connection = sqlite3.connect(database)
        connection.execute("DELETE FROM users")
        connection.commit()
        connection.close()
        said = self.admin("verify", "--data-dir", data, expect=WRONG)
        self.assertIn('devices has rows of "@alice:localhost", which is not in users', said)

    def test_vacuum_needs_the_server_stopped_and_frees_room(self):
        with Running(self.folder, OPEN) as server:
            client = Client(server, "alice")
            room = client.good("POST", f"{CLIENT}/createRoom", {})["room_id"]
            for _ in range(20):
                client.say(room, "x" * 20_000)
            said = self.admin("vacuum", "--data-dir", server.data, expect=FAILED)
            self.assertIn("stop it first", said)
            server.stop()
        database = server.data / "homeserver.db"
        connection = sqlite3.connect(database)
        connection.execute("DELETE FROM events")
        connection.commit()
        connection.close()
        before = database.stat().st_size
        said = self.admin("vacuum", "--data-dir", server.data)
        self.assertIn("needs room for another", said)
        self.assertIn("were freed", said)
        self.assertLess(database.stat().st_size, before - 200_000)
        self.assertEqual(stat.S_IMODE(database.stat().st_mode), 0o600)

    def test_stats_tells_of_tables_and_rooms_beside_the_server(self):
        with Running(self.folder, OPEN) as server:
            client = Client(server, "alice")
            room = client.good("POST", f"{CLIENT}/createRoom", {"name": "Large"})["room_id"]
            other = client.good("POST", f"{CLIENT}/createRoom", {})["room_id"]
            for _ in range(10):
                client.say(room, "hello")
            stats = json.loads(self.admin("stats", "--json", "--data-dir", server.data))
            self.assertEqual(stats["rooms"], 2)
            rows = {t["table"]: t["rows"] for t in stats["tables"] if "index" not in t}
            self.assertEqual(rows["users"], 1)
            largest, smaller = stats["largest_rooms"]
            self.assertEqual(rows["events"], largest["events"] + smaller["events"])
            self.assertEqual((largest["room_id"], largest["name"]), (room, "Large"))
            self.assertEqual(smaller["room_id"], other)
            self.assertEqual(largest["joined_members"], 1)
            text = self.admin("stats", "--data-dir", server.data)
            self.assertIn(room, text)
            self.assertIn("largest rooms", text)
            quick = json.loads(self.admin("stats", "--json", "--rooms", "0",
                                          "--data-dir", server.data))
            self.assertEqual(quick["largest_rooms"], [])

    def test_names_what_is_missing(self):
        nothing = self.folder / "nothing"
        for command in (["backup", self.backup], ["verify"], ["vacuum"], ["stats"]):
            with self.subTest(command):
                said = self.admin(*command, "--data-dir", nothing, expect=FAILED)
                self.assertIn("give the server's --config or --data-dir", said)
        self.assertFalse(nothing.exists())
        self.assertFalse(self.backup.exists())
        for command in ("backup", "restore", "verify", "vacuum", "stats"):
            self.admin(command, "--help")

    def test_goes_beside_programs_that_hold_locks_or_says_so(self):
        data = self.make()
        shell = sqlite3.connect(data / "homeserver.db", isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        self.admin("backup", self.folder / "next", "--data-dir", data)
        self.assertIn("nothing is wrong", self.admin("verify", "--data-dir", data))
        said = self.admin("vacuum", "--data-dir", data, expect=FAILED)
        self.assertIn("another program holds its lock", said)
        shell.execute("COMMIT")
        shell.close()

    # ------------------------------------------------------------------ disks

    def small_disk(self, size):
        """A file system of its own, where the machine allows that."""
        place = self.folder / "disk"
        place.mkdir(exist_ok=True)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
                               capture_output=True)
        if mount.returncode != 0:
            self.skipTest("file systems cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(place)])
        return place

    def test_says_when_a_disk_is_too_small(self):
        data = self.make()
        disk = self.small_disk("128k")
        said = self.admin("backup", disk / "backup", "--data-dir", data, expect=FAILED)
        self.assertIn(str(disk), said)
        self.assertIn("free", said)
        self.assertEqual(list(disk.iterdir()), [])
        said = self.admin("restore", self.backup, "--data-dir", disk / "data", expect=FAILED)
        self.assertIn("are needed", said)
        self.assertEqual(list((disk / "data").iterdir()), [])

    def test_a_disk_that_fills_in_the_middle_of_a_backup_leaves_none(self):
        data = self.make()
        self.add_medium(data, "local+large", b"x" * (1 << 20))
        size = (data / "homeserver.db").stat().st_size
        # Room for the database.  What an earlier backup may spare of the media is not known
        # before, and it spares nothing on another disk.
        disk = self.small_disk(size + (256 << 10))
        said = self.admin("backup", disk / "next", "--previous", self.backup, "--data-dir", data,
                          expect=FAILED)
        self.assertIn(f"{disk}/next.partial/media/3f/a2/local+large: cannot be written", said)
        self.assertIn("free some space there, or name another place", said)
        self.assertEqual(list(disk.iterdir()), [])

    def test_a_disk_that_fills_in_the_middle_of_a_restoration_leaves_nothing(self):
        data = self.make()
        needed = (self.backup / "homeserver.db").stat().st_size + len(b"a picture")
        # What is counted before, but neither keys nor what the database's log takes meanwhile.
        disk = self.small_disk((needed + 8191) // 4096 * 4096)
        said = self.admin("restore", self.backup, "--data-dir", disk / "data", expect=FAILED)
        self.assertIn(f"{disk}/data/", said)
        self.assertIn("free some space", said)
        self.assertEqual(list((disk / "data").iterdir()), [])
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        self.admin("restore", self.backup, "--data-dir", disk / "data")
        self.assertIn("nothing is wrong", self.admin("verify", "--data-dir", disk / "data"))

    # ------------------------------------------------------------------ older databases

    def make_older(self, database, version):
        """As the program of that version had it (tests/schema)."""
        text = (SCHEMAS / f"version{version}.txt").read_text()
        tables = {line.split()[1] for line in text.splitlines() if line.startswith("table ")}
        connection = sqlite3.connect(database)
        for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            if name not in tables and not name.startswith(("mc_", "sqlite_")):
                connection.execute(f"DROP TABLE {name}")
        connection.execute("DELETE FROM mc_schema WHERE version > ?", (version,))
        connection.commit()
        connection.close()

    def schema_version(self, folder):
        connection = sqlite3.connect(f"file:{folder}/homeserver.db?mode=ro", uri=True)
        try:
            return connection.execute("SELECT max(version) FROM mc_schema").fetchone()[0]
        finally:
            connection.close()

    def test_verifies_backs_up_and_restores_the_data_of_older_programs(self):
        data = self.make()
        newest = self.schema_version(data)
        self.assertEqual(newest, len(list(SCHEMAS.glob("version*.txt"))))
        for version in range(newest - 1, 0, -1):
            with self.subTest(version):
                self.make_older(data / "homeserver.db", version)
                older = f"(schema version {version}, this program has {newest})"
                said = self.admin("verify", "--data-dir", data)
                self.assertIn(older, said)
                self.assertIn("nothing is wrong", said)
                said = self.admin("check", "--all", "--data-dir", data, expect=FAILED)
                self.assertIn("start this version's server on it once", said)
                copy, again = self.folder / f"old{version}", self.folder / f"again{version}"
                self.admin("backup", copy, "--data-dir", data)
                self.assertEqual(self.schema_version(copy), version)
                said = self.admin("verify", copy)
                self.assertIn(older, said)
                self.assertIn("nothing is wrong", said)
                self.admin("restore", copy, "--data-dir", again)
                self.assertEqual(self.schema_version(again), newest)
                said = self.admin("verify", "--data-dir", again)
                self.assertIn("nothing is wrong", said)
                self.assertNotIn("older", said)
                self.admin("check", "--all", "--data-dir", again)

    def test_vacuum_refuses_a_disk_without_room(self):
        data = self.make()
        size = (data / "homeserver.db").stat().st_size
        disk = self.small_disk(size + (200 << 10))
        shutil.copytree(data, disk / "data", ignore=lambda *_: ["media", "search.db"])
        before = (disk / "data/homeserver.db").read_bytes()
        said = self.admin("vacuum", "--data-dir", disk / "data", expect=FAILED)
        self.assertIn("the disk has", said)
        self.assertEqual((disk / "data/homeserver.db").read_bytes(), before)

    def test_reads_backups_from_read_only_disks(self):
        data = self.make()
        disk = self.small_disk("64m")
        shutil.copytree(self.backup, disk / "backup")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        self.assertIn("nothing is wrong", self.admin("verify", disk / "backup"))
        self.admin("restore", disk / "backup", "--data-dir", self.folder / "again")
        said = self.admin("backup", disk / "another", "--data-dir", data, expect=FAILED)
        self.assertIn("make it writable for you, or name another place", said)
        said = self.admin("restore", self.backup, "--data-dir", disk / "data", expect=FAILED)
        self.assertIn(str(disk), said)


if __name__ == "__main__":
    unittest.main()
