/* checkpoint.h - the inside of a checkpoint.  Private to slivi.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_CHECKPOINT_H
#define SLIVI_CHECKPOINT_H

#include "slivi/io.h"

typedef struct slivi__dtype {
    const char *name; /* as safetensors spells it; NULL ends the table */
    size_t size;      /* bytes */
} slivi__dtype;

extern const slivi__dtype slivi__dtypes[]; /* by enum slivi_dtype */

typedef struct slivi__tensor {
    char *name;
    const slivi__dtype *type;
    size_t rows, cols, bytes;
    void *data; /* in the host's byte order */
} slivi__tensor;

typedef struct slivi__text {
    char *key, *value;
} slivi__text;

struct slivi_checkpoint {
    char *name; /* the file it came from, for messages */
    slivi__tensor *tensors;
    size_t tensor_count, tensor_room;
    slivi__text *texts;
    size_t text_count, text_room;
};

/* A checkpoint whose messages begin with this name. */
slivi_checkpoint *slivi__checkpoint_create(const char *name);

/* Printable UTF-8 of one line, not empty: fit to be a name, and to be shown. */
int slivi__is_name(const char *s);

/* Append without a look at what is there: the caller knows that the name is
   good and new.  The tensor's data is for the caller to fill in. */
int slivi__checkpoint_add(slivi_checkpoint *c, const char *name,
                          const slivi__dtype *type, size_t rows, size_t cols,
                          slivi__tensor **out);
int slivi__checkpoint_add_text(slivi_checkpoint *c, const char *key,
                               const char *value);

#endif
