// Parsing, canonicalising and writing of events as they come from a federation.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "matrixcore/base/utf8.h"
#include "matrixcore/json/canonical.h"
#include "matrixcore/json/value.h"
#include "matrixcore/json/writer.h"

namespace matrixcore::json {
namespace {

// A message event of room version 11 in canonical form, about 750 bytes.
constexpr std::string_view kEvent =
    R"({"auth_events":["$gbHO7IPUHybc7ULFnT7P0r3iWlZFHGmr6zBfEYCUyKw",)"
    R"("$hy1eZFYcgNxMFNNBgCD5fyOzyWRcBkxfNcrUI5ZpZlE",)"
    R"("$Nt_z68EwFfPqBeHjzEHGsp461Z4EfNEzR-KH5bOYdOY"],)"
    R"("content":{"body":"The quick brown fox jumps over the lazy dog",)"
    R"("m.mentions":{},"msgtype":"m.text"},"depth":1824,)"
    R"("hashes":{"sha256":"FoYV1w3TW/B2mVT0gX2/BZKpCwrrvGXqXFdUhN9LZYU"},)"
    R"("origin_server_ts":1731769874137,)"
    R"("prev_events":["$4FbpZrgPQTwoLD9H5y7jcikucCypUOn78mXhQX7WliY"],)"
    R"("room_id":"!DHmIIVvxFASSFgDGzr:example.org",)"
    R"("sender":"@alice:example.org",)"
    R"("signatures":{"example.org":{"ed25519:a_phSE":)"
    R"("G8cfk/m97sndxMNrEZ2nMMSXkVeJE05G7if4JiVzAwGfD3TwnF/jfSHt2acWrpNqv/)"
    R"(aEhZug3WLofc2id+rVBw"}},"type":"m.room.message",)"
    R"("unsigned":{"age_ts":1731769874137}})";

// The same members in another order, with white space and escapes.
std::string Scrambled() {
  std::string text = "{\n";
  const Document event = *Document::ParseView(kEvent);
  std::string members;
  for (auto [key, value] : event.root().members()) {
    members = "  \"" + std::string(key) + "\": " + std::string(value.raw()) +
              (members.empty() ? "\n" : ",\n") + members;
  }
  text += members + "}";
  const size_t body = text.find("quick");
  return text.replace(body, 5, "qu\\u00eec\\nk");
}

std::string Transaction(size_t events) {
  std::string text;
  Writer w(&text);
  w.BeginObject().Key("pdus").BeginArray();
  for (size_t i = 0; i < events; ++i) w.Raw(kEvent);
  w.EndArray().EndObject();
  return text;
}

void SetBytes(benchmark::State& state, size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void BM_ParseEvent(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::ParseView(kEvent));
  }
  SetBytes(state, kEvent.size());
}
BENCHMARK(BM_ParseEvent);

void BM_ParseEventRefusingDuplicates(benchmark::State& state) {
  ParseOptions options;
  options.refuse_duplicate_keys = true;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::ParseView(kEvent, options));
  }
  SetBytes(state, kEvent.size());
}
BENCHMARK(BM_ParseEventRefusingDuplicates);

void BM_ParseScrambledEvent(benchmark::State& state) {
  const std::string text = Scrambled();
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::ParseView(text));
  }
  SetBytes(state, text.size());
}
BENCHMARK(BM_ParseScrambledEvent);

void BM_ParseTransactionOf50(benchmark::State& state) {
  const std::string text = Transaction(50);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Document::ParseView(text));
  }
  SetBytes(state, text.size());
}
BENCHMARK(BM_ParseTransactionOf50);

void BM_CanonicalOfCanonical(benchmark::State& state) {
  const Document event = *Document::ParseView(kEvent);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Canonical(event.root()));
  }
  SetBytes(state, kEvent.size());
}
BENCHMARK(BM_CanonicalOfCanonical);

void BM_CanonicalOfScrambled(benchmark::State& state) {
  const std::string text = Scrambled();
  const Document event = *Document::ParseView(text);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Canonical(event.root()));
  }
  SetBytes(state, text.size());
}
BENCHMARK(BM_CanonicalOfScrambled);

void BM_LookUpSixMembers(benchmark::State& state) {
  const Document event = *Document::ParseView(kEvent);
  for (auto _ : state) {
    for (std::string_view key : {"type", "sender", "room_id", "depth",
                                 "origin_server_ts", "content"}) {
      benchmark::DoNotOptimize(event.root()[key]);
    }
  }
}
BENCHMARK(BM_LookUpSixMembers);

void BM_WriteEvent(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    Writer w(&out);
    w.BeginObject().RawField("content", R"({"body":"hi","msgtype":"m.text"})");
    w.Field("event_id", "$gbHO7IPUHybc7ULFnT7P0r3iWlZFHGmr6zBfEYCUyKw");
    w.Field("origin_server_ts", int64_t{1731769874137});
    w.Field("room_id", "!DHmIIVvxFASSFgDGzr:example.org");
    w.Field("sender", "@alice:example.org").Field("type", "m.room.message");
    w.Key("unsigned").BeginObject().Field("age", 12).EndObject().EndObject();
    benchmark::DoNotOptimize(out.data());
  }
  SetBytes(state, out.size());
}
BENCHMARK(BM_WriteEvent);

void BM_ValidateUtf8(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(IsValidUtf8(kEvent));
  SetBytes(state, kEvent.size());
}
BENCHMARK(BM_ValidateUtf8);

}  // namespace
}  // namespace matrixcore::json
