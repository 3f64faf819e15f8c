// Which generation of GPU this is: asked before machine code for one is loaded.
#pragma once

#include <c10/core/Device.h>

#include <string>

namespace radml {

// As in "9.0"; empty where the driver does not tell.
std::string compute_capability(c10::Device device);

}  // namespace radml
