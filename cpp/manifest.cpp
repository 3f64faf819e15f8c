#include "manifest.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "array_copy.hpp"
#include "error.hpp"
#include "kind.hpp"

namespace radml {
namespace {

using nlohmann::json;

[[noreturn]] void invalid(const std::string& what) { throw Error(RADML_INVALID_FILE, "manifest radml.json: " + what); }

const json& member(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end()) invalid(where + " has no \"" + key + "\"");
  return *found;
}

std::string text_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where);
  if (!value.is_string()) invalid(where + ": \"" + key + "\" is not a text: " + value.dump());
  return value.get<std::string>();
}

Extent parse_extent(const json& entry, const std::string& where) {
  const auto refuse = [&]() {
    invalid(where + ": shape entry " + entry.dump() + " is neither a number from 0 nor \"name\" nor \"name+N\"");
  };
  Extent extent;
  if (entry.is_number_integer()) {
    extent.number = entry.get<int64_t>();
    if (extent.number < 0) refuse();
    return extent;
  }
  if (!entry.is_string()) refuse();
  const std::string text = entry.get<std::string>();
  const size_t plus = text.find('+');
  extent.name = text.substr(0, plus);
  if (extent.name.empty() || extent.name.find_first_of(" -*/") != std::string::npos) refuse();
  if (plus != std::string::npos) {
    const char* const first = text.data() + plus + 1;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(first, last, extent.number);
    if (error != std::errc() || end != last || extent.number < 0) refuse();
  }
  return extent;
}

