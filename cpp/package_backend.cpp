#include "package_backend.hpp"

#include <ATen/DynamicLibrary.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/version.h>

#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "compute_capability.hpp"
#include "error.hpp"
#include "exception_text.hpp"
#include "instruction_set.hpp"

namespace radml {
namespace {

constexpr std::string_view model_folder = "data/aotinductor/";

[[noreturn]] void refuse(const std::string& what) { throw Error(RADML_INVALID_FILE, what); }

// The checksum of zip files. PyTorch's reader leaves it unchecked, and a damaged package would be run.
uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> entries{};
    for (uint32_t i = 0; i < entries.size(); ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1U) != 0 ? 0xEDB88320U : 0U);
      entries[i] = value;
    }
    return entries;
  }();
  uint32_t sum = 0xFFFFFFFFU;
  for (const char byte : bytes) sum = (sum >> 8) ^ table[(sum ^ static_cast<unsigned char>(byte)) & 0xFFU];
  return ~sum;
}

// The numbers of a version, without what follows them: "2.13.0" of "2.13.0+cpu".
std::string release_of(const std::string& version) { return version.substr(0, version.find_first_not_of("0123456789.")); }

void check_needs(const Manifest& manifest, c10::Device device) {
  const PackageNeeds& needs = *manifest.package;
  const auto found = manifest.metadata.find("torch");
  const std::string torch = found == manifest.metadata.end() ? "an unknown version" : release_of(found->second);
  if (torch != release_of(TORCH_VERSION))
    refuse("the package was compiled with PyTorch " + torch + ", this is LibTorch " + release_of(TORCH_VERSION) +
           "; export it again with that one");
  if (needs.device == "cpu" && !device.is_cpu())
    throw Error(RADML_MISSING_DEVICE, "the package was compiled for the cpu, not for \"" + device.str() +
                                          "\"; for a GPU export it with --device cuda, or as TorchScript (.pt)");
  if (needs.device == "cuda" && !device.is_cuda())
    throw Error(RADML_MISSING_DEVICE, "the package was compiled for the device \"cuda\", not for the " + device.str() +
                                          "; load it with device='cuda', or export it again for the cpu");
  const std::string here = device.is_cuda() ? compute_capability(device) : "";
  if (!here.empty() && here != needs.compute_capability)
    refuse("the package was compiled for GPUs of compute capability " + needs.compute_capability + ", \"" + device.str() +
           "\" has " + here + "; export it again on a machine with such a GPU, or as TorchScript (.pt)");
  if (needs.machine != machine_name())
    refuse("the package was compiled for " + needs.machine + " processors, this is one of " + machine_name());
  std::string names;
  for (const std::string& name : missing_instructions(needs.instructions)) names += " " + name;
  if (!names.empty())
    refuse("the package needs instructions that this machine does not have:" + names +
           "; export it without --march, or with an older one");
}

// A new folder, which goes with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "radml-XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr)
      throw Error(RADML_MISSING_FILE, "no temporary folder can be made to unpack the package in: let TMPDIR name a folder that "
                                      "can be written to");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace

struct PackageFile::Archive {
  mutable caffe2::serialize::PyTorchStreamReader reader;

  std::string text(const std::string& name) const {
    try {
      const auto [data, size] = reader.getRecord(name);
      return {static_cast<const char*>(data.get()), size};
    } catch (const std::exception& error) {
      refuse("a damaged package: " + name + ": " + exception_text(error));
    }
  }
};

bool PackageFile::is_package(const std::string& path) {
  try {
    caffe2::serialize::PyTorchStreamReader reader(path);
    if (!reader.hasRecord("archive_format")) return false;
    const auto [data, size] = reader.getRecord("archive_format");
    return std::string_view(static_cast<const char*>(data.get()), size) == "pt2";
  } catch (const std::exception&) {
    return false;
  }
}

PackageFile::PackageFile(const std::string& path) : archive_(new Archive{caffe2::serialize::PyTorchStreamReader(path)}) {}

PackageFile::~PackageFile() = default;

std::string PackageFile::manifest() const {
  const std::vector<std::string> names = archive_->reader.getAllRecords();
  if (std::none_of(names.begin(), names.end(), [](const std::string& name) { return name.starts_with(model_folder); }))
    refuse("an exported program that was not compiled; export the module with ftorch-export");
  if (!archive_->reader.hasRecord("extra/radml.json"))
    refuse("a package without manifest, which would take any array for the one it was compiled for; "
           "export the module with ftorch-export");
  return archive_->text("extra/radml.json");
}

