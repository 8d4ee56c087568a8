#!/usr/bin/env python3
"""Plants one violation of each kind and checks that layers.py notices it."""

import tempfile
import unittest
from pathlib import Path

import layers

# A tree that keeps every rule.
MODULES = {
    "base": ("src/base", []),
    "json": ("src/json", ["base"]),
    "id": ("src/id", ["base"]),
    "http": ("src/http", ["base"]),
    "event": ("src/event", ["json", "id"]),
    "auth": ("src/auth", ["event"]),
    "store": ("src/store", ["event"]),
    "room": ("src/room", ["event", "store"]),
    "service": ("src/service", ["room", "http"]),
    "net": ("src/net", ["http"]),
    "testing": ("src/testing", ["service"]),
    "backend_memory": ("backends/memory", ["store"]),
    "backend_sqlite": ("backends/sqlite", ["store"]),
}
FILES = {
    "include/matrixcore/base/base.h": "#include <string>\n",
    "include/matrixcore/base/function.h": "#include <absl/functional/any_invocable.h>\n",
    "include/matrixcore/json/json.h": '#include "matrixcore/base/base.h"\n',
    "include/matrixcore/id/id.h": "",
    "include/matrixcore/http/http.h": "",
    "include/matrixcore/event/event.h": '#include "matrixcore/json/json.h"\n',
    "include/matrixcore/store/store.h": "",
    "include/matrixcore/room/room.h": "",
    "include/matrixcore/service/service.h": "",
    "include/matrixcore/net/net.h": "",
    "include/matrixcore/backends/sqlite.h": '#include "matrixcore/store/store.h"\n',
    "include/matrixcore/testing/kit.h": "#include <gtest/gtest.h>\n",
    "src/json/parse.cc": '#include <rapidjson/reader.h>\n#include "json/tape.h"\n',
    "src/json/tape.h": "",
    "src/event/event.cc": '#include "matrixcore/base/base.h"\n#include "absl/strings/str_cat.h"\n',
    "src/event/power_level.h": "",
    "src/auth/auth.cc": '#include "event/power_level.h"\n',
    "src/room/room.cc": '// #include "matrixcore/service/service.h"\n',
    "src/room/test_room.h": '#include "matrixcore/backends/sqlite.h"\n',
    "src/room/room_test.cc": '#include "room/test_room.h"\n'
                             '#include "matrixcore/testing/kit.h"\n'
                             '#include "matrixcore/backends/sqlite.h"\nTEST(Room, Is) {}\n',
    "backends/memory/memory.cc": "#include <memory>\n",
    "tests/vectors/vectors.h": "",
    "tests/fuzz/room_fuzz.cc": '#include "room/test_room.h"\n#include "fuzz/check.h"\n',
    "tests/fuzz/check.h": "",
    "src/event/event_test.cc": '#include "vectors/vectors.h"\nTEST(Event, Is) {}\n',
    "src/net/server.cc": "#include <boost/asio.hpp>\n",
    "backends/sqlite/sqlite.cc": '#include <sqlite3.h>\n#include "sqlite/rows.h"\n',
    "backends/sqlite/rows.h": "",
    "examples/homeserver/main.cc": '#include "matrixcore/net/net.h"\n#include "homeserver/config.h"\n',
    "examples/homeserver/config.h": "",
    "tests/scenario/talk_test.cc": '#include "matrixcore/service/service.h"\n',
    "benchmarks/load/main.cc": "#include <boost/beast.hpp>\n",
}


