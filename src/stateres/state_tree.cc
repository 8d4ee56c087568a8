#include "matrixcore/stateres/state_tree.h"

namespace matrixcore {

namespace {

// What the allocator adds to a block, about.
constexpr size_t kHeader = 16;

}  // namespace

// --- Nodes ---

StateTree::Nodes::~Nodes() = default;

StateTree::Ref StateTree::Nodes::New() {
  used_.fetch_add(1, std::memory_order_relaxed);
  Ref ref = free_;
  if (ref != 0) {
    free_ = At(ref)[0];
  } else {
    ref = ++last_;
    const size_t number = PlaceOf(ref).block;
    if (number >= kFewBlocks && more_blocks_ == nullptr) {
      more_blocks_ = std::make_unique<std::array<Block, kMoreBlocks>>();
      bytes_.fetch_add(sizeof(*more_blocks_), std::memory_order_relaxed);
    }
    Block& block = number < kFewBlocks ? blocks_[number]
                                       : (*more_blocks_)[number - kFewBlocks];
    if (block == nullptr) {
      const size_t slots = SlotsIn(number);
      block = std::make_unique<Slot[]>(slots);
      bytes_.fetch_add(slots * sizeof(Slot) + kHeader,
                       std::memory_order_relaxed);
    }
  }
  Count(ref).store(1, std::memory_order_relaxed);
  return ref;
}

void StateTree::Nodes::Release(Ref ref, uint32_t height) {
  if (ref == 0) return;
  MutexLock lock(mutex);
  ReleaseLocked(ref, height);
}

// The height is at most kMaxHeight, so the recursion is too.
void StateTree::Nodes::ReleaseLocked(Ref ref, uint32_t height) {
  if (ref == 0 || Count(ref).fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (height > 0) {
    for (const Ref child : At(ref)) ReleaseLocked(child, height - 1);
  }
  At(ref)[0] = free_;
  free_ = ref;
  used_.fetch_sub(1, std::memory_order_relaxed);
}

// --- The map ---

StateTree::StateTree(const StateTree& other)
    : nodes_(other.nodes_),
      root_(other.root_),
      height_(other.height_),
      size_(other.size_) {
  if (nodes_ == nullptr) return;
  nodes_->Share();
  if (root_ != 0) nodes_->AddReference(root_);
}

StateTree::StateTree(StateTree&& other) noexcept
    : nodes_(std::exchange(other.nodes_, nullptr)),
      root_(std::exchange(other.root_, 0)),
      height_(std::exchange(other.height_, 0)),
      size_(std::exchange(other.size_, 0)) {}

StateTree& StateTree::operator=(StateTree other) noexcept {
  std::swap(nodes_, other.nodes_);
  std::swap(root_, other.root_);
  std::swap(height_, other.height_);
  std::swap(size_, other.size_);
  return *this;
}

StateTree::~StateTree() {
  if (nodes_ == nullptr) return;
  // The last map need not look at nodes that go with their blocks.
  if (!nodes_->HasOneMap()) nodes_->Release(root_, height_);
  if (nodes_->Leave()) delete nodes_;
}

StateTree StateTree::Cleared() const {
  StateTree empty;
  empty.nodes_ = nodes_;
  if (nodes_ != nullptr) nodes_->Share();
  return empty;
}

EventIdx StateTree::Get(KeyIdx key) const {
  if (root_ == 0 || !Fits(key, height_)) return kNoIndex;
  Ref ref = root_;
  for (uint32_t height = height_; height > 0; --height) {
    ref = nodes_->At(ref)[(key >> (kBits * height)) % kFanOut];
    if (ref == 0) return kNoIndex;
  }
  return nodes_->At(ref)[key % kFanOut];
}

// A node that only this map holds: the same, or a copy.  Takes over the
// reference to `ref`.
StateTree::Ref StateTree::Writable(Ref ref, uint32_t height) {
  if (ref != 0 && nodes_->OnlyOne(ref)) return ref;
  const Ref copy = nodes_->New();
  Node& node = nodes_->At(copy);
  if (ref == 0) {
    node.fill(height == 0 ? kNoIndex : 0);
    return copy;
  }
  node = nodes_->At(ref);
  if (height > 0) {
    for (const Ref child : node) {
      if (child != 0) nodes_->AddReference(child);
    }
  }
  nodes_->ReleaseLocked(ref, height);
  return copy;
}

// Changes of the keys below `*slot`.
void StateTree::ApplyBelow(Ref* slot, uint32_t height,
                           std::span<const Change> changes) {
  *slot = Writable(*slot, height);
  Node& node = nodes_->At(*slot);
  if (height == 0) {
    for (const Change& change : changes) {
      EventIdx& event = node[change.key % kFanOut];
      size_ += (change.event != kNoIndex) - (event != kNoIndex);
      event = change.event;
    }
    return;
  }
  while (!changes.empty()) {
    const auto child_of = [height](const Change& change) {
      return (change.key >> (kBits * height)) % kFanOut;
    };
    const uint32_t child = child_of(changes.front());
    size_t count = 1;
    while (count < changes.size() && child_of(changes[count]) == child) ++count;
    ApplyBelow(&node[child], height - 1, changes.first(count));
    changes = changes.subspan(count);
  }
}

void StateTree::Apply(std::span<const Change> changes) {
  // What changes nothing copies nothing.
  if (changes.size() == 1 && Get(changes[0].key) == changes[0].event) return;
  if (changes.empty()) return;
  if (nodes_ == nullptr) nodes_ = new Nodes();
  MutexLock lock(nodes_->mutex);
  // Grow the tree until all keys fit.
  while (!Fits(changes.back().key, height_)) {
    if (root_ != 0) {
      const Ref above = nodes_->New();
      Node& node = nodes_->At(above);
      node.fill(0);
      node[0] = root_;
      root_ = above;
    }
    ++height_;
  }
  ApplyBelow(&root_, height_, changes);
}

bool operator==(const StateTree& a, const StateTree& b) {
  if (a.size_ != b.size_) return false;
  bool equal = true;
  StateTree::Diff(a, b,
                  [&equal](KeyIdx, EventIdx, EventIdx) { equal = false; });
  return equal;
}

}  // namespace matrixcore
