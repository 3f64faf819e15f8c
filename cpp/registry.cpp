#include "registry.hpp"

#include <mutex>
#include <string>
#include <utility>

#include "error.hpp"

namespace radml {
namespace {

template <typename Entries>
auto find_entry(Entries& entries, radml_model handle) {
  const auto found = entries.find(handle);
  if (found == entries.end())
    throw Error(RADML_NOT_LOADED, handle == 0 ? "no model is loaded: call load first" : "the model was freed");
  return found;
}

}  // namespace

Registry& Registry::instance() {
  // Never destroyed: at the end of the process LibTorch's own statics may go first.
  static auto* const registry = new Registry;
  return *registry;
}

radml_model Registry::add(std::shared_ptr<const Model> model) {
  const std::unique_lock lock(mutex_);
  entries_.emplace(++last_, Entry{std::move(model)});
  return last_;
}

std::shared_ptr<const Model> Registry::find(radml_model handle) const {
  const std::shared_lock lock(mutex_);
  return find_entry(entries_, handle)->second.model;
}

void Registry::retain(radml_model handle) {
  const std::unique_lock lock(mutex_);
  ++find_entry(entries_, handle)->second.owners;
}

void Registry::release(radml_model handle) {
  std::shared_ptr<const Model> last;  // destroyed after the lock is gone
  const std::unique_lock lock(mutex_);
  const auto found = find_entry(entries_, handle);
  if (--found->second.owners > 0) return;
  last = std::move(found->second.model);
  entries_.erase(found);
}

}  // namespace radml
