// What this machine is: asked before machine code of a model is loaded.
#pragma once

#include <string>
#include <vector>

namespace radml {

// As Python's platform.machine(): "x86_64", "aarch64", "arm64"; empty where it is none of them.
std::string machine_name();

// Those of the wanted instruction sets, named as in Linux's /proc/cpuinfo, that this processor or its operating system does
// not have. Where the system does not tell: none.
std::vector<std::string> missing_instructions(const std::vector<std::string>& wanted);

}  // namespace radml
