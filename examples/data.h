/* data.h - the images that programs learn from.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef DATA_H
#define DATA_H

#include <stddef.h>
#include <stdint.h>

enum data_part { DATA_TRAIN, DATA_VALIDATION, DATA_TEST, DATA_PARTS };

typedef struct data {
    size_t count, height, width;
    size_t dim;              /* height x width */
    float *pixels;           /* count x dim, in [0, 1]; owned */
    uint32_t *order;         /* numbers of the images, part by part; owned */
    size_t size[DATA_PARTS]; /* images in each part */
} data;

/* The kinds of data, for --list: the word, and what it is. */
typedef struct data_kind {
    const char *name; /* NULL ends the list */
    const char *form; /* as it is given, e.g. "mnist:DIR" */
    const char *help;
    int (*read)(const char *path, data *d, size_t *test);
} data_kind;
extern const data_kind data_kinds[];

/* Read images.  `spec` is "digits", "mnist:DIR", ...  The split is fixed:
   where there is a test file it is the test part and the train file is cut
   80 : 20 (MNIST's 60,000 into 48,000 and 12,000), otherwise 80 : 10 : 10, by
   one permutation that does not depend on the run's seed.  Complains and
   returns an exit code on failure; *d can be cleared in any case. */
int data_load(const char *spec, data *d);
void data_clear(data *d);
/* The file or folder in a spec, NULL without one. */
const char *data_path(const char *spec);

/* Image i of a part. */
const float *data_image(const data *d, enum data_part part, size_t i);

/* A number that tells other images from these (FNV-1a). */
uint64_t data_hash(const data *d);

/* The seed of what must be the same in all runs: the split, and the choice and
   binarisation of test images. */
enum { DATA_SEED = 2019 };

#endif
