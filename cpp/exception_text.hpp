// The useful line of a LibTorch exception.
#pragma once

#include <exception>
#include <string>

namespace radml {

// What went wrong, in one line, without interpreter traceback, C++ backtrace and source listing.
std::string exception_text(const std::exception& error);

}  // namespace radml
