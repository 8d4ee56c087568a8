#include "matrixcore/service/user_directory.h"

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "matrixcore/base/utf8.h"
#include "matrixcore/event/glob.h"
#include "matrixcore/id/identifiers.h"
#include "matrixcore/room/tables.h"
#include "matrixcore/service/account_tables.h"
#include "matrixcore/service/rooms.h"
#include "service/room_access.h"

namespace matrixcore {
namespace {

using tables::kUserWords;
using tables::UserWords;

// More words of one user, or of one term, are not looked at.
constexpr size_t kMaxWords = 64;
constexpr size_t kMaxWordBytes = 64;
// The last code point: words that begin alike come before it.
constexpr std::string_view kAfterAll = "\xF4\x8F\xBF\xBF";

struct CodePoint {
  std::string_view bytes;
  bool letter = false;
  bool alone = false;  // Of a script that is written without spaces.
};

CodePoint Next(std::string_view text, size_t pos) {
  const auto first = static_cast<uint8_t>(text[pos]);
  const size_t size = first >= 0xF0   ? 4
                      : first >= 0xE0 ? 3
                      : first >= 0xC0 ? 2
                                      : 1;
  CodePoint c;
  c.bytes = text.substr(pos, size);
  if (first < 0x80) {
    c.letter = (first >= 'a' && first <= 'z') || (first >= '0' && first <= '9');
    return c;
  }
  // What lies below U+00C0, and U+2000 to U+2BFF, are signs.
  c.letter = first >= 0xC3 && !(first == 0xE2 && c.bytes < "\xE2\xB0\x80");
  // Thai to Khmer, and U+2E80 on.
  c.alone = c.bytes >= "\xE2\xBA\x80" ||
            (c.bytes >= "\xE0\xB8\x80" && c.bytes < "\xE1\x82\xA0");
  return c;
}

// The words of a text in small letters: runs of letters and digits.  `parts`:
// of scripts without spaces, every place where something may begin.
std::set<std::string> WordsOf(std::string_view text, bool parts) {
  std::set<std::string> words;
  const std::string folded = FoldCase(text);
  std::vector<size_t> begins;
  const auto finish = [&](size_t end) {
    for (const size_t begin : begins) {
      if (words.size() >= kMaxWords) break;
      words.emplace(TruncateUtf8(
          std::string_view(folded).substr(begin, end - begin), kMaxWordBytes));
    }
    begins.clear();
  };
  for (size_t pos = 0; pos < folded.size();) {
    const CodePoint c = Next(folded, pos);
    if (!c.letter) {
      finish(pos);
    } else if (begins.empty() || (parts && c.alone)) {
      begins.push_back(pos);
    }
    pos += c.bytes.size();
  }
  finish(folded.size());
  return words;
}

// A user id is found by its words, by its whole localpart, and as it is.
std::set<std::string> WordsOfUser(const std::string& user_id,
                                  std::string_view display_name) {
  std::set<std::string> words = WordsOf(display_name, true);
  const std::string localpart = FoldCase(LocalpartOf(user_id));
  words.merge(WordsOf(localpart, true));
  words.insert(localpart);
  words.insert(FoldCase(user_id));
  return words;
}

// The longest word of a term is the rarest, as a rule; the others are compared.
class Term {
 public:
  explicit Term(std::string_view text) {
    const std::string folded = FoldCase(text);
    // Something like a user id is searched for as it is written.
    if (!folded.empty() && folded.front() == '@') {
      first_ = folded;
      if (folded.find(':') == std::string::npos) first_ = folded.substr(1);
      whole_ = first_;
      return;
    }
    whole_ = folded;
    const std::set<std::string> words = WordsOf(folded, false);
    others_.assign(words.begin(), words.end());
    const auto longest = std::max_element(
        others_.begin(), others_.end(),
        [](const auto& a, const auto& b) { return a.size() < b.size(); });
    if (longest == others_.end()) return;
    first_ = std::move(*longest);
    others_.erase(longest);
  }
  // What to look up; "" when the term has no word.
  const std::string& first() const { return first_; }
  bool MatchesOthers(const std::set<std::string>& words) const {
    return std::all_of(others_.begin(), others_.end(), [&](const auto& other) {
      const auto it = words.lower_bound(other);
      return it != words.end() && it->compare(0, other.size(), other) == 0;
    });
  }
  // 0 for the very name, 1 for its beginning, 2 for less.
  int Rank(const std::string& user_id, std::string_view display_name) const {
    int rank = 2;
    for (const std::string& name :
         {FoldCase(LocalpartOf(user_id)), FoldCase(user_id),
          FoldCase(display_name)}) {
      if (name == whole_) return 0;
      if (name.compare(0, whole_.size(), whole_) == 0) rank = 1;
    }
    return rank;
  }

