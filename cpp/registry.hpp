// The loaded models, by handle.
#pragma once

#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "model.hpp"
#include "radml.h"

namespace radml {

// Handles are numbers that are never used twice, so that a stale one is told from a live one and no call can reach freed
// memory; a model lives until its last owner has let go and the last forward on it has ended.
class Registry {
 public:
  static Registry& instance();
  radml_model add(std::shared_ptr<const Model> model);
  [[nodiscard]] std::shared_ptr<const Model> find(radml_model handle) const;
  void retain(radml_model handle);
  void release(radml_model handle);

 private:
  struct Entry {
    std::shared_ptr<const Model> model;
    int64_t owners = 1;
  };
  mutable std::shared_mutex mutex_;
  std::unordered_map<radml_model, Entry> entries_;
  radml_model last_ = 0;
};

}  // namespace radml
