// Names of the element kinds, as PyTorch writes them.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "radml.h"

namespace radml {

inline constexpr std::array<std::pair<radml_kind, std::string_view>, 9> kind_names{{
    {RADML_FLOAT32, "float32"},
    {RADML_FLOAT64, "float64"},
    {RADML_INT8, "int8"},
    {RADML_INT16, "int16"},
    {RADML_INT32, "int32"},
    {RADML_INT64, "int64"},
    {RADML_BOOL, "bool"},
    {RADML_COMPLEX64, "complex64"},
    {RADML_COMPLEX128, "complex128"},
}};

inline std::string kind_name(int32_t kind) {
  for (const auto& [code, name] : kind_names)
    if (code == kind) return std::string(name);
  return "an unsupported kind";
}

// RADML_UNSUPPORTED where the name is none of them.
inline radml_kind kind_of_name(std::string_view wanted) {
  for (const auto& [code, name] : kind_names)
    if (name == wanted) return code;
  return RADML_UNSUPPORTED;
}

}  // namespace radml
