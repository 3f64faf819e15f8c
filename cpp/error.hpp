// The one exception type with a status; the C interface turns it into a status code and a message.
#pragma once

#include <stdexcept>
#include <string>

#include "radml.h"

namespace radml {

class Error : public std::runtime_error {
 public:
  Error(radml_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  [[nodiscard]] radml_status status() const noexcept { return status_; }

 private:
  radml_status status_;
};

}  // namespace radml
