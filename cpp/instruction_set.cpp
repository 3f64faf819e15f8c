#include "instruction_set.hpp"

#include <fstream>
#include <set>
#include <sstream>

namespace radml {
namespace {

// Empty where the system does not tell.
std::set<std::string> present_instructions() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("flags") && !line.starts_with("Features")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    std::set<std::string> names;
    for (std::string name; words >> name;) names.insert(name);
    return names;
  }
  return {};
}

}  // namespace

std::string machine_name() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__) && defined(__APPLE__)
  return "arm64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "";
#endif
}

std::vector<std::string> missing_instructions(const std::vector<std::string>& wanted) {
  const std::set<std::string> present = present_instructions();
  std::vector<std::string> missing;
  if (present.empty()) return missing;
  for (const std::string& name : wanted)
    if (!present.contains(name)) missing.push_back(name);
  return missing;
}

}  // namespace radml
