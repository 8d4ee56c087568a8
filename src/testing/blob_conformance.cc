#include "matrixcore/testing/blob_conformance.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "matrixcore/testing/linearizability.h"

namespace matrixcore {
namespace {

// A store opened for a check, with calls that note what goes wrong.
class Session {
 public:
  Session(BlobFixture& fixture, Findings& findings) : findings_(findings) {
    auto opened = fixture.Open();
    if (opened.ok()) {
      store_ = *std::move(opened);
    } else {
      findings.Add("the store cannot be opened: " + opened.status().ToString());
    }
  }

  bool ok() const { return store_ != nullptr; }
  BlobStore& store() { return *store_; }

  bool Good(const Status& status, std::string_view what) {
    return findings_.Expect(status.ok(),
                            fmt::format("{}: {}", what, status.ToString()));
  }
  void Fails(const Status& status, StatusCode code, std::string_view what) {
    findings_.Expect(status.code() == code,
                     fmt::format("{}: {}", what, status.ToString()));
  }

  std::unique_ptr<BlobStore::Writer> Create(std::string_view key) {
    auto writer = store_->Create(key);
    if (!Good(writer.status(), "create")) return nullptr;
    return *std::move(writer);
  }
  std::unique_ptr<BlobStore::Reader> Open(std::string_view key) {
    auto reader = store_->Open(key);
    if (!Good(reader.status(), "open")) return nullptr;
    return *std::move(reader);
  }
  void Write(std::string_view key, std::string_view bytes) {
    const auto writer = Create(key);
    if (writer == nullptr) return;
    Good(writer->Append(AsBytes(bytes)), "append");
    Good(writer->Commit(), "commit");
  }
  void ExpectRead(BlobStore::Reader& reader, uint64_t offset, size_t max,
                  std::string_view bytes, std::string_view what) {
    const auto read = reader.Read(offset, max);
    if (!Good(read.status(), what)) return;
    findings_.Expect(*read == bytes, fmt::format("{}: other bytes ({} of them)",
                                                 what, read->size()));
  }
  void ExpectBlob(std::string_view key, std::string_view bytes,
                  std::string_view what) {
    const auto reader = Open(key);
    if (reader == nullptr) return;
    findings_.Expect(reader->size() == bytes.size(),
                     fmt::format("{}: size {} instead of {}", what,
                                 reader->size(), bytes.size()));
    ExpectRead(*reader, 0, bytes.size() + 10, bytes, what);
  }
  void ExpectNone(std::string_view key, std::string_view what) {
    Fails(store_->Open(key).status(), StatusCode::kNotFound, what);
  }

 private:
  Findings& findings_;
  std::unique_ptr<BlobStore> store_;
};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>(i * 31 + i / 251);
  }
  return bytes;
}

void KeepsWhatIsWritten(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.ExpectNone("a", "an empty store");
  session.Write("a", "first");
  session.ExpectBlob("a", "first", "a blob");
  session.Write("a", "");
  session.ExpectBlob("a", "", "an empty blob in place of another");
  session.Write("a", "third");
  session.ExpectBlob("a", "third", "a blob in place of another");
}

