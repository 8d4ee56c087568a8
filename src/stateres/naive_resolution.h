// State resolution as the specification words it, with sets of strings and no
// thought of speed: what the differential test compares with.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "matrixcore/auth/auth.h"
#include "matrixcore/crypto/hash.h"
#include "matrixcore/event/types.h"
#include "matrixcore/event/views.h"
#include "stateres/test_room.h"

namespace matrixcore {

class NaiveResolution {
 public:
  explicit NaiveResolution(TestRoom& room) : room_(room) {
    for (const EventPtr& event : room.events()) {
      if (event->Is(kTypeCreate, "") && create_ == nullptr) {
        create_ = event.get();
      }
    }
  }

  StateIds Resolve(const std::vector<StateIds>& states) {
    if (states.empty()) return {};
    return room_.rules().state_resolution == StateResolution::kV1
               ? ResolveV1(states)
               : ResolveV2(states);
  }

 private:
  using Ids = std::set<std::string>;

  const Event& Get(const std::string& id) { return *room_.Find(id); }
  static StateKey KeyOf(const Event& event) {
    return {std::string(event.type()), std::string(*event.state_key())};
  }
  std::vector<std::string> AuthOf(const std::string& id) {
    std::vector<std::string> known;
    for (const std::string& auth : Get(id).auth_events()) {
      if (room_.Find(auth) != nullptr) known.push_back(auth);
    }
    return known;
  }
  void AddChain(const std::string& id, Ids* chain) {
    for (const std::string& auth : AuthOf(id)) {
      if (chain->insert(auth).second) AddChain(auth, chain);
    }
  }
  Ids Chain(const std::string& id) {
    Ids chain;
    AddChain(id, &chain);
    return chain;
  }
  // The auth event of that type and state key, "" if it names none.
  std::string OwnAuth(const std::string& id, std::string_view type,
                      std::string_view state_key) {
    for (const std::string& auth : AuthOf(id)) {
      if (Get(auth).Is(type, state_key)) return auth;
    }
    return "";
  }

  // The state that the authorisation rules look at.
  class Source : public StateSource {
   public:
    Source(NaiveResolution& outer, const StateIds& state, const Event& event)
        : outer_(outer), state_(state), event_(event) {}
    const Event* Find(std::string_view type,
                      std::string_view state_key) const override {
      const RoomVersionRules& rules = event_.rules();
      if (type == kTypeCreate && !rules.create_in_auth_events) {
        return outer_.Accepted(outer_.create_);
      }
      const auto found =
          state_.find(StateKey{std::string(type), std::string(state_key)});
      if (found != state_.end()) {
        const Event* event = outer_.Accepted(&outer_.Get(found->second));
        if (event != nullptr) return event;
      }
      if (rules.state_resolution == StateResolution::kV1) return nullptr;
      const std::string own =
          outer_.OwnAuth(event_.event_id(), type, state_key);
      return own.empty() ? nullptr : outer_.Accepted(&outer_.Get(own));
    }

   private:
    NaiveResolution& outer_;
    const StateIds& state_;
    const Event& event_;
  };
  const Event* Accepted(const Event* event) {
    return event == nullptr || room_.IsRejected(event->event_id()) ? nullptr
                                                                   : event;
  }
  bool Allowed(const std::string& id, const StateIds& state) {
    const Event& event = Get(id);
    return CheckStateAuth(event, Source(*this, state, event)).allowed();
  }

  static bool IsPowerEvent(const Event& event) {
    if (!event.is_state()) return false;
    if (event.Is(kTypePowerLevels, "") || event.Is(kTypeJoinRules, "") ||
        event.Is(kTypeCreate, "")) {
      return true;
    }
    const Membership membership = MembershipOf(event);
    return event.type() == kTypeMember &&
           (membership == Membership::kLeave ||
            membership == Membership::kBan) &&
           event.sender() != *event.state_key();
  }

  int64_t SenderLevel(const std::string& id) {
    const Event& event = Get(id);
    const std::string levels = OwnAuth(id, kTypePowerLevels, "");
    const std::string own_create = OwnAuth(id, kTypeCreate, "");
    const Event* create =
        room_.rules().create_in_auth_events
            ? (own_create.empty() ? nullptr : &Get(own_create))
            : create_;
    if (create == &event) create = nullptr;
    return PowerLevels(create, levels.empty() ? nullptr : &Get(levels))
        .User(event.sender());
  }

  std::vector<std::string> PowerOrder(Ids left) {
    std::vector<std::string> order;
    while (!left.empty()) {
      std::optional<std::tuple<int64_t, int64_t, std::string>> best;
      for (const std::string& id : left) {
        bool free = true;
        for (const std::string& auth : AuthOf(id)) {
          free = free && left.count(auth) == 0;
        }
        if (!free) continue;
        const std::tuple<int64_t, int64_t, std::string> candidate{
            -SenderLevel(id), Get(id).origin_server_ts(), id};
        if (!best.has_value() || candidate < *best) best = candidate;
      }
      order.push_back(std::get<2>(*best));
      left.erase(order.back());
    }
    return order;
  }

