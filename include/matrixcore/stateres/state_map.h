// StateMap: the state of a room at one point, as numbers of a RoomGraph.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace matrixcore {

// Numbers that a RoomGraph gives to its events and to (type, state_key) pairs.
using EventIdx = uint32_t;
using KeyIdx = uint32_t;
// "No event", "no key".
inline constexpr uint32_t kNoIndex = UINT32_MAX;

// A map from KeyIdx to EventIdx.
//
// A value with structural sharing: a copy costs nothing, a changed copy shares
// all but a path of four small nodes (about 500 bytes) with the original, and
// the difference of two such maps is found without looking at what they share.
// So the states before each event of a long history can all be kept.
//
// Thread-safety: as a plain value; copies may be used by different threads.
class StateMap {
 public:
  StateMap() = default;
  StateMap(const StateMap& other);
  StateMap(StateMap&& other) noexcept;
  StateMap& operator=(StateMap other) noexcept;
  ~StateMap();

  // The event at `key`, or kNoIndex.
  EventIdx Get(KeyIdx key) const;
  // Puts an event at `key`, or removes what is there (kNoIndex).
  void Set(KeyIdx key, EventIdx event);
  // The number of keys with an event.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Calls visit(key, event), in the order of the keys' numbers.
  template <typename Visit>
  void ForEach(Visit visit) const {
    VisitNode(root_, height_, 0, visit);
  }
  // Calls visit(key, event in a, event in b) for each key at which they differ;
  // kNoIndex where one has none.
  template <typename Visit>
  static void Diff(const StateMap& a, const StateMap& b, Visit visit) {
    const uint32_t height = a.height_ > b.height_ ? a.height_ : b.height_;
    DiffNode(a.root_, a.height_, b.root_, b.height_, height, 0, visit);
  }
  friend bool operator==(const StateMap& a, const StateMap& b);

 private:
  static constexpr uint32_t kFanOut = 16;
  static constexpr uint32_t kBits = 4;
  struct Node {
    std::atomic<uint32_t> references{1};
    bool leaf = false;
  };
  struct Leaf : Node {
    std::array<EventIdx, kFanOut> events;
  };
  struct Inner : Node {
    std::array<Node*, kFanOut> children{};
  };

  static Node* Share(Node* node);
  static void Release(Node* node);
  static Node* Writable(Node* node, uint32_t height);

  template <typename Visit>
  static void VisitNode(const Node* node, uint32_t height, KeyIdx first,
                        Visit& visit) {
    if (node == nullptr) return;
    if (height == 0) {
      const auto& events = static_cast<const Leaf*>(node)->events;
      for (uint32_t i = 0; i < kFanOut; ++i) {
        if (events[i] != kNoIndex) visit(first + i, events[i]);
      }
      return;
    }
    const auto& children = static_cast<const Inner*>(node)->children;
    for (uint32_t i = 0; i < kFanOut; ++i) {
      VisitNode(children[i], height - 1, first + (i << (kBits * height)),
                visit);
    }
  }

  // The part of a tree below slot `i` of a virtual node of `height`.
  static const Node* Child(const Node* node, uint32_t own_height,
                           uint32_t height, uint32_t i) {
    if (node == nullptr) return nullptr;
    if (own_height < height) return i == 0 ? node : nullptr;
    return static_cast<const Inner*>(node)->children[i];
  }

  template <typename Visit>
  static void DiffNode(const Node* a, uint32_t height_a, const Node* b,
                       uint32_t height_b, uint32_t height, KeyIdx first,
                       Visit& visit) {
    if (a == b) return;
    if (height == 0) {
      for (uint32_t i = 0; i < kFanOut; ++i) {
        const EventIdx x =
            a == nullptr ? kNoIndex : static_cast<const Leaf*>(a)->events[i];
        const EventIdx y =
            b == nullptr ? kNoIndex : static_cast<const Leaf*>(b)->events[i];
        if (x != y) visit(first + i, x, y);
      }
      return;
    }
    for (uint32_t i = 0; i < kFanOut; ++i) {
      DiffNode(Child(a, height_a, height, i),
               height_a < height ? height_a : height - 1,
               Child(b, height_b, height, i),
               height_b < height ? height_b : height - 1, height - 1,
               first + (i << (kBits * height)), visit);
    }
  }

  Node* root_ = nullptr;
  uint32_t height_ = 0;  // Levels of Inner above the leaves.
  size_t size_ = 0;
};

}  // namespace matrixcore
