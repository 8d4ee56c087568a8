#!/usr/bin/env python3
"""Starts the real programs: that they start, stop, reload, and say what is wrong.

    HOMESERVER=... MATRIXCORE_ADMIN=... program_test.py
"""

import http.client
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

HOMESERVER = os.environ["HOMESERVER"]
ADMIN = os.environ["MATRIXCORE_ADMIN"]
PATIENCE = 30  # seconds


def environment(**extra):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MATRIXCORE__")}
    return {**kept, **extra}


class Running:
    """A homeserver on a free port."""

    def __init__(self, folder, config="", **extra):
        self.data = Path(folder) / "data"
        self.log = Path(folder) / "log"
        config_file = Path(folder) / "homeserver.toml"
        config_file.write_text(
            f'data_dir = "{self.data}"\n{config}\n[[listeners]]\nport = 0\n')
        self.config = config_file
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [HOMESERVER, "--config", str(config_file)], stdout=subprocess.PIPE,
                stderr=log, text=True, env=environment(**extra))
        lines = [self.process.stdout.readline(), self.process.stdout.readline()]
        if not lines[1]:
            raise RuntimeError(self.log.read_text())
        self.port = int(lines[1].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text), response

    def metric(self, name):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(text.split(f"\n{name} ")[1].split("\n")[0])

    def received_requests(self):
        return self.metric("matrixcore_http_requests_received_total")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name

    def tearDown(self):
        self.temporary.cleanup()

    def admin(self, *arguments, given=None, **extra):
        return subprocess.run([ADMIN, *arguments], input=given, capture_output=True, text=True,
                              timeout=PATIENCE, env=environment(**extra))

    # ------------------------------------------------------------------ start and end

    def test_serves_and_ends_on_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), Running(self.folder) as server:
                status, body, _ = server.ask("GET", "/_matrix/client/versions")
                self.assertEqual(status, 200)
                self.assertIn("versions", body)
                for figure in ("hits_total", "misses_total", "bytes"):
                    series = f'matrixcore_cache_{figure}{{cache="sqlite_pages"}}'
                    self.assertGreater(server.metric(series), 0)
                self.assertEqual(server.stop(number), 0)
                self.assertIn("stopped", server.log.read_text())

    def test_answers_soon(self):
        with Running(self.folder) as server:
            server.stop()
        started = time.monotonic()
        with Running(self.folder) as server:
            server.ask("GET", "/_matrix/client/versions")
            # 100 ms on a quiet machine; tests share theirs.
            self.assertLess(time.monotonic() - started, 2)

    def test_keeps_secrets_to_itself(self):
        with Running(self.folder) as server:
            self.assertEqual(stat.S_IMODE(server.data.stat().st_mode), 0o700)
            for name in ("signing.key", "registration_secret", "homeserver.db"):
                mode = stat.S_IMODE((server.data / name).stat().st_mode)
                self.assertEqual(mode, 0o600, name)
            key = (server.data / "signing.key").read_text()
            server.stop()
        with Running(self.folder) as server:
            self.assertEqual((server.data / "signing.key").read_text(), key)

    def test_answers_waiting_syncs_when_it_ends(self):
        with Running(self.folder, "[registration]\nenabled = true") as server:
            _, user, _ = server.ask("POST", "/_matrix/client/v3/register", {
                "username": "alice", "password": "correct horse",
                "auth": {"type": "m.login.dummy"}})
            token = user["access_token"]
            _, first, _ = server.ask("GET", "/_matrix/client/v3/sync", token=token)
            answers = []
            waiter = threading.Thread(target=lambda: answers.append(server.ask(
                "GET", f"/_matrix/client/v3/sync?timeout=60000&since={first['next_batch']}",
                token=token)))
            waiter.start()
            # Until the server has received it: three requests and the questions.
            asked = 1
            while server.received_requests() < 3 + asked:
                asked += 1
            self.assertEqual(server.stop(), 0)
            waiter.join(PATIENCE)
            status, body, response = answers[0]
            self.assertIn(status, (200, 503))
            self.assertEqual(response.headers["Connection"], "close")
            if status == 200:
                self.assertEqual(body["next_batch"], first["next_batch"])

    def test_goes_on_after_a_hangup_signal(self):
        log = Path(self.folder) / "server.log"
        with Running(self.folder, f'[log]\nfile = "{log}"') as server:
            log.rename(log.with_suffix(".1"))
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + PATIENCE
            while not (log.exists() and "reloaded" in log.read_text()):
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(server.ask("GET", "/_matrix/client/versions")[0], 200)

    def test_takes_sockets_of_the_service_manager(self):
        listener = socket.create_server(("127.0.0.1", 0))
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.settimeout(PATIENCE)
        manager.bind(self.folder + "/notify")
        script = ('exec 3<&"$1"; export LISTEN_PID=$$ LISTEN_FDS=1; shift; exec "$@"')
        process = subprocess.Popen(
            ["bash", "-c", script, "-", str(listener.fileno()), HOMESERVER,
             "--data-dir", self.folder + "/data"],
            pass_fds=[listener.fileno()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment(NOTIFY_SOCKET=self.folder + "/notify"))
        try:
            self.assertEqual(manager.recv(100), b"READY=1")
            port = listener.getsockname()[1]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/_matrix/client/versions")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
            process.terminate()
            self.assertEqual(manager.recv(100), b"STOPPING=1")
            self.assertEqual(process.wait(PATIENCE), 0)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            listener.close()
            manager.close()

    # ------------------------------------------------------------------ what is wrong

    def fails(self, *arguments, config=None, **extra):
        """Starts a server that must not start; returns what it says."""
        if config is not None:
            file = Path(self.folder) / "bad.toml"
            file.write_text(config)
            arguments = ("--config", str(file), *arguments)
        result = subprocess.run(
            [HOMESERVER, *arguments], capture_output=True, text=True, timeout=PATIENCE,
            cwd=self.folder, env=environment(**extra))
        self.assertEqual(result.returncode, 1, result.stderr)
        said = [line for line in result.stderr.splitlines() if line.startswith("homeserver: ")]
        self.assertEqual(len(said), 1, result.stderr)
        return said[0]

    def test_names_what_is_wrong_with_the_configuration(self):
        self.assertIn("bad.toml:2: unknown key log.levle; did you mean log.level?",
                      self.fails(config='[log]\nlevle = "info"'))
        self.assertIn("bad.toml:1: ", self.fails(config="[log"))
        self.assertIn("none.toml", self.fails("--config", "none.toml"))
        self.assertIn("MATRIXCORE__LOG__LEVLE", self.fails(MATRIXCORE__LOG__LEVLE="info"))
        self.assertIn("no/folder/log",
                      self.fails(config='[log]\nfile = "no/folder/log"'))
        self.assertIn("no.crt", self.fails(config='[[listeners]]\nport = 0\ntls = true\n'
                                           'tls_certificate = "no.crt"\n'
                                           'tls_private_key = "no.key"'))

    def test_names_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            said = self.fails(config=f"[[listeners]]\nport = {port}")
            self.assertIn(f"127.0.0.1:{port}", said)
            self.assertIn("another program uses this port", said)

    def test_names_a_data_folder_that_cannot_be_used(self):
        file = Path(self.folder) / "file"
        file.write_text("")
        self.assertIn("file is not a folder", self.fails("--data-dir", str(file)))
        self.assertIn(str(file), self.fails("--data-dir", str(file / "data")))

    def test_refuses_a_second_server_on_the_same_data(self):
        with Running(self.folder) as server:
            said = self.fails("--data-dir", str(server.data),
                              config="[database]\nbusy_timeout_seconds = 0\n"
                                     "[[listeners]]\nport = 0")
            self.assertIn("homeserver.db", said)

    def test_refuses_another_server_name(self):
        with Running(self.folder) as server:
            server.stop()
            said = self.fails("--data-dir", str(server.data), config='server_name = "b.org"')
            self.assertIn("localhost", said)
            self.assertIn("b.org", said)

    def test_refuses_a_damaged_or_newer_database(self):
        with Running(self.folder) as server:
            server.stop()
        database = server.data / "homeserver.db"
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA user_version = 999")
        connection.commit()
        connection.close()
        self.assertIn("homeserver.db", self.fails("--data-dir", str(server.data)))
        database.write_bytes(b"this is no database" * 1000)
        self.assertIn("homeserver.db", self.fails("--data-dir", str(server.data)))

    def test_refuses_a_damaged_signing_key(self):
        with Running(self.folder) as server:
            server.stop()
        (server.data / "signing.key").write_text("oops\n")
        self.assertIn("signing.key", self.fails("--data-dir", str(server.data)))

    def test_warns_of_keys_without_effect(self):
        with Running(self.folder, "[media]\nurl_preview = true") as server:
            self.assertIn("media.url_preview", server.log.read_text())

    # ------------------------------------------------------------------ command line

    def test_prints_a_configuration_that_it_accepts(self):
        text = subprocess.run([HOMESERVER, "--print-default-config"], capture_output=True,
                              text=True, check=True).stdout
        file = Path(self.folder) / "default.toml"
        file.write_text(text)
        result = subprocess.run([HOMESERVER, "--check-config", "--config", str(file)],
                                capture_output=True, text=True, env=environment())
        self.assertEqual((result.returncode, result.stdout),
                         (0, "the configuration is good\n"))
        self.assertIn("bad.toml:1", self.fails("--check-config", config="x = 1"))

    def test_knows_its_options(self):
        for program in (HOMESERVER, ADMIN):
            for option in ("--help", "--version"):
                self.assertEqual(subprocess.run([program, option], capture_output=True).returncode,
                                 0)
            self.assertNotEqual(
                subprocess.run([program, "--nonsense"], capture_output=True).returncode, 0)

    # ------------------------------------------------------------------ matrixcore-admin

    def login(self, server, user, password):
        return server.ask("POST", "/_matrix/client/v3/login", {
            "type": "m.login.password", "password": password,
            "identifier": {"type": "m.id.user", "user": user}})

    def test_admin_registers_users(self):
        with Running(self.folder) as server:
            where = ["--data-dir", str(server.data), "--server",
                     f"http://127.0.0.1:{server.port}"]
            made = self.admin("register", "alice", *where, given="correct horse\n")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertIn("@alice:localhost", made.stdout)
            self.assertEqual(self.login(server, "alice", "correct horse")[0], 200)
            again = self.admin("register", "alice", *where, given="correct horse\n")
            self.assertEqual(again.returncode, 1)
            self.assertTrue(again.stderr.startswith("matrixcore-admin: "))
            empty = self.admin("register", "bob", *where, given="\n")
            self.assertEqual(empty.returncode, 1)

    def test_admin_reads_the_secret_of_the_configuration(self):
        secret = Path(self.folder) / "secret"
        secret.write_text("from the file\n")
        with Running(self.folder, '[registration]\nshared_secret = "s3cret"') as server:
            url = ["--server", f"http://127.0.0.1:{server.port}"]
            made = self.admin("register", "alice", "--config", str(server.config), *url,
                              given="correct horse\n")
            self.assertEqual(made.returncode, 0, made.stderr)
            wrong = self.admin("register", "bob", "--shared-secret-file", str(secret), *url,
                               given="correct horse\n")
            self.assertEqual(wrong.returncode, 1)
            secret.write_text("s3cret\n")
            right = self.admin("register", "bob", "--shared-secret-file", str(secret), *url,
                               given="correct horse\n")
            self.assertEqual(right.returncode, 0, right.stderr)

    def test_admin_manages_registration_tokens(self):
        with Running(self.folder, "[registration]\nenabled = true\n"
                                  "require_token = true") as server:
            url = ["--server", f"http://127.0.0.1:{server.port}"]
            made = self.admin("register", "root", "--admin", "--data-dir", str(server.data),
                              *url, given="correct horse\n")
            access = made.stdout.split("access_token")[1].split()[0]
            held = {"MATRIXCORE_ACCESS_TOKEN": access}
            token = self.admin("registration-token", "new", "--uses", "1", *url, **held)
            self.assertEqual(token.returncode, 0, token.stderr)
            name = token.stdout.split()[0]
            listed = self.admin("registration-token", "list", *url, **held)
            self.assertIn(name, listed.stdout)
            deleted = self.admin("registration-token", "delete", name, *url, **held)
            self.assertEqual(deleted.returncode, 0, deleted.stderr)
            listed = self.admin("registration-token", "list", *url, **held)
            self.assertNotIn(name, listed.stdout)
            self.assertEqual(self.admin("registration-token", "list", *url).returncode, 1)

    def test_admin_says_when_nobody_answers(self):
        (Path(self.folder) / "registration_secret").write_text("x\n")
        result = self.admin("register", "alice", "--data-dir", self.folder,
                            "--server", "http://127.0.0.1:1", given="correct horse\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot reach http://127.0.0.1:1", result.stderr)


if __name__ == "__main__":
    unittest.main()
