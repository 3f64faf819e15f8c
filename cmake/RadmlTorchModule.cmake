# radml_add_torch_module(target folder): the Fortran module radml_torch from its sources in `folder`, by the Fortran compiler
# of the build that calls this.
#
# A .mod file fits one compiler version only, so the package ships sources. radml's own build and every host's build use this
# one function.

# The ISO_Fortran_binding.h of the Fortran compiler, copied alone into `folder`: beside it lie headers of that compiler which
# another C compiler must not see.
function(_radml_copy_fortran_binding folder)
  if(NOT RADML_ISO_FORTRAN_BINDING)
    file(REAL_PATH "${CMAKE_Fortran_COMPILER}" compiler)
    cmake_path(GET compiler PARENT_PATH bin)
    set(candidates
      "${bin}/../include/flang"          # LLVM flang
      "${bin}/../include"                # nvfortran, Intel ifx of old layouts
      "${bin}/../opt/compiler/include"   # Intel ifx
      "${bin}/../../include")
    if(CMAKE_Fortran_COMPILER_ID STREQUAL "GNU")
      execute_process(COMMAND "${CMAKE_Fortran_COMPILER}" -print-file-name=include
                      OUTPUT_VARIABLE gnu_include OUTPUT_STRIP_TRAILING_WHITESPACE)
      list(PREPEND candidates "${gnu_include}")
    elseif(CMAKE_Fortran_COMPILER_ID STREQUAL "Cray")
      list(PREPEND candidates "$ENV{CRAY_CCE_CLANGSHARE}/include" "$ENV{CCE_ROOT}/include")
    endif()
    find_file(RADML_ISO_FORTRAN_BINDING ISO_Fortran_binding.h PATHS ${candidates} NO_DEFAULT_PATH
      DOC "The ISO_Fortran_binding.h of the Fortran compiler")
  endif()
  if(NOT RADML_ISO_FORTRAN_BINDING)
    message(FATAL_ERROR "radml: found no ISO_Fortran_binding.h of ${CMAKE_Fortran_COMPILER}; "
                        "give its path with -DRADML_ISO_FORTRAN_BINDING=<file>")
  endif()
  configure_file("${RADML_ISO_FORTRAN_BINDING}" "${folder}/ISO_Fortran_binding.h" COPYONLY)
endfunction()

function(radml_add_torch_module target folder)
  set(build "${CMAKE_CURRENT_BINARY_DIR}/${target}_files")
  _radml_copy_fortran_binding("${build}/binding")
  add_library(${target} STATIC "${folder}/radml_torch.f90" "${folder}/radml_descriptor.c")
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    Fortran_MODULE_DIRECTORY "${build}/modules")
  target_include_directories(${target}
    PRIVATE "$<$<COMPILE_LANGUAGE:C>:${build}/binding>"
    INTERFACE "${build}/modules")
  target_link_libraries(${target} PUBLIC radml::radml)
endfunction()
