# radml_generate_refusals(header by_hand output): a C file with each function of `header` that `by_hand` does not define.
#
# Such a function computes nothing. Handles it should create are set to 0, and it returns
# - RADML_NOT_LOADED where it asks about a handle or lets it go: no handle is a live one here;
# - RADML_WITHOUT_TORCH anywhere else.
# It must end in `char *message, int64_t message_size`, as every function does that can fail.
function(radml_generate_refusals header by_hand output)
  file(READ "${header}" text)
  file(READ "${by_hand}" defined)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}" "${by_hand}")

  string(REGEX MATCHALL "typedef int64_t radml_[a-z_]+" handles "${text}")
  list(TRANSFORM handles REPLACE "typedef int64_t " "")
  list(JOIN handles "|" handles)

  set(code "/* Written by CMake from radml.h. */\n#include \"without_torch.h\"\n")
  string(REGEX MATCHALL "RADML_API [^()]*[ *]radml_[a-z0-9_]+\\([^)]*\\)" prototypes "${text}")
  foreach(prototype IN LISTS prototypes)
    string(REGEX REPLACE "[ \n]+" " " prototype "${prototype}")
    string(REGEX REPLACE "^RADML_API (.*[ *])(radml_[a-z0-9_]+)(\\(.*\\))$" "\\2" name "${prototype}")
    set(result "${CMAKE_MATCH_1}")
    set(parameters "${CMAKE_MATCH_3}")
    string(FIND "${defined}" "${result}${name}(" place)
    if(NOT place EQUAL -1)
      continue()
    endif()
    if(NOT result STREQUAL "int32_t " OR NOT parameters MATCHES ", char \\*message, int64_t message_size\\)$|^\\(char \\*message, int64_t message_size\\)$")
      message(FATAL_ERROR "radml.h: ${name}${parameters} returns no status with a message: define it in ${by_hand}")
    endif()
    string(APPEND code "\n${result}${name}${parameters} {\n")
    string(REGEX MATCHALL "[a-z0-9_]+ \\*[a-z0-9_]+[,)]" each "${parameters}")
    foreach(parameter IN LISTS each)
      if(parameter MATCHES "^(${handles}) \\*([a-z0-9_]+)")
        string(APPEND code "  if (${CMAKE_MATCH_2} != NULL) *${CMAKE_MATCH_2} = 0;\n")
      endif()
    endforeach()
    if(name MATCHES "_(retain|free|metadata|index)$|_n_[a-z]+$|_name$")
      string(APPEND code "  return radml_refuse_handle(message, message_size);\n}\n")
    else()
      string(APPEND code "  return radml_refuse(message, message_size);\n}\n")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT "${output}" CONTENT "${code}" @ONLY)
endfunction()
