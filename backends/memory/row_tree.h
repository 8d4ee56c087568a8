// RowTree: an ordered set of rows as a persistent balanced tree.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "matrixcore/store/table.h"

namespace matrixcore::memory {

using RowRef = std::shared_ptr<const Row>;

// The columns that order a tree; the same in every call for one tree.
using RowOrder = std::vector<uint32_t>;

// A value: copying takes constant time and the copies share what is equal.  One
// thread at a time may change a tree; any number may read copies meanwhile.
// What only one tree owns is changed in place.
class RowTree {
 public:
  RowTree() = default;

  // Adds the row, in place of one that is equal in `order`.
  void Insert(RowRef row, const RowOrder& order);
  // Removes the row that is equal in `order`, which must be there.
  void Erase(const Row& row, const RowOrder& order);

  // `place(row)` tells where a row lies: below 0 before what is looked for, 0
  // in it, above 0 behind it; it must not decrease along the order.  Calls
  // `visit(row)` for the rows in it, in order, until it returns false.
  template <typename Place, typename Visit>
  void Ascend(Place place, Visit visit) const;
  // The same backwards.
  template <typename Place, typename Visit>
  void Descend(Place place, Visit visit) const;

  // The first row in it, or null.
  template <typename Place>
  const RowRef* First(Place place) const {
    const RowRef* first = nullptr;
    Ascend(place, [&first](const RowRef& row) {
      first = &row;
      return false;
    });
    return first;
  }

  bool empty() const { return !root_; }

 private:
  struct Node;

  // A counted reference to a node.
  class Ref {
   public:
    Ref() = default;
    explicit Ref(Node* node) : node_(node) {}
    Ref(const Ref& other);
    Ref(Ref&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~Ref();
    explicit operator bool() const { return node_ != nullptr; }
    Node* operator->() const { return node_; }
    const Node* get() const { return node_; }

   private:
    Node* node_ = nullptr;
  };

  struct Node {
    explicit Node(RowRef r) : row(std::move(r)) {}
    std::atomic<uint32_t> references{1};
    int height = 1;
    Ref left;
    Ref right;
    RowRef row;
  };

  // Deeper than any balanced tree that fits in memory.
  static constexpr size_t kMaxHeight = 64;
  // The nodes above the current one whose rows are still to come.
  struct Path {
    std::array<const Node*, kMaxHeight> nodes;
    size_t size = 0;
    void Push(const Node* node) { nodes[size++] = node; }
    const Node* Pop() { return nodes[--size]; }
  };

  static int Height(const Ref& node) { return node ? node->height : 0; }
  static Ref Own(Ref node);
  static void Update(const Ref& node) {
    node->height = 1 + std::max(Height(node->left), Height(node->right));
  }
  static Ref RotateLeft(Ref node);
  static Ref RotateRight(Ref node);
  static Ref Balance(Ref node);
  static Ref InsertAt(Ref node, RowRef row, const RowOrder& order);
  static Ref EraseAt(Ref node, const Row& row, const RowOrder& order);
  // Takes the first row out of `node`, into `first`.
  static Ref TakeFirst(Ref node, RowRef& first);

  Ref root_;
};

inline RowTree::Ref::Ref(const Ref& other) : node_(other.node_) {
  if (node_ != nullptr) {
    node_->references.fetch_add(1, std::memory_order_relaxed);
  }
}

inline RowTree::Ref::~Ref() {
  if (node_ != nullptr &&
      node_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    delete node_;
  }
}

template <typename Place, typename Visit>
void RowTree::Ascend(Place place, Visit visit) const {
  Path path;
  for (const Node* node = root_.get(); node != nullptr;) {
    if (place(*node->row) < 0) {
      node = node->right.get();
    } else {
      path.Push(node);
      node = node->left.get();
    }
  }
  while (path.size > 0) {
    const Node* node = path.Pop();
    if (place(*node->row) != 0 || !visit(node->row)) return;
    for (node = node->right.get(); node != nullptr; node = node->left.get()) {
      path.Push(node);
    }
  }
}

template <typename Place, typename Visit>
void RowTree::Descend(Place place, Visit visit) const {
  Path path;
  for (const Node* node = root_.get(); node != nullptr;) {
    if (place(*node->row) > 0) {
      node = node->left.get();
    } else {
      path.Push(node);
      node = node->right.get();
    }
  }
  while (path.size > 0) {
    const Node* node = path.Pop();
    if (place(*node->row) != 0 || !visit(node->row)) return;
    for (node = node->left.get(); node != nullptr; node = node->right.get()) {
      path.Push(node);
    }
  }
}

}  // namespace matrixcore::memory
