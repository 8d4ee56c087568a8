// StateTree: the state of a room at one point, as numbers of a RoomGraph.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "matrixcore/base/mutex.h"

namespace matrixcore {

// Numbers that a RoomGraph gives to its events and to (type, state_key) pairs.
using EventIdx = uint32_t;
using KeyIdx = uint32_t;
// "No event", "no key".
inline constexpr uint32_t kNoIndex = UINT32_MAX;

// A map from KeyIdx to EventIdx.
//
// A value with structural sharing: a copy costs nothing, a changed copy shares
// all but a path of small nodes (5 of 36 bytes for 32,768 keys) with the
// original, and the difference of two such maps is found without looking at
// what they share.  So the states before each event of a long history can all
// be kept: 50,000 of a room with 11,500 keys take about 10 MB.
//
// Maps that were made from one another by copying keep their nodes together,
// as numbers into a few large blocks; the blocks are freed with the last of
// these maps.
//
// Thread-safety: as a plain value; copies may be used by different threads.
class StateTree {
 public:
  struct Change {
    KeyIdx key = 0;
    EventIdx event = kNoIndex;  // kNoIndex removes the key.
  };

  StateTree() = default;
  StateTree(const StateTree& other);
  StateTree(StateTree&& other) noexcept;
  StateTree& operator=(StateTree other) noexcept;
  ~StateTree();

  // The event at `key`, or kNoIndex.
  EventIdx Get(KeyIdx key) const;
  // Puts an event at `key`, or removes what is there (kNoIndex).
  void Set(KeyIdx key, EventIdx event) {
    const Change change{key, event};
    Apply({&change, 1});
  }
  // The same for many keys, in ascending order, each once.
  void Apply(std::span<const Change> changes);
  // An empty map that will share its memory with this one.
  StateTree Cleared() const;
  // The number of keys with an event.
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Memory of the blocks that this map shares with those that it was copied
  // from, and with their other copies.
  size_t SharedBytes() const { return nodes_ == nullptr ? 0 : nodes_->Bytes(); }
  // The part of it that is in use.
  size_t UsedBytes() const {
    return nodes_ == nullptr ? 0 : nodes_->UsedBytes();
  }

  // Calls visit(key, event), in the order of the keys' numbers.
  template <typename Visit>
  void ForEach(Visit visit) const {
    VisitNode(root_, height_, 0, visit);
  }
  // Calls visit(key, event in a, event in b) for each key at which they differ,
  // in the order of the keys' numbers; kNoIndex where one has none.
  template <typename Visit>
  static void Diff(const StateTree& a, const StateTree& b, Visit visit) {
    const uint32_t height = std::max(a.height_, b.height_);
    Differ<Visit>{a.nodes_, b.nodes_, visit}.Run(
        {a.root_, a.height_}, {b.root_, b.height_}, height, 0);
  }
  friend bool operator==(const StateTree& a, const StateTree& b);

 private:
  static constexpr uint32_t kFanOut = 8;
  static constexpr uint32_t kBits = 3;
  static constexpr uint32_t kMaxHeight = 10;

  // A node's number; 0 is none.
  using Ref = uint32_t;
  // A leaf's events (kNoIndex: none), or the nodes below an inner node.
  using Node = std::array<uint32_t, kFanOut>;

  // Nodes with their counts, in blocks that never move.  Thread-safe, but for
  // the contents of nodes.
  class Nodes {
   public:
    Nodes() = default;
    Nodes(const Nodes&) = delete;
    Nodes& operator=(const Nodes&) = delete;
    ~Nodes();

