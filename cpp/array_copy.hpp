// Copies between arrays of any strides, and between real32 and real64.
#pragma once

#include "radml.h"

namespace radml {

// True for real32 and real64: the kinds that may be converted into each other on request.
bool is_real(int32_t kind);

// Copies the elements of one array into another of the same shape and of the same kind, or of the other real kind. Fastest
// where the strides of both arrays grow in the same order. Allocates nothing.
void copy_array(const radml_array& from, const radml_array& to);

// True unless it is certain that no byte belongs to elements of both arrays.
bool may_overlap(const radml_array& a, const radml_array& b);

}  // namespace radml
