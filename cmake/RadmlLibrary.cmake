# radml_library(target): what libradml is with and without LibTorch alike: its version, its header, where it lies.
function(radml_library target)
  set(header "${PROJECT_SOURCE_DIR}/cpp/radml.h")
  add_library(radml::${target} ALIAS ${target})
  target_compile_definitions(${target} PRIVATE RADML_VERSION="${PROJECT_VERSION}")
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/cpp>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  radml_warnings(${target})
  # The loader itself keeps a host from an incompatible library.
  file(STRINGS "${header}" abi_version REGEX "define RADML_ABI_VERSION ")
  string(REGEX MATCH "[0-9]+" abi_version "${abi_version}")
  set_target_properties(${target} PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${abi_version}
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  install(TARGETS ${target} EXPORT radmlTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
endfunction()
