// The manifest: what an exported model says of its inputs and outputs, and the check of a call's arrays against it.
//
// The exporter embeds it in the archive of the model as the extra file "radml.json". Each argument has a name, a kind and a
// shape; a shape entry is a number, or the name of a free dimension with an optional "+N". Equal names mean equal extents in
// all arrays of one call.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "radml.h"

namespace radml {

struct Extent {
  std::string name;    // empty: a fixed extent
  int64_t number = 0;  // the fixed extent, or what is added to the named one
};

// In which order a model wants the elements of an input in memory: its first dimension contiguous, or its last.
enum class Layout { any, fortran, c };

struct Argument {
  std::string name;
  radml_kind kind = RADML_UNSUPPORTED;
  std::vector<Extent> shape;
  Layout layout = Layout::any;
  bool written = false;  // the model works in place on it
};

// What a free dimension may be.
struct Range {
  int64_t least = 0;
  std::optional<int64_t> most;
};

// What a package of machine code must find where it is loaded.
struct PackageNeeds {
  std::string device;                     // "cpu" or "cuda"
  std::string compute_capability;         // of the GPU, as in "9.0"; empty for the cpu
  std::string machine;                    // as Python's platform.machine()
  std::vector<std::string> instructions;  // sets of instructions, as Linux names them
  std::map<std::string, uint32_t> crc32;  // checksums of its files
};

// Whether a call takes real arrays of another kind: never, not this time, or this time.
enum class Conversion { none, offered, asked };

struct Manifest {
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;
  std::map<std::string, Range> ranges;  // of the free dimensions that have one
  std::optional<PackageNeeds> package;
  std::map<std::string, std::string> metadata;  // with the manifest's own texts: "name", "torch"

  // Throws Error(RADML_INVALID_FILE) with what is wrong with it.
  static Manifest parse(const std::string& json);

  // Throws Error for the first array whose rank, kind or shape is not the declared one; where conversion is asked for one real
  // kind may stand for the other, and the dimension `unlimited` may leave its range. `model` begins the message.
  // Places with RADML_NO_ARRAY are passed over: whoever needs an array has refused them before. `role` begins the outputs'
  // labels: "cotangent of ".
  void check(const std::string& model, const radml_array* inputs, const radml_array* outputs, Conversion conversion,
             const std::string& unlimited = "", const std::string& role = "") const;
};

// `input 2 "q"`; without the name where there is none.
std::string argument_label(bool is_output, size_t number, const std::string& name);

// `q:float32[column,layer+1]`, as ftorch-export takes it.
std::string declaration_of(const Argument& argument);

// `1 input`, `2 inputs`.
std::string count_text(size_t count, const std::string& what);

// `(64,90) float64`; `scalar float64` for rank 0.
std::string array_text(const radml_array& array);
std::string shape_text(const std::vector<std::string>& extents);

// A place that is not wanted or zero: what torch_none() makes.
inline bool is_no_array(const radml_array& array) { return (array.flags & RADML_NO_ARRAY) != 0; }

// Throws Error(RADML_INVALID_ARRAY or RADML_WRONG_KIND) for an array that no model could take.
void check_array(const std::string& model, const std::string& label, const radml_array& array, bool is_output);

}  // namespace radml
