#include "exception_text.hpp"

#include <c10/util/Exception.h>

#include <cctype>
#include <sstream>
#include <string_view>

namespace radml {
namespace {

// The part of `module.SomeError: what happened` that a reader needs; empty for a line of another form.
std::string raised_text(std::string_view line) {
  const size_t colon = line.find(": ");
  if (colon == std::string_view::npos) return "";
  std::string_view type = line.substr(0, colon);
  for (const char c : type)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_' && c != '.') return "";
  type = type.substr(type.rfind('.') + 1);  // npos + 1 is 0
  if (!type.ends_with("Error") && !type.ends_with("Exception") && !type.ends_with("Warning")) return "";
  return std::string(type == "RuntimeError" ? line.substr(colon + 2) : line.substr(line.find(type)));
}

std::string_view trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::string exception_text(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  std::istringstream lines(torch_error != nullptr ? torch_error->what_without_backtrace() : error.what());
  std::string first;
  std::string last_raised;  // errors in the TorchScript interpreter: a traceback, then `RuntimeError: what happened`
  for (std::string whole; std::getline(lines, whole);) {
    const std::string_view line = trimmed(whole);
    if (line.starts_with("Exception raised from")) break;  // here the C++ backtrace begins
    if (std::string raised = raised_text(line); !raised.empty()) last_raised = std::move(raised);
    if (first.empty()) first = line;
  }
  if (!last_raised.empty()) return last_raised;
  return first.empty() ? "an exception without a message" : first;
}

}  // namespace radml