 private:
  std::string whole_;
  std::string first_;
  std::vector<std::string> others_;
};

std::optional<std::string> TextField(const std::optional<Row>& row) {
  if (!row) return std::nullopt;
  const auto value =
      json::Document::ParseView(CellText((*row)[tables::Profiles::kJson]));
  if (!value.ok() || !value->root().IsString()) return std::nullopt;
  return std::string(*value->root().AsString());
}

struct Candidate {
  UserDirectory::Found user;
  int rank = 0;
};

// Those who match, the best first.
Result<std::vector<Candidate>> FindCandidates(Snapshot& snapshot,
                                              const Term& term) {
  MC_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      snapshot.Scan(
          {.table = &kUserWords,
           .index = UserWords::kByWord,
           .from = ScanSpec::Bound{Cell(term.first()), true},
           .to = ScanSpec::Bound{Cell(term.first() + std::string(kAfterAll)),
                                 false},
           .limit = 2 * UserDirectory::kMaxCandidates}));
  std::vector<std::string> users;
  absl::flat_hash_set<std::string_view> seen;
  for (const Row& row : rows) {
    const std::string_view user = CellText(row[UserWords::kUser]);
    if (users.size() == UserDirectory::kMaxCandidates) break;
    if (seen.insert(user).second) users.emplace_back(user);
  }
  std::vector<Row> keys;
  for (const std::string& user : users) {
    keys.push_back({Cell(user), Cell("displayname")});
    keys.push_back({Cell(user), Cell("avatar_url")});
  }
  MC_ASSIGN_OR_RETURN(const auto fields,
                      snapshot.GetMany(tables::kProfiles, keys));
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < users.size(); ++i) {
    Candidate candidate{.user = {.user_id = std::move(users[i]),
                                 .display_name = TextField(fields[2 * i]),
                                 .avatar_url = TextField(fields[2 * i + 1])}};
    const std::string name = candidate.user.display_name.value_or("");
    if (!term.MatchesOthers(WordsOfUser(candidate.user.user_id, name)))
      continue;
    candidate.rank = term.Rank(candidate.user.user_id, name);
    candidates.push_back(std::move(candidate));
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) {
              const auto key = [](const Candidate& c) {
                return std::tuple(c.rank, !c.user.display_name,
                                  !c.user.avatar_url,
                                  std::string_view(c.user.user_id));
              };
              return key(a) < key(b);
            });
  return candidates;
}

// Who can be seen by one user.
class Sight {
 public:
  Sight(RoomReader& reader, std::string_view asker)
      : reader_(reader), asker_(asker) {}

