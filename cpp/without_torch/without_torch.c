/* libradml without LibTorch: the same functions, so that a host compiles, links and starts anywhere and falls back.
 *
 * Here are the functions that do something without LibTorch as well. All others of radml.h refuse; CMake writes them from
 * radml.h itself (generate_refusals.cmake), so that none can be forgotten.
 */
#include "without_torch.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#define WITHOUT_TORCH "this libradml was built without LibTorch (RADML_WITH_TORCH=OFF)"

static _Atomic int64_t num_threads = 1;

/* snprintf takes no size beyond INT_MAX, which no message needs. */
static size_t buffer_size(const char *message, int64_t message_size) {
  if (message == NULL || message_size < 0) return 0;
  return message_size > 4096 ? 4096 : (size_t)message_size;
}

static int32_t succeed(char *message, int64_t message_size) {
  if (buffer_size(message, message_size) > 0) message[0] = '\0';
  return RADML_SUCCESS;
}

static int32_t wrong_argument(const char *text, char *message, int64_t message_size) {
  snprintf(message, buffer_size(message, message_size), "%s", text);
  return RADML_WRONG_ARGUMENT;
}

int32_t radml_refuse(char *message, int64_t message_size) {
  snprintf(message, buffer_size(message, message_size), "%s and runs no models", WITHOUT_TORCH);
  return RADML_WITHOUT_TORCH;
}

int32_t radml_refuse_handle(char *message, int64_t message_size) {
  snprintf(message, buffer_size(message, message_size), "no model is loaded: %s", WITHOUT_TORCH);
  return RADML_NOT_LOADED;
}

int32_t radml_load(const char *path, const char *device, radml_model *model, char *message, int64_t message_size) {
  if (model == NULL) return wrong_argument("no place given for the model", message, message_size);
  *model = 0;
  if (path == NULL) return wrong_argument("no path given", message, message_size);
  if (device == NULL) return wrong_argument("no device given", message, message_size);
  snprintf(message, buffer_size(message, message_size), "%s: %s and runs no models", path, WITHOUT_TORCH);
  return RADML_WITHOUT_TORCH;
}

/* A setting is kept, so that hosts that make it at their start go on. */
int32_t radml_set_num_threads(int64_t n, char *message, int64_t message_size) {
  if (n < 1 || n > INT32_MAX) {
    snprintf(message, buffer_size(message, message_size), "number of threads: expected 1 or more, got %" PRId64, n);
    return RADML_WRONG_ARGUMENT;
  }
  num_threads = n;
  return succeed(message, message_size);
}

int32_t radml_get_num_threads(int64_t *n, char *message, int64_t message_size) {
  if (n == NULL) return wrong_argument("no place given for the number", message, message_size);
  *n = num_threads;
  return succeed(message, message_size);
}

const char *radml_version(void) { return RADML_VERSION; }

const char *radml_torch_version(void) { return "none"; }

int32_t radml_abi_version(void) { return RADML_ABI_VERSION; }
