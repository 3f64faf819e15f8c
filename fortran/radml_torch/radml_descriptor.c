/* Reads Fortran array descriptors into radml_array.
 *
 * Both functions are called from Fortran with an argument declared `type(*), dimension(..)`, of which the compiler passes its
 * C descriptor. The numbers in it differ between compilers, so this file must see the ISO_Fortran_binding.h of the compiler
 * that compiles the Fortran code (the CMake package sees to that).
 */
#include <ISO_Fortran_binding.h>

#include "radml.h"

/* With link-time optimisation gfortran would look into these functions, find a C struct where Fortran has its own descriptor
 * type, conclude that they read nothing that Fortran wrote, and drop the writes. */
#if defined(__GNUC__) && !defined(__clang__)
#define OPAQUE __attribute__((noipa))
#else
#define OPAQUE
#endif

OPAQUE radml_array radml_input_array(const CFI_cdesc_t *descriptor);
OPAQUE radml_array radml_output_array(CFI_cdesc_t *descriptor);

static int32_t integer_kind(size_t element_size) {
  switch (element_size) {
    case 1: return RADML_INT8;
    case 2: return RADML_INT16;
    case 4: return RADML_INT32;
    case 8: return RADML_INT64;
    default: return RADML_UNSUPPORTED;
  }
}

/* An if for each code and no switch: some of the codes are equal in some compilers. The codes of int_least and int_fast types
 * are left out, because flang gives them to logicals that are no C _Bool. */
static int32_t kind_of(CFI_type_t type, size_t element_size) {
  if (type == CFI_type_float) return RADML_FLOAT32;
  if (type == CFI_type_double) return RADML_FLOAT64;
  if (type == CFI_type_Bool) return element_size == 1 ? RADML_BOOL : RADML_UNSUPPORTED;
  if (type == CFI_type_float_Complex) return RADML_COMPLEX64;
  if (type == CFI_type_double_Complex) return RADML_COMPLEX128;
  if (type == CFI_type_int8_t || type == CFI_type_int16_t || type == CFI_type_int32_t || type == CFI_type_int64_t ||
      type == CFI_type_signed_char || type == CFI_type_short || type == CFI_type_int || type == CFI_type_long ||
      type == CFI_type_long_long)
    return integer_kind(element_size);
  return RADML_UNSUPPORTED;
}

static radml_array read_descriptor(const CFI_cdesc_t *descriptor, int32_t flags) {
  radml_array array = {0};
  array.flags = flags;
  if (descriptor->version != CFI_VERSION) {
    array.flags |= RADML_FOREIGN_DESCRIPTOR;
    return array;
  }
  array.address = descriptor->base_addr;
  array.kind = kind_of(descriptor->type, descriptor->elem_len);
  array.element_size = (int32_t)descriptor->elem_len;
  array.rank = descriptor->rank;
  for (int32_t i = 0; i < array.rank && i < RADML_MAX_RANK; ++i) {
    array.shape[i] = descriptor->dim[i].extent;
    array.strides[i] = descriptor->dim[i].sm;
    if (array.shape[i] < 0) array.flags |= RADML_ASSUMED_SIZE;
  }
  return array;
}

radml_array radml_input_array(const CFI_cdesc_t *descriptor) { return read_descriptor(descriptor, RADML_READ_ONLY); }

radml_array radml_output_array(CFI_cdesc_t *descriptor) { return read_descriptor(descriptor, 0); }
