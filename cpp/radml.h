/* radml.h: the C interface of libradml, which runs PyTorch models on arrays that the caller owns.
 *
 * Every function returns a radml_status. Where it is not RADML_SUCCESS, one clear line lies in the caller's message buffer
 * (always terminated by a zero byte, cut at message_size; a null buffer or a size of 0 is allowed). No C++ exception,
 * abort or exit leaves this interface. All functions may be called by any number of threads at once.
 *
 * The caller's floating-point environment (traps, rounding, flags) and the number of threads of its own OpenMP regions are
 * the same after a call as before it.
 */
#ifndef RADML_H
#define RADML_H

#include <stdint.h>

#if defined(_WIN32)
#define RADML_API
#else
#define RADML_API __attribute__((visibility("default")))
#endif

/* Goes up when a caller compiled against an older radml.h would no longer work. */
#define RADML_ABI_VERSION 1

/* The most dimensions an array may have: Fortran's limit. */
#define RADML_MAX_RANK 15

#ifdef __cplusplus
extern "C" {
#endif

typedef enum radml_status {
  RADML_SUCCESS = 0,
  RADML_MISSING_FILE = 1,       /* no such file, or not a readable one */
  RADML_INVALID_FILE = 2,       /* no model file, damaged, for another machine, or its manifest does not fit */
  RADML_UNKNOWN_DEVICE = 3,     /* not "cpu", "cuda" or "cuda:N" */
  RADML_MISSING_DEVICE = 4,     /* a device that is not here, or that a package is not for */
  RADML_NOT_LOADED = 5,         /* no model or plan: never loaded or created, or freed */
  RADML_WRONG_INPUT_COUNT = 6,  /* another number of inputs than the model's */
  RADML_WRONG_OUTPUT_COUNT = 7, /* another number of outputs than the model's */
  RADML_WRONG_RANK = 8,         /* an array with another number of dimensions */
  RADML_WRONG_SHAPE = 9,        /* an array with another extent */
  RADML_WRONG_KIND = 10,        /* an array of another kind */
  RADML_INVALID_ARRAY = 11,     /* not allocated, of assumed size, an input passed as an output, ... */
  RADML_MODEL_FAILED = 12,      /* the model itself raised an error */
  RADML_WRONG_OUTPUT_TYPE = 13, /* the model returned something that is no tensor */
  RADML_WRONG_INDEX = 14,       /* no input or output with that number */
  RADML_MISSING_KEY = 15,       /* no such metadata, or no input or output with that name */
  RADML_WRONG_ARGUMENT = 16,    /* an argument out of its range */
  RADML_OUT_OF_MEMORY = 17,     /* the model asked for memory that the machine does not have */
  RADML_INTERNAL_ERROR = 18,
  RADML_NOT_DIFFERENTIABLE = 19, /* a package, an array of integers, an output that depends on no input, ... */
  RADML_WITHOUT_TORCH = 20,      /* a libradml that was built without LibTorch */
  RADML_NOT_FINITE = 21          /* the loss or a gradient of a training step; nothing was changed */
} radml_status;

/* Kinds of array elements, named as in PyTorch. */
typedef enum radml_kind {
  RADML_UNSUPPORTED = 0, /* none of those below; a call with it is refused */
  RADML_FLOAT32 = 1,
  RADML_FLOAT64 = 2,
  RADML_INT8 = 3,
  RADML_INT16 = 4,
  RADML_INT32 = 5,
  RADML_INT64 = 6,
  RADML_BOOL = 7, /* one byte, as C's _Bool */
  RADML_COMPLEX64 = 8,
  RADML_COMPLEX128 = 9
} radml_kind;

/* Bits of radml_array.flags. */
typedef enum radml_flag {
  RADML_READ_ONLY = 1,          /* an input; refused as an output */
  RADML_ASSUMED_SIZE = 2,       /* the last extent is not known; refused */
  RADML_FOREIGN_DESCRIPTOR = 4, /* described by another compiler's descriptor than the one that was read; refused */
  RADML_NO_ARRAY = 8,           /* no array: for a place that is not wanted or zero; refused where an array is needed */
  RADML_ON_DEVICE = 16          /* lies in the memory of the model's device, not in the host's */
} radml_flag;

/* A view of an array that the caller owns: a plain value, nothing to free. Dimension 1 is Fortran's first. Strides are in
 * bytes, may be negative, and need not be multiples of the element size. */
typedef struct radml_array {
  void *address;                   /* of the first element */
  int32_t kind;                    /* radml_kind */
  int32_t rank;                    /* 0 to RADML_MAX_RANK */
  int64_t shape[RADML_MAX_RANK];   /* extents */
  int64_t strides[RADML_MAX_RANK]; /* bytes from one element to the next */
  int32_t flags;                   /* radml_flag bits */
  int32_t element_size;            /* bytes */
} radml_array;

/* Bits of radml_options.flags. */
typedef enum radml_option {
  RADML_CONVERT = 1,  /* real32 arrays may stand for float64 arguments and real64 arrays for float32 ones */
  RADML_IN_BLOCKS = 2 /* columns are computed in blocks: the three numbers below count */
} radml_option;

/* How to run a model. All zero: on whole arrays of the model's own kinds. */
typedef struct radml_options {
  int64_t flags;             /* radml_option bits */
  int64_t column_dimension;  /* of the first output, from 1; see radml_forward_with */
  int64_t columns_per_block; /* 1 or more */
  int64_t threads;           /* that share the blocks, 1 to 1024 */
} radml_options;

/* Bits of radml_optimizer_options.flags: the values that are given. */
typedef enum radml_optimizer_option {
  RADML_LEARNING_RATE = 1,
  RADML_MOMENTUM = 2,
  RADML_WEIGHT_DECAY = 4,
  RADML_BETA1 = 8,
  RADML_BETA2 = 16
} radml_optimizer_option;

/* Options of an optimizer, by PyTorch's names. Those without their bit are PyTorch's defaults. */
typedef struct radml_optimizer_options {
  int64_t flags;        /* radml_optimizer_option bits */
  double learning_rate; /* 1.0e-3 */
  double momentum;      /* of "sgd": 0 */
  double weight_decay;  /* 0 */
  double beta1;         /* of "adam": 0.9 */
  double beta2;         /* of "adam": 0.999 */
} radml_optimizer_options;

/* A loaded model. 0 is no model; a handle that was freed is recognised, never reused. */
typedef int64_t radml_model;

/* A model bound to arrays. 0 is no plan; a handle that was freed is recognised, never reused. */
typedef int64_t radml_plan;

/* A model whose parameters are updated. 0 is no trainer; a handle that was freed is recognised, never reused. */
typedef int64_t radml_trainer;

/* Loads a model onto a device ("cpu", "cuda", "cuda:1"). *model is 0 if that fails. */
RADML_API int32_t radml_load(const char *path, const char *device, radml_model *model, char *message, int64_t message_size);

/* One more owner of a model: it takes one more radml_free to let it go. */
RADML_API int32_t radml_retain(radml_model model, char *message, int64_t message_size);

/* Gives a model back. Calls of forward that are under way in other threads end undisturbed. */
RADML_API int32_t radml_free(radml_model model, char *message, int64_t message_size);

/* Runs the model. Inputs are viewed in place where LibTorch can (no negative or odd strides), outputs are written straight
 * into the given arrays. On any failure no output has been touched.
 *
 * Of a model on a GPU inputs are copied there and outputs back, but for arrays with RADML_ON_DEVICE, which lie there already:
 * what the caller's own kernels have still to write to them must be done before the call; outputs are there when it returns. */
RADML_API int32_t radml_forward(radml_model model, const radml_array *inputs, int64_t n_inputs, const radml_array *outputs,
                                int64_t n_outputs, char *message, int64_t message_size);

/* Runs the model as the options say (null: as radml_forward).
 *
 * RADML_CONVERT needs a manifest, which says what the model takes. Nothing but real32 and real64 is converted.
 *
 * RADML_IN_BLOCKS: the caller promises that the model computes each column by itself. The name that the manifest has for
 * dimension column_dimension of the first output is that of the columns. Arrays that have it are shared out along that
 * dimension, wherever it lies; inputs without it are passed whole to each block. Without a manifest every array must have as
 * many columns in dimension column_dimension. Each block the model sees has exactly columns_per_block columns, the last one
 * filled up with its last column, lies in memory of the library and is computed by one thread; so the results for a column
 * are the same, to the last bit where LibTorch's kernels treat all columns of a block alike, for any number of columns in the
 * call, any number of threads and any split over calls. Inside an OpenMP parallel region of the caller one thread does all
 * blocks. On a GPU the number of threads means nothing: copies of one block go on beside the computation of others, through
 * page-locked memory; RADML_ON_DEVICE is refused. All that can be checked beforehand is checked before the first block; where the model fails in a later one, blocks
 * computed before it have been written. No columns: the model does not run. */
RADML_API int32_t radml_forward_with(radml_model model, const radml_array *inputs, int64_t n_inputs,
                                     const radml_array *outputs, int64_t n_outputs, const radml_options *options,
                                     char *message, int64_t message_size);

/* The adjoint: gradients[i] = sum over the outputs j of cotangents[j] times the derivative of output j by input i. Cotangents
 * have the shapes and kinds of the outputs, gradients those of the inputs. RADML_NO_ARRAY stands for a cotangent that is zero,
 * and for a gradient or an output that is not wanted. The outputs of the forward are written too, unless n_outputs is 0.
 * On any failure no array has been touched. */
RADML_API int32_t radml_vector_jacobian_product(radml_model model, const radml_array *inputs, int64_t n_inputs,
                                                const radml_array *cotangents, int64_t n_cotangents,
                                                const radml_array *gradients, int64_t n_gradients,
                                                const radml_array *outputs, int64_t n_outputs, char *message,
                                                int64_t message_size);

/* The tangent linear: output_tangents[j] = sum over the inputs i of the derivative of output j by input i times tangents[i].
 * Otherwise as radml_vector_jacobian_product. */
RADML_API int32_t radml_jacobian_vector_product(radml_model model, const radml_array *inputs, int64_t n_inputs,
                                                const radml_array *tangents, int64_t n_tangents,
                                                const radml_array *output_tangents, int64_t n_output_tangents,
                                                const radml_array *outputs, int64_t n_outputs, char *message,
                                                int64_t message_size);

/* Checks the arrays once and binds them to the model, to be run many times. The arrays' memory must stay where it is for as
 * long as the plan is run; the model lives as long as the plan. *plan is 0 if that fails. */
RADML_API int32_t radml_plan_create(radml_model model, const radml_array *inputs, int64_t n_inputs,
                                    const radml_array *outputs, int64_t n_outputs, const radml_options *options,
                                    radml_plan *plan, char *message, int64_t message_size);

/* Runs the model on what the arrays hold now. Runs of one plan in several threads wait for each other. */
RADML_API int32_t radml_plan_run(radml_plan plan, char *message, int64_t message_size);

/* One more owner of a plan: it takes one more radml_plan_free to let it go. */
RADML_API int32_t radml_plan_retain(radml_plan plan, char *message, int64_t message_size);
RADML_API int32_t radml_plan_free(radml_plan plan, char *message, int64_t message_size);

/* Loads a TorchScript file, which must not be frozen, to train it with the optimizer "sgd" or "adam". options may be null.
 * *trainer is 0 if that fails. */
RADML_API int32_t radml_trainer_create(const char *path, const char *device, const char *optimizer,
                                       const radml_optimizer_options *options, radml_trainer *trainer, char *message,
                                       int64_t message_size);

/* One step of the optimizer, in training mode, down the gradient of the loss: the mean, over the outputs that have a target, of
 * the mean squared difference of that output from its target. Targets have the shapes and kinds of the outputs, RADML_NO_ARRAY
 * stands for an output that does not count. *loss is that before the step. On any failure, RADML_NOT_FINITE included, neither
 * *loss nor the model nor the optimizer have changed. */
RADML_API int32_t radml_trainer_step(radml_trainer trainer, const radml_array *inputs, int64_t n_inputs,
                                     const radml_array *targets, int64_t n_targets, double *loss, char *message,
                                     int64_t message_size);

/* The same loss in evaluation mode, without a step. */
RADML_API int32_t radml_trainer_loss(radml_trainer trainer, const radml_array *inputs, int64_t n_inputs,
                                     const radml_array *targets, int64_t n_targets, double *loss, char *message,
                                     int64_t message_size);

/* As radml_forward, with the parameters as they are. */
RADML_API int32_t radml_trainer_forward(radml_trainer trainer, const radml_array *inputs, int64_t n_inputs,
                                        const radml_array *outputs, int64_t n_outputs, char *message, int64_t message_size);

RADML_API int32_t radml_trainer_set_learning_rate(radml_trainer trainer, double learning_rate, char *message,
                                                  int64_t message_size);

/* Writes the model, with its manifest, as a file for radml_load and radml_trainer_create; and what it takes to go on training
 * to the same bits: parameters, buffers and the optimizer's state and options. */
RADML_API int32_t radml_trainer_save(radml_trainer trainer, const char *path, char *message, int64_t message_size);
RADML_API int32_t radml_trainer_save_checkpoint(radml_trainer trainer, const char *path, char *message, int64_t message_size);
RADML_API int32_t radml_trainer_load_checkpoint(radml_trainer trainer, const char *path, char *message, int64_t message_size);

/* One more owner of a trainer: it takes one more radml_trainer_free to let it go. */
RADML_API int32_t radml_trainer_retain(radml_trainer trainer, char *message, int64_t message_size);
RADML_API int32_t radml_trainer_free(radml_trainer trainer, char *message, int64_t message_size);

/* The number of inputs; of a model without manifest, those of its forward, optional ones included. */
RADML_API int32_t radml_n_inputs(radml_model model, int64_t *n, char *message, int64_t message_size);

/* The number of outputs; -1 for a model without manifest, which only tells when it runs. */
RADML_API int32_t radml_n_outputs(radml_model model, int64_t *n, char *message, int64_t message_size);

/* The place of the input or output with that name, from 1; RADML_MISSING_KEY where there is none. */
RADML_API int32_t radml_input_index(radml_model model, const char *name, int64_t *index, char *message, int64_t message_size);
RADML_API int32_t radml_output_index(radml_model model, const char *name, int64_t *index, char *message, int64_t message_size);

/* Texts. *length is the whole length in bytes without the final zero; text (text_size bytes, may be null) gets as much of it
 * as fits, with a final zero. Indices start at 1. */
RADML_API int32_t radml_input_name(radml_model model, int64_t index, char *text, int64_t text_size, int64_t *length,
                                   char *message, int64_t message_size);
RADML_API int32_t radml_output_name(radml_model model, int64_t index, char *text, int64_t text_size, int64_t *length,
                                    char *message, int64_t message_size);

/* What the manifest says of an input or output, as ftorch-export takes it: q:float32[column,layer+1]. */
RADML_API int32_t radml_input_declaration(radml_model model, int64_t index, char *text, int64_t text_size, int64_t *length,
                                          char *message, int64_t message_size);
RADML_API int32_t radml_output_declaration(radml_model model, int64_t index, char *text, int64_t text_size, int64_t *length,
                                           char *message, int64_t message_size);
RADML_API int32_t radml_metadata(radml_model model, const char *key, char *text, int64_t text_size, int64_t *length,
                                 char *message, int64_t message_size);

/* Threads LibTorch may use inside one forward. */
RADML_API int32_t radml_set_num_threads(int64_t n, char *message, int64_t message_size);
RADML_API int32_t radml_get_num_threads(int64_t *n, char *message, int64_t message_size);

/* Static texts and numbers: these cannot fail. */
RADML_API const char *radml_version(void);       /* for example "0.1.0" */
RADML_API const char *radml_torch_version(void); /* the LibTorch that radml was built against, or "none" */
RADML_API int32_t radml_abi_version(void);       /* RADML_ABI_VERSION of the loaded library */

#ifdef __cplusplus
}
#endif

#endif