  Status Init() {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader_.RoomsOf(asker_));
    for (const MembershipRow& row : rows) {
      if (row.membership == Membership::kJoin) open_[row.room] = true;
    }
    return OkStatus();
  }

  Result<bool> Sees(std::string_view user) {
    MC_ASSIGN_OR_RETURN(const std::vector<MembershipRow> rows,
                        reader_.RoomsOf(user));
    std::vector<RoomNid> unknown;
    for (const MembershipRow& row : rows) {
      if (row.membership != Membership::kJoin) continue;
      const auto known = open_.find(row.room);
      // Nobody shares a room with themselves.
      if (known == open_.end() || user == asker_) {
        unknown.push_back(row.room);
      } else if (known->second) {
        return true;
      }
    }
    if (unknown.empty()) return false;
    MC_ASSIGN_OR_RETURN(const std::vector<RoomPreview> previews,
                        reader_.Previews(unknown));
    bool sees = false;
    for (size_t i = 0; i < unknown.size(); ++i) {
      const bool open =
          previews[i].world_readable || previews[i].join_rule == "public";
      if (user != asker_) open_[unknown[i]] = open;
      sees = sees || open;
    }
    return sees;
  }

 private:
  RoomReader& reader_;
  const std::string_view asker_;
  // Rooms whose members can be seen, and others.
  absl::flat_hash_map<RoomNid, bool> open_;
};

}  // namespace

Result<UserDirectory::SearchResult> UserDirectory::Search(
    const Session& session, std::string_view text, size_t limit) {
  SearchResult result;
  limit = std::min(limit, kMaxResults);
  const Term term(text);
  if (term.first().empty()) return result;
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(std::vector<Candidate> candidates,
                      FindCandidates(*snapshot, term));
  Sight sight(reader, session.user_id);
  MC_RETURN_IF_ERROR(sight.Init());
  for (Candidate& candidate : candidates) {
    MC_ASSIGN_OR_RETURN(const bool sees, sight.Sees(candidate.user.user_id));
    if (!sees) continue;
    if (result.users.size() == limit) {
      result.limited = true;
      break;
    }
    result.users.push_back(std::move(candidate.user));
  }
  return result;
}

void UserDirectory::Index(WriteBatch& batch, const std::string& user_id,
                          std::string_view display_name) {
  Remove(batch, user_id);
  for (const std::string& word : WordsOfUser(user_id, display_name)) {
    batch.PutRow(kUserWords, {user_id, word});
  }
}

void UserDirectory::Remove(WriteBatch& batch, const std::string& user_id) {
  batch.DeleteRows(kUserWords, {user_id});
}

Result<UserDirectory::MutualRooms> UserDirectory::FindMutualRooms(
    const Session& session, std::string_view user_id, std::string_view from) {
  if (!IsUserId(user_id) || user_id == session.user_id) {
    return InvalidParamError("`user_id` is the id of another user.");
  }
  RoomNid after = 0;
  if (!from.empty()) {
    const char* end = from.data() + from.size();
    const auto [stop, error] = std::from_chars(from.data() + 1, end, after);
    if (from[0] != 'm' || error != std::errc() || stop != end || after < 1) {
      return InvalidParamError("`from` is not a token.");
    }
  }
  MC_ASSIGN_OR_RETURN(const std::unique_ptr<Snapshot> snapshot,
                      deps_.store.NewSnapshot());
  RoomReader reader(*snapshot, deps_.caches);
  MC_ASSIGN_OR_RETURN(const auto own, reader.RoomsOf(session.user_id));
  MC_ASSIGN_OR_RETURN(const auto others, reader.RoomsOf(user_id));
  absl::flat_hash_set<RoomNid> joined;
  for (const MembershipRow& row : others) {
    if (row.membership == Membership::kJoin) joined.insert(row.room);
  }
  MutualRooms result;
  std::vector<RoomNid> page;
  for (const MembershipRow& row : own) {
    if (row.membership != Membership::kJoin || !joined.contains(row.room)) {
      continue;
    }
    ++result.count;
    if (row.room <= after) continue;
    if (page.size() == kMutualRoomsPage) {
      if (!result.next_batch)
        result.next_batch = fmt::format("m{}", page.back());
      continue;
    }
    page.push_back(row.room);
  }
  MC_ASSIGN_OR_RETURN(const auto heads, reader.Heads(page));
  for (const auto& head : heads) {
    if (head) result.joined.push_back(head->room_id);
  }
  return result;
}

}  // namespace matrixcore
