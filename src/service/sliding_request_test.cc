// How requests of sliding sync are read (MSC4186, "Request Body", and the
// simplified form of MSC3575 that came before it).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "matrixcore/json/value.h"
#include "matrixcore/service/sliding_sync.h"

namespace matrixcore {
namespace {

using ::testing::ElementsAre;
using Element = RequiredState::Element;

constexpr SlidingForm kMsc4186 = SlidingForm::kMsc4186;
constexpr SlidingForm kSimplified = SlidingForm::kSimplified;

Result<SlidingRequest> Parse(SlidingForm form, std::string_view body) {
  const auto document = json::Document::ParseView(body);
  EXPECT_TRUE(document.ok()) << body;
  return ParseSlidingRequest(document->root(), form,
                             {.user_id = "@alice:x", .device_id = "DEVICE"});
}

SlidingRequest Read(SlidingForm form, std::string_view body) {
  Result<SlidingRequest> request = Parse(form, body);
  EXPECT_TRUE(request.ok()) << body << request.status().ToString();
  return request.ok() ? *std::move(request) : SlidingRequest();
}

// "" for what is accepted.
std::string Errcode(SlidingForm form, std::string_view body) {
  const Result<SlidingRequest> request = Parse(form, body);
  return request.ok() ? "" : std::string(request.status().errcode());
}

// A list "a" that has more members than those that it must have.
std::string WithList(SlidingForm form, std::string_view more) {
  return fmt::format(
      R"({{"lists":{{"a":{{"timeline_limit":1,"required_state":{}{}{}}}}}}})",
      form == kMsc4186 ? "{}" : "[]", more.empty() ? "" : ",", more);
}
SlidingList ReadList(SlidingForm form, std::string_view more) {
  SlidingRequest request = Read(form, WithList(form, more));
  EXPECT_EQ(request.lists.size(), 1u);
  return request.lists.empty() ? SlidingList() : request.lists[0];
}
std::string ListErrcode(SlidingForm form, std::string_view more) {
  return Errcode(form, WithList(form, more));
}
// The state that a subscription with that `required_state` wants.
std::string WithState(std::string_view required_state) {
  return fmt::format(R"({{"room_subscriptions":{{"!r:x":{{)"
                     R"("timeline_limit":0,"required_state":{}}}}}}})",
                     required_state);
}
RequiredState ReadState(SlidingForm form, std::string_view required_state) {
  SlidingRequest request = Read(form, WithState(required_state));
  EXPECT_EQ(request.subscriptions.size(), 1u);
  return request.subscriptions.empty()
             ? RequiredState()
             : request.subscriptions[0].config.required_state;
}

TEST(SlidingRequestTest, AnEmptyBodyAsksForNothing) {
  for (const SlidingForm form : {kMsc4186, kSimplified}) {
    const SlidingRequest request = Read(form, "{}");
    EXPECT_EQ(request.form, form);
    EXPECT_EQ(request.session.user_id, "@alice:x");
    EXPECT_EQ(request.conn_id, "");
    EXPECT_FALSE(request.pos);
    EXPECT_EQ(request.timeout, Duration(0));
    EXPECT_EQ(request.set_presence, "");
    EXPECT_TRUE(request.lists.empty());
    EXPECT_TRUE(request.subscriptions.empty());
    EXPECT_EQ(request.extensions, SlidingExtensions());
    EXPECT_EQ(Errcode(form, "[]"), "M_BAD_JSON");
  }
}

TEST(SlidingRequestTest, NullIsAsGoodAsAbsent) {
  EXPECT_EQ(Read(kMsc4186,
                 R"({"conn_id":null,"pos":null,"timeout":null,"txn_id":null,)"
                 R"("set_presence":null,"lists":null,"extensions":null,)"
                 R"("room_subscriptions":null})")
                .lists.size(),
            0u);
  EXPECT_FALSE(ReadList(kMsc4186, R"("range":null,"filters":null)").ranges);
}

TEST(SlidingRequestTest, TheNewFormHasEverythingInItsBody) {
  const SlidingRequest request =
      Read(kMsc4186, R"({"conn_id":"main","pos":"s1","timeout":30000,)"
                     R"("set_presence":"unavailable","txn_id":"t"})");
  EXPECT_EQ(request.conn_id, "main");
  EXPECT_EQ(request.pos, "s1");
  EXPECT_EQ(request.timeout, milliseconds(30000));
  EXPECT_EQ(request.set_presence, "unavailable");
  EXPECT_EQ(request.txn_id, "t");
}

// There these stand in the query.
TEST(SlidingRequestTest, TheOlderFormTakesNoPositionFromItsBody) {
  const SlidingRequest request = Read(
      kSimplified,
      R"({"conn_id":"main","pos":"s1","timeout":30000,"set_presence":"x"})");
  EXPECT_EQ(request.conn_id, "main");
  EXPECT_FALSE(request.pos);
  EXPECT_EQ(request.timeout, Duration(0));
  EXPECT_EQ(request.set_presence, "");
}

TEST(SlidingRequestTest, TopLevelFieldsHaveTypesAndLimits) {
  const auto conn_id = [](size_t bytes) {
    return fmt::format(R"({{"conn_id":"{}"}})", std::string(bytes, 'c'));
  };
  EXPECT_EQ(Errcode(kMsc4186, conn_id(255)), "");
  EXPECT_EQ(Errcode(kMsc4186, conn_id(256)), "M_INVALID_PARAM");
  EXPECT_EQ(Errcode(kMsc4186, R"({"conn_id":7})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"pos":7})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"timeout":"1"})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"timeout":-1})"), "M_INVALID_PARAM");
  EXPECT_EQ(Errcode(kMsc4186, R"({"set_presence":false})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"txn_id":[]})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"lists":[]})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"room_subscriptions":[]})"), "M_BAD_JSON");
  EXPECT_EQ(Errcode(kMsc4186, R"({"extensions":[]})"), "M_BAD_JSON");
}

TEST(SlidingRequestTest, ARequestHasSoManyListsAndSubscriptions) {
  const auto many = [](std::string_view field, std::string_view key, int n) {
    std::string body = fmt::format(R"({{"{}":{{)", field);
    for (int i = 0; i < n; ++i) {
      body += fmt::format(
          R"({}"{}{}":{{"timeline_limit":1,"required_state":{{}}}})",
          i == 0 ? "" : ",", key, i);
    }
    return body + "}}";
  };
  EXPECT_EQ(Errcode(kMsc4186, many("lists", "l", 100)), "");
  EXPECT_EQ(Errcode(kMsc4186, many("lists", "l", 101)), "M_INVALID_PARAM");
  EXPECT_EQ(Errcode(kMsc4186, many("room_subscriptions", "!r:", 100)), "");
  EXPECT_EQ(Errcode(kMsc4186, many("room_subscriptions", "!r:", 101)),
            "M_INVALID_PARAM");
}

// Spec: appendices, "Opaque Identifiers".
TEST(SlidingRequestTest, NamesOfListsAreOpaqueIdentifiers) {
  const auto named = [](SlidingForm form, const std::string& name) {
    return Errcode(form, fmt::format(R"({{"lists":{{"{}":{{"timeline_limit":1,)"
                                     R"("required_state":{}}}}}}})",
                                     name, form == kMsc4186 ? "{}" : "[]"));
  };
  EXPECT_EQ(named(kMsc4186, "aZ09-._~"), "");
  EXPECT_EQ(named(kMsc4186, std::string(255, 'a')), "");
  for (const std::string& bad : {std::string(), std::string("a b"),
                                 std::string("ä"), std::string(256, 'a')}) {
    EXPECT_EQ(named(kMsc4186, bad), "M_INVALID_PARAM") << bad;
  }
  // Clients of the older form name them as they like.
  EXPECT_EQ(named(kSimplified, "all rooms"), "");
  EXPECT_EQ(named(kSimplified, ""), "M_INVALID_PARAM");
  EXPECT_EQ(named(kSimplified, std::string(256, 'a')), "M_INVALID_PARAM");
}

TEST(SlidingRequestTest, ListsAndSubscriptionsAreInOrder) {
  const SlidingRequest request = Read(
      kMsc4186, R"({"lists":{"b":{"timeline_limit":1,"required_state":{}},)"
                R"("a":{"timeline_limit":2,"required_state":{}}},)"
                R"("room_subscriptions":{"!z:x":{"timeline_limit":3,)"
                R"("required_state":{}},"!y:x":{"timeline_limit":4,)"
                R"("required_state":{}}}})");
  ASSERT_EQ(request.lists.size(), 2u);
  EXPECT_EQ(request.lists[0].name, "a");
  EXPECT_EQ(request.lists[0].config.timeline_limit, 2u);
  ASSERT_EQ(request.subscriptions.size(), 2u);
  EXPECT_EQ(request.subscriptions[0].room_id, "!y:x");
  EXPECT_EQ(request.subscriptions[0].config.timeline_limit, 4u);
}

TEST(SlidingRequestTest, ALimitAndAStateMustBeGiven) {
  for (const char* field : {"lists", "room_subscriptions"}) {
    const auto errcode = [field](std::string_view config) {
      return Errcode(kMsc4186,
                     fmt::format(R"({{"{}":{{"a":{}}}}})", field, config));
    };
    EXPECT_EQ(errcode(R"({"timeline_limit":1,"required_state":{}})"), "");
    EXPECT_EQ(errcode(R"({"required_state":{}})"), "M_BAD_JSON");
    EXPECT_EQ(errcode(R"({"timeline_limit":1})"), "M_BAD_JSON");
    EXPECT_EQ(errcode(R"({"timeline_limit":"1","required_state":{}})"),
              "M_BAD_JSON");
    EXPECT_EQ(errcode(R"({"timeline_limit":-1,"required_state":{}})"),
              "M_INVALID_PARAM");
    EXPECT_EQ(errcode("[]"), "M_BAD_JSON");
  }
  // The older form may leave its state out.
  EXPECT_EQ(Errcode(kSimplified, R"({"lists":{"a":{"timeline_limit":1}}})"),
            "");
}

TEST(SlidingRequestTest, TimelineLimitsAreCut) {
  const SlidingRequest request =
      Read(kMsc4186,
           R"({"lists":{"a":{"timeline_limit":100000,"required_state":{}}}})");
  EXPECT_EQ(request.lists[0].config.timeline_limit, 100u);
}

TEST(SlidingRequestTest, RangesAreInclusiveAndFromZero) {
  const SlidingList all = ReadList(kMsc4186, "");
  EXPECT_FALSE(all.ranges);
  EXPECT_TRUE(all.Contains(1'000'000));
  const SlidingList list = ReadList(kMsc4186, R"("range":[2,4])");
  EXPECT_FALSE(list.Contains(1));
  EXPECT_TRUE(list.Contains(2));
  EXPECT_TRUE(list.Contains(4));
  EXPECT_FALSE(list.Contains(5));
  const SlidingList two =
      ReadList(kSimplified, R"("ranges":[[0,0],[7,9]],"range":[3,4])");
  EXPECT_TRUE(two.Contains(0));
  EXPECT_FALSE(two.Contains(3));
  EXPECT_TRUE(two.Contains(9));
  // Each form has its own name for them.
  EXPECT_FALSE(ReadList(kMsc4186, R"("ranges":[[0,0]])").ranges);
}

TEST(SlidingRequestTest, BadRangesAreRefused) {
  for (const char* range : {"[1]", "[1,2,3]", "1", R"(["0","1"])"}) {
    EXPECT_EQ(ListErrcode(kMsc4186, fmt::format(R"("range":{})", range)),
              "M_BAD_JSON")
        << range;
    EXPECT_EQ(ListErrcode(kSimplified, fmt::format(R"("ranges":[{}])", range)),
              "M_BAD_JSON")
        << range;
  }
  for (const char* range : {"[3,1]", "[-1,1]"}) {
    EXPECT_EQ(ListErrcode(kMsc4186, fmt::format(R"("range":{})", range)),
              "M_INVALID_PARAM")
        << range;
  }
  EXPECT_EQ(ListErrcode(kSimplified, R"("ranges":{})"), "M_BAD_JSON");
}

TEST(SlidingRequestTest, ReadsEveryFilter) {
  const SlidingFilters read =
      ReadList(kMsc4186,
               R"("filters":{"is_dm":true,"is_encrypted":false,)"
               R"("is_invited":true,"spaces":["!s:x"],"room_types":["a",null],)"
               R"("not_room_types":["b"],"tags":["t"],"not_tags":["u"],)"
               R"("room_name_like":"tea"})")
          .filters;
  EXPECT_EQ(read.is_dm, true);
  EXPECT_EQ(read.is_encrypted, false);
  EXPECT_EQ(read.is_invited, true);
  EXPECT_THAT(*read.spaces, ElementsAre("!s:x"));
  EXPECT_THAT(*read.room_types, ElementsAre("a", ""));
  EXPECT_THAT(read.not_room_types, ElementsAre("b"));
  EXPECT_THAT(*read.tags, ElementsAre("t"));
  EXPECT_THAT(read.not_tags, ElementsAre("u"));
  EXPECT_EQ(read.room_name_like, "tea");
}

TEST(SlidingRequestTest, FiltersThatAreNotSetAllowAll) {
  EXPECT_EQ(ReadList(kMsc4186, R"("filters":{})").filters, SlidingFilters());
  // An empty list allows nothing ...
  EXPECT_TRUE(ReadList(kMsc4186, R"("filters":{"room_types":[]})")
                  .filters.room_types->empty());
  // ... but clients of the older form leave lists that ask for nothing empty.
  EXPECT_FALSE(ReadList(kSimplified, R"("filters":{"room_types":[]})")
                   .filters.room_types);
}

TEST(SlidingRequestTest, TheOlderFormCallsInvitesOtherwise) {
  constexpr char kFilters[] = R"("filters":{"is_invite":true})";
  EXPECT_EQ(ReadList(kSimplified, kFilters).filters.is_invited, true);
  EXPECT_FALSE(ReadList(kMsc4186, kFilters).filters.is_invited);
}

TEST(SlidingRequestTest, BadFiltersAreRefused) {
  for (const char* filter :
       {R"("is_dm":"yes")", R"("is_encrypted":1)", R"("is_invited":[])",
        R"("spaces":"!s:x")", R"("spaces":[null])", R"("room_types":[1])",
        R"("not_room_types":"m.space")", R"("tags":[null])",
        R"("not_tags":[7])", R"("room_name_like":7)"}) {
    EXPECT_EQ(ListErrcode(kMsc4186, fmt::format(R"("filters":{{{}}})", filter)),
              "M_BAD_JSON")
        << filter;
  }
  EXPECT_EQ(ListErrcode(kMsc4186, R"("filters":[])"), "M_BAD_JSON");
}

TEST(SlidingRequestTest, RequiredStateIncludesAndExcludes) {
  const RequiredState state = ReadState(
      kMsc4186, R"({"include":[{"type":"b"},{"type":"a","state_key":""}],)"
                R"("exclude":[{"state_key":"k"}],"lazy_members":true})");
  EXPECT_THAT(state.include,
              ElementsAre(Element{"a", ""}, Element{"b", std::nullopt}));
  EXPECT_THAT(state.exclude, ElementsAre(Element{std::nullopt, "k"}));
  EXPECT_TRUE(state.lazy_members);
  EXPECT_TRUE(state.Matches("a", ""));
  EXPECT_FALSE(state.Matches("a", "x"));
  EXPECT_TRUE(state.Matches("b", "x"));
  EXPECT_FALSE(state.Matches("b", "k"));
}

TEST(SlidingRequestTest, LazyMembersAreNamedByTheirKeyOnly) {
  const RequiredState state = ReadState(
      kMsc4186,
      R"({"include":[{},{"type":"m.room.member","state_key":"@b:x"}],)"
      R"("lazy_members":true})");
  EXPECT_TRUE(state.Matches("m.room.name", ""));
  EXPECT_TRUE(state.Matches("m.room.member", "@b:x"));
  EXPECT_FALSE(state.Matches("m.room.member", "@c:x"));
  EXPECT_FALSE(state.WantsAllMembers());
  EXPECT_TRUE(ReadState(kMsc4186, R"({"include":[{}]})").WantsAllMembers());
  // Who excludes some wants the others only.
  EXPECT_FALSE(ReadState(kMsc4186, R"({"include":[{}],"exclude":[{"type":)"
                                   R"("m.room.member","state_key":"@b:x"}]})")
                   .WantsAllMembers());
}

TEST(SlidingRequestTest, TheOlderFormNamesStateInPairs) {
  const RequiredState state = ReadState(
      kSimplified, R"([["m.room.create",""],["m.room.member","$ME"],)"
                   R"(["m.room.member","$LAZY"],["org.a","*"],["*","k"]])");
  EXPECT_THAT(state.include, ElementsAre(Element{std::nullopt, "k"},
                                         Element{"m.room.create", ""},
                                         Element{"m.room.member", "@alice:x"},
                                         Element{"org.a", std::nullopt}));
  EXPECT_TRUE(state.lazy_members);
  // All members are more than those that the timeline needs.
  EXPECT_FALSE(ReadState(kSimplified,
                         R"([["m.room.member","$LAZY"],["m.room.member","*"]])")
                   .lazy_members);
  // "$LAZY" means nothing for other types.
  EXPECT_FALSE(ReadState(kSimplified, R"([["org.a","$LAZY"]])").lazy_members);
}

TEST(SlidingRequestTest, BadRequiredStateIsRefused) {
  for (const char* state :
       {"[]", R"({"include":{}})", R"({"include":[[]]})",
        R"({"include":[{"type":1}]})", R"({"exclude":[{"state_key":null},1]})",
        R"({"lazy_members":1})"}) {
    EXPECT_EQ(Errcode(kMsc4186, WithState(state)), "M_BAD_JSON") << state;
  }
  for (const char* state :
       {"{}", R"([["m.room.create"]])", R"([["a","b","c"]])", R"([[1,2]])",
        R"(["m.room.create"])"}) {
    EXPECT_EQ(Errcode(kSimplified, WithState(state)), "M_BAD_JSON") << state;
  }
  const auto pairs = [](int n) {
    std::string state = "[";
    for (int i = 0; i < n; ++i) {
      state += fmt::format(R"({}["t{}",""])", i == 0 ? "" : ",", i);
    }
    return WithState(state + "]");
  };
  EXPECT_EQ(Errcode(kSimplified, pairs(500)), "");
  EXPECT_EQ(Errcode(kSimplified, pairs(501)), "M_INVALID_PARAM");
}

TEST(SlidingRequestTest, HeroesComeUnlessTheyAreNotWanted) {
  EXPECT_TRUE(ReadList(kSimplified, "").config.include_heroes);
  EXPECT_FALSE(
      ReadList(kSimplified, R"("include_heroes":false)").config.include_heroes);
  EXPECT_EQ(ListErrcode(kSimplified, R"("include_heroes":1)"), "M_BAD_JSON");
}

SlidingExtensions ReadExtensions(std::string_view members) {
  return Read(kMsc4186, fmt::format(R"({{"extensions":{{{}}}}})", members))
      .extensions;
}

TEST(SlidingRequestTest, ReadsEveryExtension) {
  const SlidingExtensions read = ReadExtensions(
      R"("to_device":{"enabled":true,"limit":7,"since":"12"},)"
      R"("e2ee":{"enabled":true},"account_data":{"enabled":true},)"
      R"("receipts":{"enabled":true,"lists":["b","a"],"rooms":["!r:x"]},)"
      R"("typing":{"enabled":true,"rooms":["*"]},)"
      R"("io.element.msc4308.thread_subscriptions":)"
      R"({"enabled":true,"limit":9},"org.unknown":7)");
  EXPECT_TRUE(read.to_device.enabled);
  EXPECT_EQ(read.to_device.limit, 7u);
  EXPECT_EQ(read.to_device.since, 12);
  EXPECT_TRUE(read.e2ee);
  EXPECT_TRUE(read.account_data.enabled);
  EXPECT_FALSE(read.account_data.lists);
  EXPECT_THAT(*read.receipts.lists, ElementsAre("a", "b"));
  EXPECT_THAT(*read.receipts.rooms, ElementsAre("!r:x"));
  EXPECT_TRUE(read.typing.enabled);
  EXPECT_FALSE(read.typing.rooms);  // "*" stands for all.
  EXPECT_TRUE(read.thread_subscriptions.enabled);
  EXPECT_EQ(read.thread_subscriptions.limit, 9u);
}

TEST(SlidingRequestTest, ExtensionsAreOffUntilTheyAreSwitchedOn) {
  const SlidingExtensions read = ReadExtensions(
      R"("to_device":{},"e2ee":{},"account_data":{},"receipts":{},)"
      R"("typing":{},"io.element.msc4308.thread_subscriptions":{})");
  EXPECT_FALSE(read.to_device.enabled);
  EXPECT_EQ(read.to_device.limit, 100u);
  EXPECT_FALSE(read.to_device.since);
  EXPECT_FALSE(read.e2ee);
  EXPECT_FALSE(read.account_data.enabled);
  EXPECT_FALSE(read.receipts.enabled);
  EXPECT_FALSE(read.typing.enabled);
  EXPECT_FALSE(read.thread_subscriptions.enabled);
  // Some clients begin with an empty token.
  EXPECT_FALSE(ReadExtensions(R"("to_device":{"since":""})").to_device.since);
}

TEST(SlidingRequestTest, BadExtensionsAreRefused) {
  const auto errcode = [](std::string_view members) {
    return Errcode(kMsc4186,
                   fmt::format(R"({{"extensions":{{{}}}}})", members));
  };
  for (const char* name :
       {"to_device", "e2ee", "account_data", "receipts", "typing",
        "io.element.msc4308.thread_subscriptions"}) {
    EXPECT_EQ(errcode(fmt::format(R"("{}":true)", name)), "M_BAD_JSON") << name;
    EXPECT_EQ(errcode(fmt::format(R"("{}":{{"enabled":1}})", name)),
              "M_BAD_JSON")
        << name;
  }
  EXPECT_EQ(errcode(R"("receipts":{"lists":"all"})"), "M_BAD_JSON");
  EXPECT_EQ(errcode(R"("typing":{"rooms":[1]})"), "M_BAD_JSON");
  EXPECT_EQ(errcode(R"("to_device":{"limit":-1})"), "M_INVALID_PARAM");
  EXPECT_EQ(errcode(R"("to_device":{"limit":"1"})"), "M_BAD_JSON");
  for (const char* since : {"x", "-1", "1x", "99999999999999999999"}) {
    EXPECT_EQ(errcode(fmt::format(R"("to_device":{{"since":"{}"}})", since)),
              "M_INVALID_PARAM")
        << since;
  }
  EXPECT_EQ(errcode(R"("io.element.msc4308.thread_subscriptions":{"limit":0})"),
            "M_INVALID_PARAM");
}

}  // namespace
}  // namespace matrixcore
