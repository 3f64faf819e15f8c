// The graph that LibTorch records of a forward in order to differentiate it.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace radml {

// Lets the graph of some results go when it goes, whatever happened to them. A node owns the tensors it needs; where a model
// works in place, such a tensor may own the node in turn, and a graph that nobody went through backwards would never be freed.
class GraphRelease {
 public:
  explicit GraphRelease(const std::vector<at::Tensor>& results) : results_(results) {}
  ~GraphRelease();
  GraphRelease(const GraphRelease&) = delete;
  GraphRelease& operator=(const GraphRelease&) = delete;

 private:
  const std::vector<at::Tensor>& results_;
};

}  // namespace radml
