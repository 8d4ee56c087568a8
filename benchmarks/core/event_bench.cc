// Events: made, read, checked.

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "matrixcore/event/builder.h"
#include "matrixcore/event/event.h"
#include "matrixcore/event/push_rules.h"
#include "matrixcore/event/redaction.h"
#include "matrixcore/event/signing.h"
#include "matrixcore/json/canonical.h"

namespace matrixcore {
namespace {

SigningKey BenchKey() {
  Ed25519Seed seed;
  seed.fill(7);
  return SigningKey::FromSeed(seed, "bench");
}

const RoomVersionRules& Rules() { return *FindRoomVersion("11"); }

EventDraft Draft() {
  EventDraft draft;
  draft.type = "m.room.message";
  draft.sender = "@alice:example.org";
  draft.content =
      R"({"body":"The quick brown fox jumps over the lazy dog, and then over )"
      R"(everything else that lies about in the garden: a ball, two chairs.",)"
      R"("format":"org.matrix.custom.html","formatted_body":"The <b>quick</b> )"
      R"(brown fox jumps over the lazy dog, and then over everything else.",)"
      R"("m.mentions":{"user_ids":["@bob:example.org"]},"msgtype":"m.text"})";
  return draft;
}

EventPlace Place() {
  EventPlace place;
  place.room_id = "!DHmIIVvxFASSFgDGzr:example.org";
  place.prev_events = {"$4FbpZrgPQTwoLD9H5y7jcikucCypUOn78mXhQX7WliY"};
  place.auth_events = {"$gbHO7IPUHybc7ULFnT7P0r3iWlZFHGmr6zBfEYCUyKw",
                       "$hy1eZFYcgNxMFNNBgCD5fyOzyWRcBkxfNcrUI5ZpZlE",
                       "$Nt_z68EwFfPqBeHjzEHGsp461Z4EfNEzR-KH5bOYdOY"};
  place.depth = 1824;
  place.now = {1731769874137};
  return place;
}

// About 1 KB.
EventPtr BenchEvent() {
  return *BuildEvent(Draft(), Place(), "example.org", BenchKey(), Rules());
}

void BM_BuildEvent(benchmark::State& state) {
  const SigningKey key = BenchKey();
  const EventDraft draft = Draft();
  const EventPlace place = Place();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        BuildEvent(draft, place, "example.org", key, Rules()));
  }
  state.counters["bytes"] = static_cast<double>(BenchEvent()->json().size());
}
BENCHMARK(BM_BuildEvent);

void BM_ParseEventFromFederation(benchmark::State& state) {
  const std::string json = BenchEvent()->json();
  for (auto _ : state) benchmark::DoNotOptimize(Event::Parse(json, Rules()));
}
BENCHMARK(BM_ParseEventFromFederation);

void BM_EventFromStored(benchmark::State& state) {
  const EventPtr event = BenchEvent();
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Event::FromStored(event->json(), event->event_id(), Rules()));
  }
}
BENCHMARK(BM_EventFromStored);

// Canonical form, content hash and reference hash of a 1 KB event: at most 8
// us.
void BM_CanonicalFormAndBothHashes(benchmark::State& state) {
  const std::string json = BenchEvent()->json();
  for (auto _ : state) {
    const json::Document document = *json::Document::ParseView(json);
    benchmark::DoNotOptimize(json::Canonical(document.root()));
    benchmark::DoNotOptimize(ContentHash(document.root()));
    benchmark::DoNotOptimize(ReferenceHash(document.root(), Rules()));
  }
}
BENCHMARK(BM_CanonicalFormAndBothHashes);

// What a PDU costs on arrival: parse, id, one signature, content hash.
void BM_ReceiveEvent(benchmark::State& state) {
  const std::string json = BenchEvent()->json();
  const Ed25519PublicKey key = BenchKey().public_key();
  const KeyLookup keys = [&](std::string_view, std::string_view, int64_t) {
    return std::optional<Ed25519PublicKey>(key);
  };
  for (auto _ : state) {
    const EventPtr event = *Event::Parse(json, Rules());
    if (CheckIntegrity(*event, keys) != EventIntegrity::kGood) {
      state.SkipWithError("the event is not good");
    }
  }
}
BENCHMARK(BM_ReceiveEvent);

void BM_RedactEvent(benchmark::State& state) {
  const EventPtr event = BenchEvent();
  for (auto _ : state) benchmark::DoNotOptimize(RedactEvent(*event));
}
BENCHMARK(BM_RedactEvent);

// The default rules, for one more user.
void BM_PushRules(benchmark::State& state) {
  const json::Document rules =
      *json::Document::Parse(DefaultPushRules("@bob:example.org"));
  const PushRuleset compiled(rules.root());
  const PushEvent event(BenchEvent());
  const PushContext context{.user_id = "@bob:example.org",
                            .display_name = "Bob",
                            .joined_members = 3};
  for (auto _ : state) {
    benchmark::DoNotOptimize(compiled.Evaluate(event, context));
  }
}
BENCHMARK(BM_PushRules);

}  // namespace
}  // namespace matrixcore