  std::vector<std::string> MainlineOrder(const std::vector<std::string>& events,
                                         const std::string& levels) {
    std::vector<std::string> mainline;
    for (std::string p = levels; !p.empty();
         p = OwnAuth(p, kTypePowerLevels, "")) {
      mainline.push_back(p);
    }
    std::vector<std::tuple<int64_t, int64_t, std::string>> rows;
    for (const std::string& id : events) {
      int64_t position = INT64_MAX;
      for (std::string e = OwnAuth(id, kTypePowerLevels, ""); !e.empty();
           e = OwnAuth(e, kTypePowerLevels, "")) {
        const auto at = std::find(mainline.begin(), mainline.end(), e);
        if (at != mainline.end()) {
          position = at - mainline.begin();
          break;
        }
      }
      rows.emplace_back(-position, Get(id).origin_server_ts(), id);
    }
    std::sort(rows.begin(), rows.end());
    std::vector<std::string> order;
    for (const auto& row : rows) order.push_back(std::get<2>(row));
    return order;
  }

  void CheckIteratively(const std::vector<std::string>& events,
                        StateIds* state) {
    for (const std::string& id : events) {
      if (Get(id).is_state() && Allowed(id, *state)) {
        (*state)[KeyOf(Get(id))] = id;
      }
    }
  }

  static void Split(const std::vector<StateIds>& states, StateIds* unconflicted,
                    Ids* conflicted) {
    for (const StateIds& state : states) {
      for (const auto& [key, id] : state) {
        bool everywhere = true;
        for (const StateIds& other : states) {
          const auto found = other.find(key);
          everywhere =
              everywhere && found != other.end() && found->second == id;
        }
        if (everywhere) {
          (*unconflicted)[key] = id;
        } else {
          conflicted->insert(id);
        }
      }
    }
  }

  Ids AuthDifference(const std::vector<StateIds>& states) {
    std::map<std::string, size_t> counts;
    for (const StateIds& state : states) {
      Ids chain;
      for (const auto& [key, id] : state) AddChain(id, &chain);
      for (const std::string& id : chain) ++counts[id];
    }
    Ids difference;
    for (const auto& [id, count] : counts) {
      if (count != states.size()) difference.insert(id);
    }
    return difference;
  }

  Ids Subgraph(const Ids& conflicted) {
    Ids below = conflicted;
    for (const std::string& id : conflicted) AddChainAll(id, &below);
    Ids subgraph;
    for (const std::string& id : below) {
      Ids reach = Chain(id);
      reach.insert(id);
      for (const std::string& target : conflicted) {
        if (reach.count(target) != 0) subgraph.insert(id);
      }
    }
    return subgraph;
  }
  void AddChainAll(const std::string& id, Ids* out) {
    const Ids chain = Chain(id);
    out->insert(chain.begin(), chain.end());
  }

  StateIds ResolveV2(const std::vector<StateIds>& states) {
    StateIds unconflicted;
    Ids full;
    Split(states, &unconflicted, &full);
    if (full.empty()) return unconflicted;
    const bool v2_1 = room_.rules().state_resolution == StateResolution::kV2_1;
    Ids more = AuthDifference(states);
    if (v2_1) more.merge(Subgraph(full));
    full.merge(more);

    Ids power;
    std::vector<std::string> open;
    for (const std::string& id : full) {
      if (IsPowerEvent(Get(id))) open.push_back(id);
    }
    while (!open.empty()) {
      const std::string id = open.back();
      open.pop_back();
      if (!power.insert(id).second) continue;
      for (const std::string& auth : AuthOf(id)) {
        if (full.count(auth) != 0) open.push_back(auth);
      }
    }
    StateIds state = v2_1 ? StateIds() : unconflicted;
    CheckIteratively(PowerOrder(power), &state);
    std::vector<std::string> rest;
    for (const std::string& id : full) {
      if (power.count(id) == 0 && Get(id).is_state()) rest.push_back(id);
    }
    const auto levels = state.find(StateKey{std::string(kTypePowerLevels), ""});
    CheckIteratively(
        MainlineOrder(rest, levels == state.end() ? "" : levels->second),
        &state);
    for (const auto& [key, id] : unconflicted) state[key] = id;
    return state;
  }

  StateIds ResolveV1(const std::vector<StateIds>& states) {
    std::map<StateKey, Ids> all;
    for (const StateIds& state : states) {
      for (const auto& [key, id] : state) all[key].insert(id);
    }
    StateIds r;
    for (const auto& [key, ids] : all) {
      if (ids.size() == 1) r[key] = *ids.begin();
    }
    const StateKey power{std::string(kTypePowerLevels), ""};
    for (int pass = 0; pass < 4; ++pass) {
      StateIds resolved;
      for (const auto& [key, ids] : all) {
        const int own_pass = key == power                 ? 0
                             : key.type == kTypeJoinRules ? 1
                             : key.type == kTypeMember    ? 2
                                                          : 3;
        if (ids.size() == 1 || own_pass != pass) continue;
        resolved[key] = PickV1(key, ids, r, pass < 3);
      }
      for (const auto& [key, id] : resolved) r[key] = id;
    }
    return r;
  }

  std::string PickV1(const StateKey& key, const Ids& ids, StateIds r,
                     bool auth) {
    std::vector<std::string> list(ids.begin(), ids.end());
    std::sort(list.begin(), list.end(), [&](const auto& a, const auto& b) {
      if (Get(a).depth() != Get(b).depth()) {
        return Get(a).depth() < Get(b).depth();
      }
      return Sha1(AsBytes(a)) > Sha1(AsBytes(b));
    });
    if (!auth) {
      for (auto id = list.rbegin(); id != list.rend(); ++id) {
        if (Allowed(*id, r)) return *id;
      }
      return list.front();
    }
    r[key] = list[0];
    for (size_t i = 1; i < list.size() && Allowed(list[i], r); ++i) {
      r[key] = list[i];
    }
    return r[key];
  }

  TestRoom& room_;
  const Event* create_ = nullptr;
};

}  // namespace matrixcore
