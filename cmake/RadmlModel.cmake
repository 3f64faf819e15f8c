# radml_add_model(target model.pt [PROCEDURE name] [MODULE name] [KIND kind] [COLUMNS dimension] [REVERSE]): a library with the
# Fortran module that ftorch-generate writes for an exported model, generated anew where the model's file has changed.
#
#   radml_add_model(rescnn rescnn.pt KIND real64)
#   target_link_libraries(my_model PRIVATE rescnn)    # use rescnn_torch, only: rescnn, rescnn_load
#
# The procedure has the target's name, the module that name with _torch. KIND, COLUMNS and REVERSE are ftorch-generate's
# options. Where the kind is a constant of the host's own module, link the library that has it: target_link_libraries(rescnn PUBLIC my_kinds).

set(_RADML_MODEL_FOLDER "${CMAKE_CURRENT_LIST_DIR}")

function(radml_add_model target model)
  cmake_parse_arguments(PARSE_ARGV 2 arg "REVERSE" "PROCEDURE;MODULE;KIND;COLUMNS" "")
  if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "radml_add_model(${target} ${model}): expected PROCEDURE, MODULE, KIND or COLUMNS with a value each, "
                        "or REVERSE, got ${arg_UNPARSED_ARGUMENTS} ${arg_KEYWORDS_MISSING_VALUES}")
  endif()
  if(NOT TARGET radml::radml_torch)
    message(FATAL_ERROR "radml_add_model(${target} ${model}): there is no radml::radml_torch; enable Fortran before "
                        "find_package(radml), of a radml that has the coupling")
  endif()
  # In a wheel the programs of the same Python lie four folders above the prefix: lib/pythonX.Y/site-packages/ftorch_bridge/prefix.
  find_program(RADML_GENERATE ftorch-generate
    HINTS "${_RADML_MODEL_FOLDER}/../../../../../../../../bin" DOC "The program ftorch-generate")
  if(NOT RADML_GENERATE)
    message(FATAL_ERROR "radml_add_model(${target} ${model}): found no ftorch-generate; put the bin folder of the Python that has "
                        "ftorch_bridge into PATH or give -DRADML_GENERATE=<file>. Where there is no Python, generate the module "
                        "elsewhere, keep it with your sources and add it like any other of them")
  endif()
  if(arg_KIND AND NOT arg_KIND MATCHES "^(model|real32|real64|[A-Za-z][A-Za-z0-9_]*:[A-Za-z][A-Za-z0-9_]*)$")
    message(FATAL_ERROR "radml_add_model(${target} ${model}): KIND ${arg_KIND}: expected model, real64, real32 or module:constant")
  endif()
  cmake_path(ABSOLUTE_PATH model BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  get_source_file_property(made_by_build "${model}" GENERATED)
  if(NOT EXISTS "${model}" AND NOT made_by_build)
    message(WARNING "radml_add_model(${target}): ${model}: there is no such file, and no rule here that makes it")
  endif()
  if(NOT arg_PROCEDURE)
    set(arg_PROCEDURE "${target}")
  endif()
  if(NOT arg_MODULE)
    set(arg_MODULE "${arg_PROCEDURE}_torch")
  endif()
  set(options --procedure "${arg_PROCEDURE}" --module "${arg_MODULE}")
  if(arg_KIND)
    list(APPEND options --kind "${arg_KIND}")
  endif()
  if(arg_REVERSE)
    list(APPEND options --reverse)
  endif()
  if(arg_COLUMNS)
    list(APPEND options --columns "${arg_COLUMNS}")
  endif()

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}_files")
  file(MAKE_DIRECTORY "${folder}")
  set(source "${folder}/${arg_MODULE}.f90")
  add_custom_command(
    OUTPUT "${source}"
    COMMAND "${RADML_GENERATE}" "${model}" --output "${source}" ${options}
    DEPENDS "${model}"
    COMMENT "Generating the Fortran module ${arg_MODULE}"
    VERBATIM)
  add_library(${target} STATIC "${source}")
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    Fortran_MODULE_DIRECTORY "${folder}/modules")
  target_include_directories(${target} INTERFACE "${folder}/modules")
  target_link_libraries(${target} PUBLIC radml::radml_torch)
endfunction()
