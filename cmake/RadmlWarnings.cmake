# radml_warnings(target): the warnings under which every source of this project compiles in silence.
function(radml_warnings target)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANG_AND_ID:Fortran,GNU>:-std=f2018 -Wall -Wextra -Wimplicit-interface -Wno-compare-reals -fimplicit-none>
    $<$<COMPILE_LANG_AND_ID:Fortran,LLVMFlang>:-std=f2018>
    $<$<COMPILE_LANGUAGE:C,CXX>:-Wall -Wextra>)
endfunction()
