#include "autograd_graph.hpp"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <type_traits>
#include <unordered_set>
#include <utility>

namespace radml {

GraphRelease::~GraphRelease() {
  using Node = torch::autograd::Node;
  using NodePointer = std::remove_cvref_t<decltype(std::declval<torch::autograd::Edge>().function)>;  // differs by version
  try {
    std::vector<NodePointer> waiting;
    std::unordered_set<const Node*> seen;
    const auto add = [&](const NodePointer& node) {
      if (node && seen.insert(node.get()).second) waiting.push_back(node);
    };
    for (const at::Tensor& result : results_)
      if (result.defined()) add(result.grad_fn());
    while (!waiting.empty()) {
      const NodePointer node = std::move(waiting.back());
      waiting.pop_back();
      for (const torch::autograd::Edge& edge : node->next_edges()) add(edge.function);
      node->release_variables();
    }
  } catch (...) {  // out of memory: the graph is freed as LibTorch does it
  }
}

}  // namespace radml