class LayersTest(unittest.TestCase):

    def check(self, changes=None, deps=None, unlisted=()):
        """The violations of the tree above with `changes` to files and `deps`."""
        with tempfile.TemporaryDirectory() as root:
            files = {**FILES, **(changes or {})}
            modules = {}
            for name, (directory, module_deps) in {**MODULES, **(deps or {})}.items():
                prefix = f"include/matrixcore/{name.replace('backend_sqlite', 'backends')}/"
                modules[name] = {
                    "dir": directory,
                    "deps": module_deps,
                    "hdrs": [f[len("include/"):] for f in files
                             if f.startswith(prefix) and f not in unlisted],
                    "srcs": [f[len(directory) + 1:] for f in files
                             if f.startswith(directory + "/") and f.endswith(".cc")
                             and not f.endswith("_test.cc") and f not in unlisted],
                    "tests": [f[len(directory) + 1:] for f in files
                              if f.startswith(directory + "/") and f.endswith("_test.cc")],
                }
            for name, text in files.items():
                path = Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return layers.check(root, modules)

    def assert_one(self, violations, *parts):
        self.assertEqual(len(violations), 1, violations)
        for part in parts:
            self.assertIn(part, violations[0])

    def test_a_tree_that_keeps_the_rules_passes(self):
        self.assertEqual(self.check(), [])

    def test_include_of_a_higher_floor(self):
        found = self.check({"src/event/event.cc": '\n#include "matrixcore/room/room.h"\n'})
        self.assert_one(found, "src/event/event.cc:2:", '"matrixcore/room/room.h"',
                        "room is not below event")

    def test_include_of_a_neighbour_on_the_same_floor(self):
        found = self.check({"src/json/parse.cc": '#include "matrixcore/id/id.h"\n'})
        self.assert_one(found, "src/json/parse.cc:1:", "id is not below json")

    def test_include_of_a_lower_floor_that_deps_do_not_name(self):
        found = self.check({"src/service/x.cc": '#include "matrixcore/service/service.h"\n',
                            "src/event/power_level.h": "",
    "src/auth/auth.cc": '#include "event/power_level.h"\n',
    "src/room/room.cc": '#include "matrixcore/stateres/s.h"\n',
                            "include/matrixcore/stateres/s.h": ""},
                           deps={"stateres": ("src/stateres", [])})
        self.assert_one(found, "src/room/room.cc:1:", "name stateres in DEPS of src/room")

    def test_include_in_a_public_header_of_a_higher_floor(self):
        found = self.check({"include/matrixcore/event/event.h":
                            '#include <matrixcore/store/store.h>\n'})
        self.assert_one(found, "include/matrixcore/event/event.h:1:")

    def test_indented_directive(self):
        found = self.check({"src/event/event.cc": '#  include "matrixcore/room/room.h"\n'})
        self.assert_one(found, "src/event/event.cc:1:")

    def test_block_comment_is_no_include(self):
        found = self.check({"src/event/event.cc": '/*\n#include "matrixcore/room/room.h"\n*/\n'})
        self.assertEqual(found, [])

    def test_deps_wider_than_the_floors(self):
        found = self.check(deps={"event": ("src/event", ["json", "id", "store"]),
                                 "auth": ("src/auth", ["event"]),
    "store": ("src/store", [])})
        self.assert_one(found, "src/event/CMakeLists.txt:1:", "store, which is not below it")

    def test_deps_on_no_module(self):
        found = self.check(deps={"event": ("src/event", ["json", "id", "jsno"])})
        self.assert_one(found, "jsno, which is no module")

    def test_module_on_no_floor(self):
        found = self.check(deps={"extra": ("src/extra", [])})
        self.assert_one(found, "extra is on no floor")

    def test_folder_without_a_module(self):
        found = self.check({"src/extra/extra.cc": ""})
        self.assert_one(found, "src/extra:1:", "belongs to no module")

    def test_net_includes_only_http_and_base(self):
        found = self.check({"src/net/server.cc": '#include "matrixcore/json/json.h"\n'})
        self.assert_one(found, "src/net/server.cc:1:", "json is not below net")

    def test_net_depends_only_on_http_and_base(self):
        found = self.check(deps={"net": ("src/net", ["http", "json"])})
        self.assert_one(found, "DEPS of net name json")

    def test_backend_includes_no_room(self):
        found = self.check({"backends/sqlite/sqlite.cc": '#include "matrixcore/room/room.h"\n'})
        self.assert_one(found, "backends/sqlite/sqlite.cc:1:", "room is not below backend_sqlite")

    def test_backend_depends_on_no_room(self):
        found = self.check(deps={"backend_sqlite": ("backends/sqlite", ["store", "room"])})
        self.assert_one(found, "DEPS of backend_sqlite name room")

    def test_backend_includes_no_internal_header(self):
        found = self.check({"backends/sqlite/sqlite.cc": '#include "json/tape.h"\n'})
        self.assert_one(found, "an internal header of src/json")

    def test_module_includes_no_internal_header_of_another(self):
        found = self.check({"src/event/event.cc": '#include "json/tape.h"\n'})
        self.assert_one(found, "src/event/event.cc:1:", "an internal header of src/json")

    def test_module_that_is_no_friend(self):
        found = self.check({"src/room/room.cc": '#include "event/power_level.h"\n'})
        self.assert_one(found, "src/room/room.cc:1:", "an internal header of src/event")

    def test_public_header_includes_no_internal_header(self):
        found = self.check({"include/matrixcore/json/json.h": '#include "json/tape.h"\n'})
        self.assert_one(found, "an internal header, in a public one")

    def test_example_includes_no_internal_header(self):
        found = self.check({"examples/homeserver/main.cc": '#include "json/tape.h"\n'})
        self.assert_one(found, "examples/homeserver/main.cc:1:", "internal header of src/json")

    def test_test_of_another_directory_includes_no_internal_header(self):
        found = self.check({"tests/scenario/talk_test.cc": '#include "sqlite/rows.h"\n'})
        self.assert_one(found, "tests/scenario/talk_test.cc:1:", "internal header of backends/sqlite")

    def test_fuzzer_includes_no_internal_header_of_sources(self):
        found = self.check({"tests/fuzz/json_fuzz.cc": '#include "json/tape.h"\n'})
        self.assert_one(found, "tests/fuzz/json_fuzz.cc:1:", "internal header of src/json")

    def test_test_includes_nothing_of_an_example(self):
        found = self.check({"tests/scenario/talk_test.cc": '#include "homeserver/config.h"\n'})
        self.assert_one(found, "belongs to examples/homeserver")

    def test_vectors_only_in_tests(self):
        found = self.check({"src/room/room.cc": '#include "vectors/vectors.h"\n'})
        self.assert_one(found, "belongs to tests/vectors")

    def test_test_kit_only_in_tests(self):
        found = self.check({"src/room/room.cc": '#include "matrixcore/testing/kit.h"\n'})
        self.assert_one(found, "src/room/room.cc:1:", "testing is not below room")

    def test_header_of_tests_that_sources_include(self):
        found = self.check({"src/room/room.cc": '#include "room/rows.h"\n',
                            "src/room/rows.h": '#include "room/test_room.h"\n',
                            "tests/fuzz/room_fuzz.cc": ""})
        self.assert_one(found, "src/room/test_room.h:1:", "backend_sqlite is not below room")

    def test_path_through_the_parent(self):
        found = self.check({"examples/homeserver/main.cc": '#include "../../src/json/tape.h"\n'})
        self.assert_one(found, "through ..")

    def test_public_header_that_does_not_exist(self):
        found = self.check({"src/event/event.cc": '#include "matrixcore/json/jsno.h"\n'})
        self.assert_one(found, "does not exist")

    def test_libraries_away_from_home(self):
        for header, name in [("rapidjson/document.h", "RapidJSON"), ("boost/asio.hpp", "Boost"),
                             ("sqlite3.h", "SQLite"), ("curl/curl.h", "libcurl"),
                             ("prometheus/counter.h", "prometheus-cpp"),
                             ("spdlog/spdlog.h", "spdlog"), ("sodium.h", "libsodium"),
                             ("openssl/evp.h", "OpenSSL")]:
            with self.subTest(header):
                found = self.check({"src/room/room.cc": f"#include <{header}>\n"})
                self.assert_one(found, "src/room/room.cc:1:", f"{name} is at home in")

    def test_libraries_in_public_headers(self):
        for header in ["rapidjson/document.h", "boost/asio.hpp", "sqlite3.h", "sodium.h",
                       "openssl/evp.h", "spdlog/spdlog.h", "prometheus/counter.h", "curl/curl.h",
                       "absl/container/flat_hash_map.h", "fmt/format.h"]:
            with self.subTest(header):
                found = self.check({"include/matrixcore/json/json.h": f"#include <{header}>\n"})
                self.assertTrue(any("in a public header" in f for f in found), found)

    def test_googletest_in_a_public_header_outside_testing(self):
        found = self.check({"include/matrixcore/json/json.h": "#include <gtest/gtest.h>\n"})
        self.assert_one(found, "only testing/ may")

    def test_public_header_that_is_not_listed(self):
        found = self.check(unlisted=["include/matrixcore/id/id.h"])
        self.assert_one(found, "include/matrixcore/id/id.h:1:", "is in no HDRS")

    def test_source_that_is_not_listed(self):
        found = self.check({"src/json/left_over.cc": ""}, unlisted=["src/json/left_over.cc"])
        self.assert_one(found, "src/json/left_over.cc:1:", "nobody builds it")

    def test_test_without_a_test_case(self):
        found = self.check({"src/json/empty_test.cc": "// TEST(Commented, Out)\n"})
        self.assert_one(found, "src/json/empty_test.cc:1:", "without a test case")


if __name__ == "__main__":
    unittest.main()
