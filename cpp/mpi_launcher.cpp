#include "mpi_launcher.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace radml {
namespace {

struct Launcher {
  const char* rank;
  const char* count;  // null: it does not say
};

// The first that is set counts: a batch system's own come last, since mpirun may have started the process inside its job.
constexpr std::array<Launcher, 7> launchers{{
    {"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},  // Open MPI
    {"MV2_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_SIZE"},    // MVAPICH
    {"MPI_LOCALRANKID", "MPI_LOCALNRANKS"},                        // MPICH and Intel MPI (Hydra)
    {"PALS_LOCAL_RANKID", "PALS_LOCAL_SIZE"},                      // Cray PALS
    {"LOCAL_RANK", "LOCAL_WORLD_SIZE"},                            // torchrun
    {"FLUX_TASK_LOCAL_ID", nullptr},                               // Flux
    {"SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"},                // srun; batch scripts have no step with tasks
}};

// The number at the beginning: Slurm's "8(x2),4" are 8 tasks on each of the first two machines. The first machine has the most.
std::optional<int64_t> number_in(const char* variable) {
  const char* const text = variable == nullptr ? nullptr : std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text, text + std::strlen(text), value);
  if (error != std::errc() || value < 0 || (*end != '\0' && *end != '(' && *end != ',')) return std::nullopt;
  return value;
}

}  // namespace

std::optional<LocalRank> local_rank() {
  for (const Launcher& launcher : launchers)
    if (const auto rank = number_in(launcher.rank)) return LocalRank{*rank, number_in(launcher.count).value_or(0)};
  return std::nullopt;
}

}  // namespace radml
