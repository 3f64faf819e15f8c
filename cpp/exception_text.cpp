#include "exception_text.hpp"

#include <c10/util/Exception.h>

#include <regex>
#include <sstream>

namespace radml {

std::string exception_text(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  std::istringstream lines(torch_error != nullptr ? torch_error->what_without_backtrace() : error.what());
  // Errors in the TorchScript interpreter: a traceback, then `RuntimeError: what happened`.
  static const std::regex raised(R"(^(?:[A-Za-z_][\w.]*\.)?([A-Za-z_]\w*(?:Error|Exception|Warning)): (.*)$)");
  std::string line;
  std::string first;
  std::string last_raised;
  while (std::getline(lines, line)) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos) continue;
    line = line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
    if (line.rfind("Exception raised from", 0) == 0) break;  // here the C++ backtrace begins
    if (std::smatch match; std::regex_match(line, match, raised))
      last_raised = match[1].str() == "RuntimeError" ? match[2].str() : match[1].str() + ": " + match[2].str();
    if (first.empty()) first = line;
  }
  if (!last_raised.empty()) return last_raised;
  return first.empty() ? "an exception without a message" : first;
}

}  // namespace radml
