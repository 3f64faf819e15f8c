// Objects behind the handles of the C interface: loaded models, and plans.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>

#include "error.hpp"
#include "radml.h"

namespace radml {

// Handles are numbers that are never used twice, so that a stale one is told from a live one and no call can reach freed
// memory; an object lives until its last owner has let go and the last call on it has ended.
template <typename Object>
class Registry {
 public:
  using Handle = int64_t;

  static Registry& instance() {
    // Never destroyed: at the end of the process LibTorch's own statics may go first.
    static auto* const registry = new Registry;
    return *registry;
  }

  Handle add(std::shared_ptr<Object> object) {
    const std::unique_lock lock(mutex_);
    entries_.emplace(++last_, Entry{std::move(object)});
    return last_;
  }

  [[nodiscard]] std::shared_ptr<Object> find(Handle handle) const {
    const std::shared_lock lock(mutex_);
    return entry(entries_, handle)->second.object;
  }

  void retain(Handle handle) {
    const std::unique_lock lock(mutex_);
    ++entry(entries_, handle)->second.owners;
  }

  void release(Handle handle) {
    std::shared_ptr<Object> last;  // destroyed after the lock is gone
    const std::unique_lock lock(mutex_);
    const auto found = entry(entries_, handle);
    if (--found->second.owners > 0) return;
    last = std::move(found->second.object);
    entries_.erase(found);
  }

 private:
  struct Entry {
    std::shared_ptr<Object> object;
    int64_t owners = 1;
  };

  template <typename Entries>
  static auto entry(Entries& entries, Handle handle) {
    const auto found = entries.find(handle);
    if (found == entries.end()) throw Error(RADML_NOT_LOADED, handle == 0 ? Object::none_text : Object::freed_text);
    return found;
  }

  mutable std::shared_mutex mutex_;
  std::unordered_map<Handle, Entry> entries_;
  Handle last_ = 0;
};

}  // namespace radml