    bool HasOneMap() const {
      return maps_.load(std::memory_order_acquire) == 1;
    }
    void Share() { maps_.fetch_add(1, std::memory_order_relaxed); }
    // True for the last map: then all of it goes.
    bool Leave() { return maps_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

    const Node& At(Ref ref) const { return SlotOf(ref).node; }
    Node& At(Ref ref) { return SlotOf(ref).node; }
    void AddReference(Ref ref) {
      Count(ref).fetch_add(1, std::memory_order_relaxed);
    }
    bool OnlyOne(Ref ref) {
      return Count(ref).load(std::memory_order_acquire) == 1;
    }
    // Gives up a reference to a node of a tree.
    void Release(Ref ref, uint32_t height) MC_EXCLUDES(mutex);
    void ReleaseLocked(Ref ref, uint32_t height) MC_REQUIRES(mutex);
    // A node with one reference and any contents.
    Ref New() MC_REQUIRES(mutex);

    Mutex mutex;
    size_t Bytes() const {
      return sizeof(Nodes) + bytes_.load(std::memory_order_relaxed);
    }
    size_t UsedBytes() const {
      return used_.load(std::memory_order_relaxed) * sizeof(Slot);
    }

   private:
    struct Slot {
      Node node;
      uint32_t references = 0;
    };
    // Blocks of 8, 8, 8, 8, 16, 16, 16, 16, 32, ... slots: a quarter is unused
    // at most.  Most rooms need only the first ones.
    static constexpr uint32_t kFirst = 32;
    static constexpr uint32_t kFirstWidth = 5;
    static constexpr size_t kFewBlocks = 16;
    static constexpr size_t kMoreBlocks = 4 * (32 - kFirstWidth) - kFewBlocks;
    using Block = std::unique_ptr<Slot[]>;
    struct Place {
      size_t block = 0;
      uint32_t offset = 0;
    };
    static Place PlaceOf(Ref ref) {
      const uint32_t n = ref - 1 + kFirst;
      const auto width = static_cast<uint32_t>(std::bit_width(n)) - 1;
      return {.block = (width - kFirstWidth) * 4 + ((n >> (width - 2)) & 3),
              .offset = n & ((1u << (width - 2)) - 1)};
    }
    static size_t SlotsIn(size_t block) {
      return size_t{kFirst / 4} << (block / 4);
    }
    Slot& SlotOf(Ref ref) const {
      const Place place = PlaceOf(ref);
      const Block& block = place.block < kFewBlocks
                               ? blocks_[place.block]
                               : (*more_blocks_)[place.block - kFewBlocks];
      return block[place.offset];
    }
    std::atomic_ref<uint32_t> Count(Ref ref) {
      return std::atomic_ref<uint32_t>(SlotOf(ref).references);
    }

    std::atomic<uint32_t> maps_{1};
    std::atomic<size_t> bytes_{0};
    std::atomic<size_t> used_{0};
    // Written before any node of the block has a number.
    std::array<Block, kFewBlocks> blocks_;
    std::unique_ptr<std::array<Block, kMoreBlocks>> more_blocks_;
    Ref last_ MC_GUARDED_BY(mutex) = 0;  // Numbers given so far.
    Ref free_ MC_GUARDED_BY(mutex) = 0;  // Each names the next one.
  };

  // A node with its height.
  struct Tree {
    Ref root = 0;
    uint32_t height = 0;
  };

  static bool Fits(KeyIdx key, uint32_t height) {
    return height >= kMaxHeight || (key >> (kBits * (height + 1))) == 0;
  }
  void ApplyBelow(Ref* slot, uint32_t height, std::span<const Change> changes);
  Ref Writable(Ref ref, uint32_t height) MC_NO_THREAD_SAFETY;

  template <typename Visit>
  void VisitNode(Ref ref, uint32_t height, KeyIdx first, Visit& visit) const {
    if (ref == 0) return;
    const Node& node = nodes_->At(ref);
    for (uint32_t i = 0; i < kFanOut; ++i) {
      if (height > 0) {
        VisitNode(node[i], height - 1, first + (i << (kBits * height)), visit);
      } else if (node[i] != kNoIndex) {
        visit(first + i, node[i]);
      }
    }
  }

  template <typename Visit>
  struct Differ {
    const Nodes* a_nodes;
    const Nodes* b_nodes;
    Visit& visit;

    // What is below slot `i` of a virtual node of `height`.
    static Tree Child(const Nodes* nodes, Tree tree, uint32_t height,
                      uint32_t i) {
      if (tree.root == 0) return {0, height - 1};
      if (tree.height < height) return i == 0 ? tree : Tree{0, height - 1};
      return {nodes->At(tree.root)[i], height - 1};
    }
    static EventIdx Event(const Nodes* nodes, Tree leaf, uint32_t i) {
      return leaf.root == 0 ? kNoIndex : nodes->At(leaf.root)[i];
    }
    void Run(Tree a, Tree b, uint32_t height, KeyIdx first) {
      if (a.root == 0 && b.root == 0) return;
      if (a_nodes == b_nodes && a.root == b.root && a.height == b.height) {
        return;
      }
      for (uint32_t i = 0; i < kFanOut; ++i) {
        if (height > 0) {
          Run(Child(a_nodes, a, height, i), Child(b_nodes, b, height, i),
              height - 1, first + (i << (kBits * height)));
          continue;
        }
        const EventIdx x = Event(a_nodes, a, i);
        const EventIdx y = Event(b_nodes, b, i);
        if (x != y) visit(first + i, x, y);
      }
    }
  };

  Nodes* nodes_ = nullptr;  // Shared by maps that were copied.
  Ref root_ = 0;
  uint32_t height_ = 0;  // Levels of inner nodes above the leaves.
  uint32_t size_ = 0;
};

}  // namespace matrixcore
