# FindLibTorch: PyTorch's C++ libraries and headers, as target LibTorch::LibTorch.
#
# Not find_package(Torch): that demands a CUDA toolkit of whoever has a CUDA build of PyTorch, and passes its own flags on to
# everything that links. The folder comes from LibTorch_ROOT, Torch_DIR (<folder>/share/cmake/Torch), or the Python
# interpreter's own torch.
include(FindPackageHandleStandardArgs)

if(NOT LibTorch_ROOT AND Torch_DIR)
  cmake_path(SET LibTorch_ROOT NORMALIZE "${Torch_DIR}/../../..")
endif()
if(NOT LibTorch_ROOT)
  find_package(Python COMPONENTS Interpreter QUIET)
  if(Python_EXECUTABLE)
    execute_process(
      COMMAND ${Python_EXECUTABLE} -c "import torch; print(torch.utils.cmake_prefix_path)"
      OUTPUT_VARIABLE libtorch_prefix OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(libtorch_prefix)
      cmake_path(SET LibTorch_ROOT NORMALIZE "${libtorch_prefix}/../..")
    endif()
  endif()
endif()
set(LibTorch_ROOT "${LibTorch_ROOT}" CACHE PATH "Folder of PyTorch or LibTorch, with include/ and lib/")

find_path(LibTorch_INCLUDE_DIR torch/script.h PATHS "${LibTorch_ROOT}/include" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${LibTorch_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${LibTorch_ROOT}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_LIBRARY torch PATHS "${LibTorch_ROOT}/lib" NO_DEFAULT_PATH)

if(EXISTS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h")
  file(STRINGS "${LibTorch_INCLUDE_DIR}/torch/headeronly/version.h" libtorch_numbers
       REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX MATCHALL "[0-9]+" libtorch_numbers "${libtorch_numbers}")
  list(JOIN libtorch_numbers "." LibTorch_VERSION)
endif()

# PyTorch's wheels up to 2.5 were built with the C++ library's interface from before C++11: whoever uses them must be, too.
set(libtorch_config "${LibTorch_ROOT}/share/cmake/Torch/TorchConfig.cmake")
if(EXISTS "${libtorch_config}")
  file(STRINGS "${libtorch_config}" libtorch_old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
endif()

find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_LIBRARY LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "install it (pip install torch) into the Python that CMake finds (-DPython_EXECUTABLE=...), or give -DLibTorch_ROOT=<its folder>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_include_directories(LibTorch::LibTorch INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  if(libtorch_old_abi)
    target_compile_definitions(LibTorch::LibTorch INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
  endif()
  # libtorch.so defines nothing, it draws in the CUDA libraries where there are some: keep it though no symbol asks for it.
  target_link_libraries(LibTorch::LibTorch INTERFACE "${LibTorch_CPU_LIBRARY}" "${LibTorch_C10_LIBRARY}")
  if(APPLE)
    target_link_libraries(LibTorch::LibTorch INTERFACE "${LibTorch_LIBRARY}")
  else()
    target_link_libraries(LibTorch::LibTorch INTERFACE
      "-Wl,--push-state,--no-as-needed" "${LibTorch_LIBRARY}" "-Wl,--pop-state")
  endif()
  cmake_path(GET LibTorch_LIBRARY PARENT_PATH LibTorch_LIBRARY_DIR)
endif()
