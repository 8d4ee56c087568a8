#include "matrixcore/stateres/state_map.h"

namespace matrixcore {

StateMap::Node* StateMap::Share(Node* node) {
  if (node != nullptr) node->references.fetch_add(1, std::memory_order_relaxed);
  return node;
}

// Depth is at most 8, so the recursion is too.
void StateMap::Release(Node* node) {
  if (node == nullptr ||
      node->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (node->leaf) {
    delete static_cast<Leaf*>(node);
    return;
  }
  auto* inner = static_cast<Inner*>(node);
  for (Node* child : inner->children) Release(child);
  delete inner;
}

// A node that only the caller holds: the same, or a copy; consumes `node`.
StateMap::Node* StateMap::Writable(Node* node, uint32_t height) {
  if (node != nullptr &&
      node->references.load(std::memory_order_acquire) == 1) {
    return node;
  }
  if (height == 0) {
    auto* copy = new Leaf();
    copy->leaf = true;
    if (node != nullptr) {
      copy->events = static_cast<Leaf*>(node)->events;
    } else {
      copy->events.fill(kNoIndex);
    }
    Release(node);
    return copy;
  }
  auto* copy = new Inner();
  if (node != nullptr) {
    copy->children = static_cast<Inner*>(node)->children;
    for (Node* child : copy->children) Share(child);
    Release(node);
  }
  return copy;
}

StateMap::StateMap(const StateMap& other)
    : root_(Share(other.root_)), height_(other.height_), size_(other.size_) {}

StateMap::StateMap(StateMap&& other) noexcept
    : root_(std::exchange(other.root_, nullptr)),
      height_(std::exchange(other.height_, 0)),
      size_(std::exchange(other.size_, 0)) {}

StateMap& StateMap::operator=(StateMap other) noexcept {
  std::swap(root_, other.root_);
  std::swap(height_, other.height_);
  std::swap(size_, other.size_);
  return *this;
}

StateMap::~StateMap() { Release(root_); }

EventIdx StateMap::Get(KeyIdx key) const {
  if (height_ < 7 && (key >> (kBits * (height_ + 1))) != 0) return kNoIndex;
  const Node* node = root_;
  for (uint32_t height = height_; height > 0 && node != nullptr; --height) {
    node = static_cast<const Inner*>(node)
               ->children[(key >> (kBits * height)) % kFanOut];
  }
  return node == nullptr
             ? kNoIndex
             : static_cast<const Leaf*>(node)->events[key % kFanOut];
}

void StateMap::Set(KeyIdx key, EventIdx event) {
  const EventIdx before = Get(key);
  if (before == event) return;
  // Grow the tree until the key fits.
  while (height_ < 7 && (key >> (kBits * (height_ + 1))) != 0) {
    if (root_ != nullptr) {
      auto* inner = new Inner();
      inner->children[0] = root_;
      root_ = inner;
    }
    ++height_;
  }
  Node** slot = &root_;
  for (uint32_t height = height_;; --height) {
    *slot = Writable(*slot, height);
    if (height == 0) break;
    slot = &static_cast<Inner*>(*slot)
                ->children[(key >> (kBits * height)) % kFanOut];
  }
  static_cast<Leaf*>(*slot)->events[key % kFanOut] = event;
  if (before == kNoIndex) ++size_;
  if (event == kNoIndex) --size_;
}

bool operator==(const StateMap& a, const StateMap& b) {
  if (a.size_ != b.size_) return false;
  bool equal = true;
  StateMap::Diff(a, b, [&equal](KeyIdx, EventIdx, EventIdx) { equal = false; });
  return equal;
}

}  // namespace matrixcore
