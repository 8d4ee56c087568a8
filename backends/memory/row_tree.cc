#include "memory/row_tree.h"

#include "matrixcore/store/catalog.h"

namespace matrixcore::memory {
namespace {

int CompareRows(const Row& a, const Row& b, const RowOrder& order) {
  for (const uint32_t column : order) {
    const int order_of_cells = CompareCells(a[column], b[column]);
    if (order_of_cells != 0) return order_of_cells;
  }
  return 0;
}

}  // namespace

// A node that may be changed: `node` itself when nobody else refers to it, or a
// copy.  Nobody can begin to refer to it meanwhile, because only this thread
// changes trees and copies are made of whole trees.
RowTree::Ref RowTree::Own(Ref node) {
  if (node->references.load(std::memory_order_acquire) == 1) return node;
  Ref copy(new Node(node->row));
  copy->height = node->height;
  copy->left = node->left;
  copy->right = node->right;
  return copy;
}

RowTree::Ref RowTree::RotateLeft(Ref node) {
  Ref top = Own(std::move(node->right));
  node->right = std::move(top->left);
  Update(node);
  top->left = std::move(node);
  Update(top);
  return top;
}

RowTree::Ref RowTree::RotateRight(Ref node) {
  Ref top = Own(std::move(node->left));
  node->left = std::move(top->right);
  Update(node);
  top->right = std::move(node);
  Update(top);
  return top;
}

// `node` is owned, its subtrees are balanced and differ by at most 2.
RowTree::Ref RowTree::Balance(Ref node) {
  const int lean = Height(node->left) - Height(node->right);
  if (lean > 1) {
    if (Height(node->left->left) < Height(node->left->right)) {
      node->left = RotateLeft(Own(std::move(node->left)));
    }
    return RotateRight(std::move(node));
  }
  if (lean < -1) {
    if (Height(node->right->right) < Height(node->right->left)) {
      node->right = RotateRight(Own(std::move(node->right)));
    }
    return RotateLeft(std::move(node));
  }
  Update(node);
  return node;
}

RowTree::Ref RowTree::InsertAt(Ref node, RowRef row, const RowOrder& order) {
  if (!node) return Ref(new Node(std::move(row)));
  const int side = CompareRows(*row, *node->row, order);
  node = Own(std::move(node));
  if (side == 0) {
    node->row = std::move(row);
    return node;
  }
  Ref& child = side < 0 ? node->left : node->right;
  child = InsertAt(std::move(child), std::move(row), order);
  return Balance(std::move(node));
}

RowTree::Ref RowTree::TakeFirst(Ref node, RowRef& first) {
  node = Own(std::move(node));
  if (!node->left) {
    first = node->row;
    return std::move(node->right);
  }
  node->left = TakeFirst(std::move(node->left), first);
  return Balance(std::move(node));
}

RowTree::Ref RowTree::EraseAt(Ref node, const Row& row, const RowOrder& order) {
  if (!node) return node;
  const int side = CompareRows(row, *node->row, order);
  node = Own(std::move(node));
  if (side != 0) {
    Ref& child = side < 0 ? node->left : node->right;
    child = EraseAt(std::move(child), row, order);
    return Balance(std::move(node));
  }
  if (!node->left) return std::move(node->right);
  if (!node->right) return std::move(node->left);
  RowRef next;
  node->right = TakeFirst(std::move(node->right), next);
  node->row = std::move(next);
  return Balance(std::move(node));
}

void RowTree::Insert(RowRef row, const RowOrder& order) {
  root_ = InsertAt(std::move(root_), std::move(row), order);
}

void RowTree::Erase(const Row& row, const RowOrder& order) {
  root_ = EraseAt(std::move(root_), row, order);
}

}  // namespace matrixcore::memory