void StreamsLargeBlobs(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const std::string bytes = Pattern(3'000'001);
  const auto writer = session.Create("large");
  if (writer == nullptr) return;
  for (size_t done = 0; done < bytes.size();) {
    const size_t step =
        std::min<size_t>(1 + done % 70'001, bytes.size() - done);
    session.Good(
        writer->Append(AsBytes(std::string_view(bytes).substr(done, step))),
        "append");
    done += step;
  }
  session.Good(writer->Append({}), "append nothing");
  session.Good(writer->Commit(), "commit");
  session.ExpectBlob("large", bytes, "a large blob");
  const auto reader = session.Open("large");
  if (reader == nullptr) return;
  session.ExpectRead(*reader, 1'234'567, 8, bytes.substr(1'234'567, 8), "part");
  session.ExpectRead(*reader, 2'999'999, 100, bytes.substr(2'999'999), "end");
  session.ExpectRead(*reader, 3'000'001, 100, "", "behind the end");
  session.ExpectRead(*reader, UINT64_MAX, 100, "", "far behind the end");
  session.ExpectRead(*reader, 0, 0, "", "no bytes");
}

void ShowsBlobsOnlyOnceCommitted(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  {
    const auto writer = session.Create("a");
    if (writer == nullptr) return;
    session.Good(writer->Append(AsBytes("half")), "append");
    session.ExpectNone("a", "a blob that is being written");
  }
  session.ExpectNone("a", "a blob that was given up");
  session.Write("a", "old");
  {
    const auto writer = session.Create("a");
    if (writer == nullptr) return;
    session.Good(writer->Append(AsBytes("new")), "append");
    session.ExpectBlob("a", "old", "while another is being written");
  }
  session.ExpectBlob("a", "old", "when the other was given up");
}

void AWriterEndsWithCommit(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto writer = session.Create("a");
  if (writer == nullptr) return;
  session.Good(writer->Append(AsBytes("all")), "append");
  session.Good(writer->Commit(), "commit");
  session.Fails(writer->Append(AsBytes("more")),
                StatusCode::kFailedPrecondition, "append after commit");
  session.Fails(writer->Commit(), StatusCode::kFailedPrecondition,
                "a second commit");
  session.ExpectBlob("a", "all", "after calls that came too late");
}

void ReadersKeepTheirBlob(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.Write("a", "first");
  const auto first = session.Open("a");
  session.Write("a", "second, longer");
  const auto second = session.Open("a");
  session.Good(session.store().Delete("a"), "delete");
  session.ExpectNone("a", "a deleted blob");
  if (first == nullptr || second == nullptr) return;
  session.ExpectRead(*first, 0, 100, "first", "a blob replaced since");
  session.ExpectRead(*second, 0, 100, "second, longer", "a blob deleted since");
  session.Good(session.store().Delete("a"), "deleting what is not there");
}

void TellsKeysApart(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const std::vector<std::string> keys = {"a",
                                         "A",
                                         "a/b",
                                         "a/b/c",
                                         "a-b",
                                         "a_b",
                                         "ab",
                                         "b",
                                         "b/a",
                                         std::string(128, 'x'),
                                         std::string(128, 'x') + "/y"};
  for (const std::string& key : keys) session.Write(key, "blob " + key);
  for (const std::string& key : keys) {
    session.ExpectBlob(key, "blob " + key, key);
  }
  session.Good(session.store().Delete("a/b"), "delete");
  session.ExpectNone("a/b", "a deleted blob");
  session.ExpectBlob("a/b/c", "blob a/b/c", "a blob below a deleted one");
  session.ExpectBlob("a", "blob a", "a blob above a deleted one");
}

void RefusesOtherKeys(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const std::string_view keys[] = {
      "",     "/",   "/a",       "a/",     "a//b",
      ".",    "..",  "../a",     "a/../b", std::string_view("a\0b", 3),
      "a.b",  "a b", "\xc3\xa9", "a\\b",   "a+b",
      "a%2fb"};
  for (const std::string_view key : keys) {
    session.Fails(session.store().Create(key).status(),
                  StatusCode::kInvalidArgument, "create by a bad key");
    session.Fails(session.store().Open(key).status(),
                  StatusCode::kInvalidArgument, "open by a bad key");
    session.Fails(session.store().Delete(key), StatusCode::kInvalidArgument,
                  "delete by a bad key");
  }
}

void OneOfManyWritersWins(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'e'; ++name) {
    threads.emplace_back([&session, name] {
      for (int i = 0; i < 10; ++i) {
        session.Write("same", std::string(50'000, name));
        session.Write(std::string("own/") + name, std::string(1'000, name));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto reader = session.Open("same");
  if (reader == nullptr) return;
  const auto bytes = reader->Read(0, 100'000);
  findings.Expect(bytes.ok() && bytes->size() == 50'000 &&
                      *bytes == std::string(50'000, (*bytes)[0]),
                  "a blob is a mixture of two");
  for (char name = 'a'; name < 'e'; ++name) {
    session.ExpectBlob(std::string("own/") + name, std::string(1'000, name),
                       "a blob of one writer");
  }
}

void KeepsBlobsWhenReopened(BlobFixture& fixture, Findings& findings) {
  if (!fixture.durable()) return;
  {
    Session session(fixture, findings);
    if (!session.ok()) return;
    session.Write("a/b", "kept");
    session.Write("gone", "deleted");
    session.Good(session.store().Delete("gone"), "delete");
  }
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.ExpectBlob("a/b", "kept", "reopened");
  session.ExpectNone("gone", "reopened");
}

// A blob that is replaced again and again: who reads it gets one that was there
// meanwhile, whole.
void BlobsAreLinearizable(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  const auto bytes_of = [](int64_t number) {
    return fmt::format("{:0>7}", number) + std::string(20'000, 'x');
  };
  session.Write("n", bytes_of(0));
  History<CounterModel::Call> history;
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 1; i <= 30; ++i) {
        const int64_t number = t * 1'000 + i;
        const uint64_t began = history.Begin();
        session.Write("n", bytes_of(number));
        history.End(began, {.kind = CounterModel::kSet, .amount = number});
      }
    });
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        const uint64_t began = history.Begin();
        const auto reader = session.Open("n");
        if (reader == nullptr) return;
        const auto bytes = reader->Read(0, SIZE_MAX);
        if (!findings.Expect(bytes.ok() && bytes->size() == 20'007,
                             "a blob that is replaced is not whole")) {
          return;
        }
        history.End(began, {.kind = CounterModel::kRead,
                            .answer = std::stoll(bytes->substr(0, 7))});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!findings.empty()) return;
  const std::string wrong = FindContradiction(history.Take(), CounterModel());
  findings.Expect(wrong.empty(), "a blob that is replaced: " + wrong);
}

void KeepsWhatWasCommittedWhenItCrashes(BlobFixture& fixture,
                                        Findings& findings) {
  if (!fixture.durable()) return;
  {
    Session session(fixture, findings);
    if (!session.ok()) return;
    session.Write("kept", Pattern(100'000));
    session.Write("replaced", "old");
    session.Write("replaced", "new");
    session.Write("gone", "deleted");
    session.Good(session.store().Delete("gone"), "delete");
    const auto half = session.Create("half");
    const auto instead = session.Create("kept");
    if (half == nullptr || instead == nullptr) return;
    session.Good(half->Append(AsBytes("not yet")), "append");
    session.Good(instead->Append(AsBytes("not yet")), "append");
    if (!fixture.Crash()) return;
  }
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.ExpectBlob("kept", Pattern(100'000), "after a crash");
  session.ExpectBlob("replaced", "new", "after a crash");
  session.ExpectNone("gone", "a deleted blob after a crash");
  session.ExpectNone("half", "a blob that was being written at a crash");
  session.Write("half", "whole");
  session.ExpectBlob("half", "whole", "written again after a crash");
}

void SaysWhenBytesAreMissing(BlobFixture& fixture, Findings& findings) {
  Session session(fixture, findings);
  if (!session.ok()) return;
  session.Write("a", Pattern(100'000));
  const auto reader = session.Open("a");
  if (reader == nullptr || !fixture.Tear("a")) return;
  session.Fails(reader->Read(60'000, 1'000).status(), StatusCode::kDataLoss,
                "bytes that are missing");
  session.Fails(reader->Read(0, 100'000).status(), StatusCode::kDataLoss,
                "a blob of which bytes are missing");
}

constexpr BlobCheck kChecks[] = {
    {"KeepsWhatIsWritten", KeepsWhatIsWritten},
    {"StreamsLargeBlobs", StreamsLargeBlobs},
    {"ShowsBlobsOnlyOnceCommitted", ShowsBlobsOnlyOnceCommitted},
    {"AWriterEndsWithCommit", AWriterEndsWithCommit},
    {"ReadersKeepTheirBlob", ReadersKeepTheirBlob},
    {"TellsKeysApart", TellsKeysApart},
    {"RefusesOtherKeys", RefusesOtherKeys},
    {"OneOfManyWritersWins", OneOfManyWritersWins},
    {"KeepsBlobsWhenReopened", KeepsBlobsWhenReopened},
    {"BlobsAreLinearizable", BlobsAreLinearizable},
    {"KeepsWhatWasCommittedWhenItCrashes", KeepsWhatWasCommittedWhenItCrashes},
    {"SaysWhenBytesAreMissing", SaysWhenBytesAreMissing},
};

}  // namespace

std::span<const BlobCheck> BlobChecks() { return kChecks; }

}  // namespace matrixcore
