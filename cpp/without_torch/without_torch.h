/* What the generated functions of libradml without LibTorch share. */
#ifndef RADML_WITHOUT_TORCH_H
#define RADML_WITHOUT_TORCH_H

#include <stddef.h>

#include "radml.h"

/* Both write the one sentence and return the status. */
int32_t radml_refuse(char *message, int64_t message_size);        /* RADML_WITHOUT_TORCH: a call that needs LibTorch */
int32_t radml_refuse_handle(char *message, int64_t message_size); /* RADML_NOT_LOADED: a call about a model or plan */

#endif
