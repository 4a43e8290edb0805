/* options.h - options in checkpoints, as texts "option.NAME".  Private. */
#ifndef SLIVI_IO_OPTIONS_H
#define SLIVI_IO_OPTIONS_H

#include "slivi/io.h"
#include "slivi/option.h"

/* Every option of the table but `except` (NULL: none): into the checkpoint,
   from it (one that it lacks is SLIVI_EFORMAT), and compared with it
   (SLIVI_EINVAL
   names the first that differs, and both values). */
int slivi__options_put(const slivi_option *table, const void *fields,
                       const char *except, slivi_checkpoint *c);
int slivi__options_take(const slivi_option *table, void *fields,
                        const char *except, const slivi_checkpoint *c);
int slivi__options_same(const slivi_option *table, const void *fields,
                        const char *except, const slivi_checkpoint *c);

/* A whole number >= 0 under that key. */
int slivi__checkpoint_put_size(slivi_checkpoint *c, const char *key,
                               size_t value);
int slivi__checkpoint_get_size(const slivi_checkpoint *c, const char *key,
                               size_t *value);

#endif
