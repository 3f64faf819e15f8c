// Packages of machine code, as PyTorch's AOTInductor writes them (`.pt2`).
//
// A package checks nothing that it is given: not the shapes, not the kinds, not the strides it was compiled for, nor whether
// this processor has its instructions. The manifest says all of that, so a package without one is refused, and nothing of a
// package is loaded before the manifest has been found to fit.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend.hpp"

namespace torch::inductor {
class AOTIModelContainerRunner;
}

namespace radml {

// The archive of a package, opened for reading.
class PackageFile {
 public:
  // True for an archive that says it is a .pt2; false for anything else, damaged files included.
  static bool is_package(const std::string& path);

  // Throws Error(RADML_INVALID_FILE), as the others do.
  explicit PackageFile(const std::string& path);
  ~PackageFile();
  PackageFile(const PackageFile&) = delete;
  PackageFile& operator=(const PackageFile&) = delete;

  [[nodiscard]] std::string manifest() const;

  // Writes the files of the compiled model into the folder and returns the path of its library.
  [[nodiscard]] std::string extract(const std::filesystem::path& folder, const PackageNeeds& needs) const;

 private:
  struct Archive;
  std::unique_ptr<Archive> archive_;
};

class PackageBackend final : public Backend {
 public:
  PackageBackend(const PackageFile& file, c10::Device device, const Manifest& manifest);
  ~PackageBackend() override;
  PackageBackend(const PackageBackend&) = delete;
  PackageBackend& operator=(const PackageBackend&) = delete;

  void run(const std::vector<at::Tensor>& inputs, std::vector<at::Tensor>& results,
           std::vector<std::string>* places) const override;
  [[nodiscard]] const std::vector<std::string>& input_names() const override { return input_names_; }
  [[nodiscard]] size_t required_inputs() const override { return input_names_.size(); }
  [[nodiscard]] bool writes_input(size_t i) const override { return arguments_[i].written; }
  [[nodiscard]] Layout input_layout(size_t i) const override { return arguments_[i].layout; }

 private:
  std::vector<Argument> arguments_;
  std::vector<std::string> input_names_;
  std::shared_ptr<torch::inductor::AOTIModelContainerRunner> runner_;
};

}  // namespace radml
