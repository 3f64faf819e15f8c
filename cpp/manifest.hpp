// The manifest: what an exported model says of its inputs and outputs, and the check of a call's arrays against it.
//
// The exporter embeds it in the TorchScript archive as the extra file "radml.json". Each argument has a name, a kind and a
// shape; a shape entry is a number, or the name of a free dimension with an optional "+N". Equal names mean equal extents in
// all arrays of one call.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "radml.h"

namespace radml {

struct Extent {
  std::string name;    // empty: a fixed extent
  int64_t number = 0;  // the fixed extent, or what is added to the named one
};

struct Argument {
  std::string name;
  radml_kind kind = RADML_UNSUPPORTED;
  std::vector<Extent> shape;
};

struct Manifest {
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;
  std::map<std::string, std::string> metadata;  // with the manifest's own texts: "name", "torch"

  // Throws Error(RADML_INVALID_FILE) with what is wrong with it.
  static Manifest parse(const std::string& json);

  // Throws Error for the first array whose rank, kind or shape is not the declared one; with `convert` one real kind may
  // stand for the other. `model` begins the message.
  void check(const std::string& model, const radml_array* inputs, const radml_array* outputs, bool convert) const;
};

// `input 2 "q"`; without the name where there is none.
std::string argument_label(bool is_output, size_t number, const std::string& name);

// `(64,90) float64`; `scalar float64` for rank 0.
std::string array_text(const radml_array& array);
std::string shape_text(const std::vector<std::string>& extents);

// Throws Error(RADML_INVALID_ARRAY or RADML_WRONG_KIND) for an array that no model could take.
void check_array(const std::string& model, const std::string& label, const radml_array& array, bool is_output);

}  // namespace radml
