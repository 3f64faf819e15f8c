// Products of a model's Jacobian with vectors: the adjoint and the tangent linear of its forward, on the host's arrays.
#pragma once

#include <span>

#include "model.hpp"
#include "radml.h"

namespace radml {

// gradients[i] = sum over j of cotangents[j] times the derivative of output j by input i.
struct VectorJacobianProduct {
  std::span<const radml_array> inputs;
  std::span<const radml_array> cotangents;
  std::span<const radml_array> gradients;
  std::span<const radml_array> outputs;  // of the forward; empty: not wanted
};

// output_tangents[j] = sum over i of the derivative of output j by input i times tangents[i].
struct JacobianVectorProduct {
  std::span<const radml_array> inputs;
  std::span<const radml_array> tangents;
  std::span<const radml_array> output_tangents;
  std::span<const radml_array> outputs;
};

// Safe to call from several threads at once. They write nothing unless all can be written.
void compute(const Model& model, const VectorJacobianProduct& product);
void compute(const Model& model, const JacobianVectorProduct& product);

}  // namespace radml
