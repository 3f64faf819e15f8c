# FindNetCDFFortran: the NetCDF-Fortran library by nf-config, else by pkg-config, as target NetCDF::NetCDF_Fortran.
include(FindPackageHandleStandardArgs)

find_program(NF_CONFIG nf-config)
if(NF_CONFIG)
  execute_process(COMMAND ${NF_CONFIG} --includedir OUTPUT_VARIABLE NetCDFFortran_INCLUDE_DIR OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND ${NF_CONFIG} --flibs OUTPUT_VARIABLE NetCDFFortran_LINK OUTPUT_STRIP_TRAILING_WHITESPACE)
  execute_process(COMMAND ${NF_CONFIG} --version OUTPUT_VARIABLE NetCDFFortran_VERSION OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REGEX MATCH "[0-9.]+" NetCDFFortran_VERSION "${NetCDFFortran_VERSION}")
  separate_arguments(NetCDFFortran_LINK UNIX_COMMAND "${NetCDFFortran_LINK}")
else()
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_NETCDFF QUIET netcdf-fortran)
    set(NetCDFFortran_INCLUDE_DIR "${PC_NETCDFF_INCLUDE_DIRS}")
    set(NetCDFFortran_LINK "${PC_NETCDFF_LDFLAGS}")
    set(NetCDFFortran_VERSION "${PC_NETCDFF_VERSION}")
  endif()
endif()

find_package_handle_standard_args(NetCDFFortran
  REQUIRED_VARS NetCDFFortran_LINK
  VERSION_VAR NetCDFFortran_VERSION
  REASON_FAILURE_MESSAGE "install it (Debian: libnetcdff-dev, Fedora: netcdf-fortran-devel, Homebrew: netcdf-fortran, conda: netcdf-fortran) or put nf-config on the PATH")

if(NetCDFFortran_FOUND AND NOT TARGET NetCDF::NetCDF_Fortran)
  add_library(NetCDF::NetCDF_Fortran INTERFACE IMPORTED)
  target_include_directories(NetCDF::NetCDF_Fortran INTERFACE ${NetCDFFortran_INCLUDE_DIR})
  target_link_libraries(NetCDF::NetCDF_Fortran INTERFACE ${NetCDFFortran_LINK})
endif()