std::vector<Argument> parse_arguments(const json& root, const char* key) {
  const json& list = member(root, key, "it");
  if (!list.is_array()) invalid(std::string("\"") + key + "\" is not a list");
  std::vector<Argument> arguments;
  std::set<std::string> names;
  for (const json& item : list) {
    const std::string where = std::string(key) + " " + std::to_string(arguments.size() + 1);
    if (!item.is_object()) invalid(where + " is not an object");
    Argument argument;
    argument.name = text_member(item, "name", where);
    if (!names.insert(argument.name).second) invalid(where + ": the name \"" + argument.name + "\" is there twice");
    const std::string kind = text_member(item, "kind", where);
    argument.kind = kind_of_name(kind);
    if (argument.kind == RADML_UNSUPPORTED) invalid(where + " \"" + argument.name + "\": no Fortran kind fits \"" + kind + "\"");
    const json& shape = member(item, "shape", where);
    if (!shape.is_array()) invalid(where + ": \"shape\" is not a list");
    if (shape.size() > RADML_MAX_RANK) invalid(where + " \"" + argument.name + "\" has more than 15 dimensions");
    for (const json& entry : shape) argument.shape.push_back(parse_extent(entry, where));
    if (const auto layout = item.find("layout"); layout != item.end()) {
      if (*layout != "fortran" && *layout != "c")
        invalid(where + ": \"layout\" is neither \"fortran\" nor \"c\": " + layout->dump());
      argument.layout = *layout == "c" ? Layout::c : Layout::fortran;
    }
    if (const auto written = item.find("written"); written != item.end()) {
      if (!written->is_boolean()) invalid(where + ": \"written\" is neither true nor false: " + written->dump());
      argument.written = written->get<bool>();
    }
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

std::map<std::string, Range> parse_ranges(const json& object) {
  if (!object.is_object()) invalid("\"ranges\" is not an object");
  std::map<std::string, Range> ranges;
  for (const auto& [name, entry] : object.items()) {
    const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_number_integer() &&
                         (entry[1].is_number_integer() || entry[1].is_null());
    if (!is_pair) invalid("range of \"" + name + "\": expected [least, most] or [least, null], got " + entry.dump());
    Range& range = ranges[name];
    range.least = entry[0].get<int64_t>();
    if (!entry[1].is_null()) range.most = entry[1].get<int64_t>();
  }
  return ranges;
}

PackageNeeds parse_package(const json& object) {
  if (!object.is_object()) invalid("\"package\" is not an object");
  PackageNeeds needs;
  needs.device = text_member(object, "device", "\"package\"");
  if (needs.device != "cpu" && needs.device != "cuda")
    invalid("\"device\" of \"package\" is neither \"cpu\" nor \"cuda\": \"" + needs.device + "\"");
  if (needs.device == "cuda") needs.compute_capability = text_member(object, "compute_capability", "\"package\"");
  needs.machine = text_member(object, "machine", "\"package\"");
  const json& instructions = member(object, "instructions", "\"package\"");
  if (!instructions.is_array()) invalid("\"instructions\" is not a list");
  for (const json& name : instructions) {
    if (!name.is_string()) invalid("\"instructions\": not a text: " + name.dump());
    needs.instructions.push_back(name.get<std::string>());
  }
  const json& sums = member(object, "crc32", "\"package\"");
  if (!sums.is_object()) invalid("\"crc32\" is not an object");
  for (const auto& [name, sum] : sums.items()) {
    if (!sum.is_number_unsigned()) invalid("checksum of " + name + " is not a number: " + sum.dump());
    needs.crc32[name] = sum.get<uint32_t>();
  }
  return needs;
}

// What the named dimensions are in one call, and which argument said so.
struct Known {
  int64_t value;
  std::string from;
};
using KnownExtents = std::map<std::string, Known>;

// `89`, `layer`, `layer+1`
std::string extent_text(const Extent& extent) {
  if (extent.name.empty()) return std::to_string(extent.number);
  return extent.number > 0 ? extent.name + "+" + std::to_string(extent.number) : extent.name;
}

std::string expected_shape(const Argument& argument, const KnownExtents& known) {
  std::vector<std::string> extents;
  for (const Extent& extent : argument.shape) {
    std::string text = extent_text(extent);
    if (const auto found = known.find(extent.name); found != known.end())
      text += "=" + std::to_string(found->second.value + extent.number);
    extents.push_back(std::move(text));
  }
  return shape_text(extents);
}

std::string shape_of(const radml_array& array) {
  std::vector<std::string> extents;
  for (int32_t i = 0; i < array.rank; ++i) extents.push_back(std::to_string(array.shape[i]));
  return shape_text(extents);
}

constexpr const char* reverse_hint = " fit in reverse order: torch_reverse(...), or ftorch-generate --reverse";

constexpr const char* range_hint = "; any number of columns goes through in blocks: column_dimension";

std::vector<radml_array> all_reversed(const radml_array* arrays, size_t n) {
  std::vector<radml_array> reversed(arrays, arrays + n);
  for (radml_array& array : reversed) std::reverse(array.shape, array.shape + array.rank);
  return reversed;
}

// Whether the array's dimensions in reverse order are what the argument takes beside what other arguments said.
bool fits_reversed(const Argument& argument, const radml_array& array, KnownExtents known) {
  if (array.rank < 2 || static_cast<size_t>(array.rank) != argument.shape.size()) return false;
  for (int32_t i = 0; i < array.rank; ++i) {
    const Extent& extent = argument.shape[i];
    const int64_t size = array.shape[array.rank - 1 - i];
    if (size == 0) return false;
    // Of a free dimension what is over; of a fixed one what must be nothing.
    const int64_t value = size - extent.number;
    if (value != (extent.name.empty() ? 0 : known.try_emplace(extent.name, Known{value, ""}).first->second.value)) return false;
  }
  return true;
}

void check_argument(const std::string& model, const std::string& label, const Argument& argument, const radml_array& array,
                    const std::map<std::string, Range>& ranges, KnownExtents& known, Conversion conversion,
                    const std::string& unlimited) {
  std::string origin;  // where the extent in question was learnt
  bool beyond_range = false;
  const bool convertible = array.kind != argument.kind && is_real(array.kind) && is_real(argument.kind);
  const bool converted = convertible && conversion == Conversion::asked;
  const auto refuse = [&](radml_status status) {
    std::string hint = origin;
    KnownExtents others = known;
    std::erase_if(others, [&](const auto& entry) { return entry.second.from == label; });
    // What has the right shape and too many columns is not turned, though it may fit so.
    const bool is_reversed = status == RADML_WRONG_SHAPE && !beyond_range && fits_reversed(argument, array, others);
    if (is_reversed)
      hint += std::string("; its dimensions") + reverse_hint;
    else if (status == RADML_WRONG_KIND && convertible && conversion == Conversion::offered)
      hint += "; convert=.true. converts it";
    // Kinds that are converted are not what is wrong.
    throw Error(status, model + ": " + label + ": expected " + expected_shape(argument, is_reversed ? others : known) +
                            (converted ? "" : std::string(" ") + kind_name(argument.kind)) + ", got " +
                            (converted ? shape_of(array) : array_text(array)) + hint);
  };
  if (static_cast<size_t>(array.rank) != argument.shape.size()) refuse(RADML_WRONG_RANK);
  for (size_t i = 0; i < argument.shape.size(); ++i) {
    const Extent& extent = argument.shape[i];
    if (extent.name.empty()) {
      if (array.shape[i] != extent.number) refuse(RADML_WRONG_SHAPE);
      continue;
    }
    const int64_t value = array.shape[i] - extent.number;
    const auto [found, is_new] = known.try_emplace(extent.name, Known{value, label});
    if (is_new && value < 0) {
      known.erase(found);
      refuse(RADML_WRONG_SHAPE);
    }
    if (const auto range = ranges.find(extent.name);
        is_new && range != ranges.end() && extent.name != unlimited &&
        (value < range->second.least || (range->second.most && value > *range->second.most))) {
      known.erase(found);
      origin = " (" + extent.name + ": the model was exported for " + std::to_string(range->second.least) +
               (range->second.most ? " to " + std::to_string(*range->second.most) : " or more") + ")" + range_hint;
      beyond_range = true;
      refuse(RADML_WRONG_SHAPE);
    }
    if (found->second.value != value) {
      origin = " (" + extent.name + "=" + std::to_string(found->second.value) + " from " + found->second.from + ")";
      refuse(RADML_WRONG_SHAPE);
    }
  }
  if (array.kind != argument.kind && !converted) refuse(RADML_WRONG_KIND);
}

}  // namespace

std::string argument_label(bool is_output, size_t number, const std::string& name) {
  std::string label = (is_output ? "output " : "input ") + std::to_string(number);
  if (!name.empty()) label += " \"" + name + "\"";
  return label;
}

std::string declaration_of(const Argument& argument) {
  std::string extents;
  for (const Extent& extent : argument.shape) extents += (extents.empty() ? "" : ",") + extent_text(extent);
  return argument.name + ":" + kind_name(argument.kind) + "[" + extents + "]";
}

std::string count_text(size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string shape_text(const std::vector<std::string>& extents) {
  if (extents.empty()) return "scalar";
  std::string text = "(";
  for (size_t i = 0; i < extents.size(); ++i) text += (i > 0 ? "," : "") + extents[i];
  return text + ")";
}

std::string array_text(const radml_array& array) { return shape_of(array) + " " + kind_name(array.kind); }

void check_array(const std::string& model, const std::string& label, const radml_array& array, bool is_output) {
  const auto refuse = [&](radml_status status, const std::string& what) {
    throw Error(status, model + ": " + label + ": " + what);
  };
  if (is_no_array(array))
    refuse(RADML_INVALID_ARRAY, std::string("torch_none() is no array; expected one made with ") +
                                    (is_output ? "torch_out" : "torch_in"));
  if (array.flags & RADML_FOREIGN_DESCRIPTOR)
    refuse(RADML_INVALID_ARRAY,
           "its descriptor is not of the compiler whose ISO_Fortran_binding.h radml_descriptor.c was compiled with");
  if (array.rank < 0 || array.rank > RADML_MAX_RANK)
    refuse(RADML_INVALID_ARRAY, "expected a rank of 0 to 15, got " + std::to_string(array.rank) +
                                    (array.rank == -1 ? ": the order given to torch_permute is no permutation of its dimensions" : ""));
  if (array.address == nullptr) refuse(RADML_INVALID_ARRAY, "the array is not allocated or not associated");
  if (array.flags & RADML_ASSUMED_SIZE)
    refuse(RADML_INVALID_ARRAY, "the last extent of an assumed-size array is not known; pass a section such as a(:,1:n)");
  if (is_output && (array.flags & RADML_READ_ONLY))
    refuse(RADML_INVALID_ARRAY, "made with torch_in, which is for inputs; make it with torch_out");
  for (int32_t i = 0; i < array.rank; ++i)
    if (array.shape[i] < 0)
      refuse(RADML_INVALID_ARRAY, "extent " + std::to_string(i + 1) + " is " + std::to_string(array.shape[i]));
  if (kind_of_name(kind_name(array.kind)) == RADML_UNSUPPORTED)
    refuse(RADML_WRONG_KIND, "elements of " + std::to_string(array.element_size) +
                                 " bytes of a type no tensor has; expected real32, real64, int8 to int64, complex of "
                                 "real32 or real64, or logical(c_bool)");
}

Manifest Manifest::parse(const std::string& text) {
  json root;
  try {
    root = json::parse(text);
  } catch (const json::parse_error& error) {
    invalid(std::string("not JSON: ") + error.what());
  }
  if (!root.is_object()) invalid("not a JSON object");
  const json& version = member(root, "radml", "it");
  if (version != 1) invalid("version " + version.dump() + "; this radml reads version 1");
  Manifest manifest;
  manifest.inputs = parse_arguments(root, "inputs");
  manifest.outputs = parse_arguments(root, "outputs");
  if (const auto ranges = root.find("ranges"); ranges != root.end()) manifest.ranges = parse_ranges(*ranges);
  if (const auto package = root.find("package"); package != root.end()) manifest.package = parse_package(*package);
  for (const char* key : {"name", "torch"})
    if (const auto found = root.find(key); found != root.end()) manifest.metadata[key] = text_member(root, key, "it");
  if (const auto found = root.find("metadata"); found != root.end()) {
    if (!found->is_object()) invalid("\"metadata\" is not an object");
    for (const auto& [key, value] : found->items()) {
      if (!value.is_string()) invalid("metadata \"" + key + "\" is not a text: " + value.dump());
      manifest.metadata[key] = value.get<std::string>();
    }
  }
  return manifest;
}

void Manifest::check(const std::string& model, const radml_array* in, const radml_array* out, Conversion conversion,
                     const std::string& unlimited, const std::string& role) const {
  const auto check_all = [&](const radml_array* given, const radml_array* wanted) {
    KnownExtents known;
    for (size_t i = 0; i < inputs.size(); ++i)
      check_argument(model, argument_label(false, i + 1, inputs[i].name), inputs[i], given[i], ranges, known, conversion,
                     unlimited);
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!is_no_array(wanted[i]))
        check_argument(model, role + argument_label(true, i + 1, outputs[i].name), outputs[i], wanted[i], ranges, known,
                       conversion, unlimited);
  };
  try {
    check_all(in, out);
  } catch (const Error& error) {
    const std::string words = error.what();
    if (error.status() != RADML_WRONG_SHAPE || words.ends_with(reverse_hint) || words.ends_with(range_hint)) throw;
    // The array that does not fit may be the one that is right: the first may have bound its extents the wrong way round.
    try {
      check_all(all_reversed(in, inputs.size()).data(), all_reversed(out, outputs.size()).data());
    } catch (const Error&) {
      throw error;
    }
    throw Error(error.status(), words + "; all arrays of this call" + reverse_hint);
  }
}

}  // namespace radml