std::string PackageFile::extract(const std::filesystem::path& folder, const PackageNeeds& needs) const {
  std::string library;
  for (const std::string& record : archive_->reader.getAllRecords()) {
    if (!record.starts_with(model_folder) || record.ends_with(".cpp")) continue;
    const std::string name = record.substr(record.rfind('/') + 1);
    const std::string bytes = archive_->text(record);
    if (const auto found = needs.crc32.find(name); found != needs.crc32.end()) {
      if (crc32(bytes) != found->second) refuse("a damaged package: the checksum of " + name + " is wrong");
    } else if (name.ends_with(".so")) {
      refuse("the package's manifest has no checksum of " + name);
    }
    const std::filesystem::path path = folder / name;
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::error_code error;
    if (std::filesystem::file_size(path, error) != bytes.size() || error)
      throw Error(RADML_INTERNAL_ERROR, "cannot write " + std::to_string(bytes.size()) + " bytes to " + path.string());
    if (!name.ends_with(".so")) continue;
    if (!library.empty()) refuse("a package with several models; expected one");
    library = path.string();
  }
  if (library.empty()) refuse("a package without compiled model");
  return library;
}

namespace {

using Runner = torch::inductor::AOTIModelContainerRunner;

// Opens the library that the package loader would open. LibTorch registers what runs it by the kind of device: so nothing here
// needs a CUDA toolkit.
template <typename Create>
std::shared_ptr<Runner> opened(Create create, const std::string& library, size_t instances, const std::string& device) {
  // PyTorch 2.6 and older do not ask whether it is to run in one thread alone.
  if constexpr (std::is_invocable_v<Create, const std::string&, size_t, const std::string&, const std::string&>)
    return create(library, instances, device, "");
  else
    return create(library, instances, device, "", false);
}

std::shared_ptr<Runner> open(const std::string& library, c10::Device device) {
  // Each instance runs one forward at a time; they share the weights. A GPU has the three blocks of a plan under way, or one.
  const size_t instances = device.is_cpu() ? std::max(1U, std::thread::hardware_concurrency()) : 4;
  const auto& makers = torch::inductor::getAOTIModelRunnerRegistry();
  const auto found = makers.find(c10::DeviceTypeName(device.type(), /*lower_case=*/true));
  if (found == makers.end()) refuse("this LibTorch runs no packages on \"" + device.str() + "\"");
  return opened(found->second, library, instances, device.str());
}

// How many arrays it takes or gives, which LibTorch keeps from others.
class Answers : public Runner {
 public:
  static size_t number(const Runner& runner, const char* question) {
    using Question = AOTIRuntimeError (*)(AOTInductorModelContainerHandle, size_t*);
    size_t n = 0;
    const auto ask = reinterpret_cast<Question>((runner.*&Answers::model_so_)->sym(question));
    if (ask(runner.*&Answers::container_handle_, &n) != AOTI_RUNTIME_SUCCESS)
      refuse(std::string("a package that does not answer ") + question);
    return n;
  }
};

}  // namespace

PackageBackend::PackageBackend(const PackageFile& file, c10::Device device, const Manifest& manifest)
    : arguments_(manifest.inputs) {
  if (!manifest.package) refuse("manifest radml.json: it has no \"package\", which a package needs");
  for (const Argument& argument : arguments_) {
    if (argument.layout == Layout::any)
      refuse("manifest radml.json: input \"" + argument.name + "\" has no \"layout\", which a package needs");
    input_names_.push_back(argument.name);
  }
  check_needs(manifest, device);
  const TemporaryFolder folder;  // the library stays mapped when its file is gone
  const std::string library = file.extract(folder.path(), *manifest.package);
  try {
    runner_ = open(library, device);
  } catch (const std::exception& error) {
    refuse("the package cannot be loaded (its library is unpacked below TMPDIR, which must allow to run it): " +
           exception_text(error));
  }
  const auto compare = [](size_t declared, size_t compiled, const char* what) {
    if (declared != compiled)
      refuse("manifest radml.json: it declares " + std::to_string(declared) + " " + what +
             ", but the package was compiled for " + std::to_string(compiled));
  };
  compare(manifest.inputs.size(), Answers::number(*runner_, "AOTInductorModelContainerGetNumInputs"), "inputs");
  compare(manifest.outputs.size(), Answers::number(*runner_, "AOTInductorModelContainerGetNumOutputs"), "outputs");
}

PackageBackend::~PackageBackend() = default;

namespace {

// PyTorch 2.5 and older take the inputs by a reference that is not const.
template <typename Loader>
std::vector<at::Tensor> results_of(Loader& loader, const std::vector<at::Tensor>& inputs) {
  if constexpr (requires { loader.run(inputs); }) {
    return loader.run(inputs);
  } else {
    std::vector<at::Tensor> own = inputs;
    return loader.run(own);
  }
}

}  // namespace

void PackageBackend::run(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
                         std::vector<std::string>* places) const {
  for (at::Tensor& tensor : results_of(*runner_, inputs)) {
    results.push_back(std::move(tensor));
    if (places != nullptr) places->emplace_back();
  }
}

}  // namespace radml
