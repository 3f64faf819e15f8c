// What the program that started this process says about the other processes (ranks) on the same machine, told without MPI:
// the library must not need one, and hosts have theirs.
#pragma once

#include <cstdint>
#include <optional>

namespace radml {

struct LocalRank {
  int64_t rank;   // of this process among those of its job on this machine, from 0
  int64_t count;  // of those; 0: not told
};

// Empty where no launcher that is known started this process.
std::optional<LocalRank> local_rank();

}  // namespace radml
