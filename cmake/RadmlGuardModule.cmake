# radml_add_guard_module(target folder): the Fortran module radml_guard from its source in `folder`, by the Fortran compiler of the
# build that calls this. It needs no other part of radml, and is distributed as source for the reason that radml_torch is.
function(radml_add_guard_module target folder)
  add_library(${target} STATIC "${folder}/radml_guard.f90")
  set(modules "${CMAKE_CURRENT_BINARY_DIR}/${target}_files/modules")
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    Fortran_MODULE_DIRECTORY "${modules}")
  target_include_directories(${target} INTERFACE "${modules}")
  # What lets its loops become vectors in any build, and none of them a call of memcpy; nothing that reorders sums. It does no
  # arithmetic on NaN. Two real32 that are no loop's would be divided as four, of which two are whatever lay there: hosts that trap
  # floating-point exceptions were stopped by that.
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANG_AND_ID:Fortran,GNU>:-O3 -fno-math-errno -fno-trapping-math -fno-tree-slp-vectorize
                                              -fno-tree-loop-distribute-patterns>
    $<$<COMPILE_LANG_AND_ID:Fortran,LLVMFlang>:-O3>)
endfunction()
