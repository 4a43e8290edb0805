/* data.c - the images that programs learn from.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "data.h"
#include "complain.h"
#include "digits_data.h"

#include <slivi/io.h>
#include <slivi/random.h>
#include <slivi/status.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, LEAST_IMAGES = 10 };

static const char fashion_folder[] = "/usr/share/datasets/fashion-mnist";

/* ---- from arrays to images --------------------------------------------- */

/* Images are n x h x w, with one channel n x h x w x 1 or n x 1 x h x w, or,
   where they are square, n x d. */
static int take_shape(const char *path, const slivi_array *a, data *d)
{
    const size_t *shape = a->shape;
    const size_t side = (size_t)(sqrt((double)shape[1]) + 0.5);
    const int is_flat = a->rank == 2;
    const int is_first = a->rank == 4 && shape[3] != 1; /* the channel */
    if (a->rank < 2)
        return complain("%s: an array of rank %zu, expected images: count x "
                        "height x width",
                        path, a->rank);
    if (!a->count)
        return complain("%s: no images", path);
    if (is_first && shape[1] != 1)
        return complain("%s: %zu x %zu x %zu for each image, expected one "
                        "channel: count x height x width",
                        path, shape[1], shape[2], shape[3]);
    if (is_flat && side * side != shape[1])
        return complain("%s: rows of %zu values are no square images; save "
                        "them as count x height x width",
                        path, shape[1]);
    d->height = is_flat ? side : shape[is_first ? 2 : 1];
    d->width = is_flat ? side : shape[is_first ? 3 : 2];
    d->count = a->shape[0];
    d->dim = d->height * d->width;
    return 0;
}

/* Divides by the full scale and holds every pixel to [0, 1]. */
static int scale(const char *path, const data *d, float *pixels, size_t count,
                 float full)
{
    for (size_t i = 0; i < count; i++) {
        if (!(pixels[i] >= 0 && pixels[i] <= full))
            return complain("%s: image %zu, row %zu, column %zu is %g, "
                            "expected a number from 0 to %g",
                            path, i / d->dim, i % d->dim / d->width,
                            i % d->width, (double)pixels[i], (double)full);
        pixels[i] /= full;
    }
    return 0;
}

/* Moves the array's memory into d; full 0: as the type of the file has it. */
static int take_array(const char *path, slivi_array *a, float full, data *d)
{
    int status = take_shape(path, a, d);
    if (full <= 0)
        full = a->is_byte ? 255 : 1;
    if (!status)
        status = scale(path, d, a->data, a->count, full);
    if (!status) {
        /* memory of our own: arrays are freed by the library's hook */
        d->pixels = malloc(a->count * sizeof *d->pixels);
        if (d->pixels)
            memcpy(d->pixels, a->data, a->count * sizeof *d->pixels);
        else
            status = complain("%s: no memory", path);
    }
    slivi_array_clear(a);
    return status;
}

/* ---- the kinds --------------------------------------------------------- */

static int read_idx(const char *path, data *d, size_t *test)
{
    slivi_array a;
    *test = 0;
    if (slivi_idx_read(path, &a))
        return complain("%s", slivi_errmsg());
    return take_array(path, &a, 0, d);
}

static int read_npy(const char *path, data *d, size_t *test)
{
    slivi_array a;
    *test = 0;
    int status = slivi_npy_read(path, &a);
    if (status == SLIVI_EFORMAT)
        return complain("%s (numpy.save of a.astype('f4', order='C') makes a "
                        "file that is read)",
                        slivi_errmsg());
    if (status)
        return complain("%s", slivi_errmsg());
    return take_array(path, &a, 0, d);
}

static int read_digits(const char *path, data *d, size_t *test)
{
    slivi_array a;
    (void)path;
    *test = 0;
    if (slivi_idx_parse("digits", digits_gz, sizeof digits_gz, &a))
        return complain("%s", slivi_errmsg());
    return take_array("digits", &a, 16, d);
}

/* FOLDER/NAME-images-idx3-ubyte under one of the names in use. */
static int find_file(const char *folder, const char *name, char path[PATH_ROOM])
{
    static const char *const ends[] = {
        "-images-idx3-ubyte",
        "-images-idx3-ubyte.gz",
        "-images.idx3-ubyte",
        "-images.idx3-ubyte.gz",
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        int n = snprintf(path, PATH_ROOM, "%s/%s%s", folder, name, ends[i]);
        if (n < PATH_ROOM && !access(path, F_OK))
            return 0;
    }
    return complain("%s: no file %s-images-idx3-ubyte or "
                    "%s-images-idx3-ubyte.gz in it",
                    folder, name, name);
}

/* Puts the images of t after those of d. */
static int append(const char *path, data *d, data *t)
{
    if (t->height != d->height || t->width != d->width)
        return complain("%s: images of %zu x %zu, but those to train on are "
                        "%zu x %zu",
                        path, t->height, t->width, d->height, d->width);
    size_t bytes = sizeof *d->pixels * d->dim;
    float *all = realloc(d->pixels, (d->count + t->count) * bytes);
    if (!all)
        return complain("%s: no memory", path);
    memcpy(all + d->count * d->dim, t->pixels, t->count * bytes);
    d->pixels = all;
    d->count += t->count;
    return 0;
}

static int read_mnist(const char *folder, data *d, size_t *test)
{
    char train_path[PATH_ROOM], test_path[PATH_ROOM];
    data t = {0};
    size_t none;
    int status = find_file(folder, "train", train_path);
    if (!status)
        status = find_file(folder, "t10k", test_path);
    if (!status)
        status = read_idx(train_path, d, &none);
    if (!status)
        status = read_idx(test_path, &t, &none);
    if (!status)
        status = append(test_path, d, &t);
    *test = t.count;
    data_clear(&t);
    return status;
}

static int read_fashion(const char *folder, data *d, size_t *test)
{
    struct stat s;
    if (folder)
        return read_mnist(folder, d, test);
    if (stat(fashion_folder, &s))
        return complain("fashion: no %s; on Debian: apt install "
                        "dataset-fashion-mnist; elsewhere give fashion:DIR",
                        fashion_folder);
    return read_mnist(fashion_folder, d, test);
}

const data_kind data_kinds[] = {
    {"digits", "digits", "1,797 handwritten digits of 8 x 8, built in",
     read_digits},
    {"mnist", "mnist:DIR",
     "train-images-idx3-ubyte and t10k-images-idx3-ubyte in DIR, or .gz",
     read_mnist},
    {"fashion", "fashion[:DIR]",
     "the same of Fashion-MNIST; without DIR Debian's dataset-fashion-mnist",
     read_fashion},
    {"idx", "idx:FILE", "images in an IDX file, plain or gzip", read_idx},
    {"npy", "npy:FILE", "a NumPy array of floats in [0,1], or of bytes",
     read_npy},
    {NULL, NULL, NULL, NULL},
};

/* ---- the split --------------------------------------------------------- */

/* The first `count - test` images permuted, the others as they are. */
static int split(const char *spec, data *d, size_t test)
{
    const size_t rest = d->count - test;
    const slivi_address at = {.seed = DATA_SEED};
    if (rest < LEAST_IMAGES || d->count >= UINT32_MAX)
        return complain("%s: %zu images to train on, at least %d are needed",
                        spec, rest, LEAST_IMAGES);
    d->order = calloc(d->count, sizeof *d->order);
    if (!d->order)
        return complain("%s: no memory", spec);
    slivi_permutation(&at, rest, d->order);
    for (size_t i = rest; i < d->count; i++)
        d->order[i] = (uint32_t)i;
    d->size[DATA_TEST] = test ? test : rest / 10;
    d->size[DATA_VALIDATION] = test ? rest / 5 : rest / 10;
    d->size[DATA_TRAIN] = d->count - d->size[DATA_TEST]
                          - d->size[DATA_VALIDATION];
    return 0;
}

static int complain_kind(const char *spec)
{
    char forms[256] = "";
    for (size_t i = 0, at = 0; data_kinds[i].name; i++)
        at += (size_t)snprintf(forms + at, sizeof forms - at, "%s%s",
                               i ? ", " : "", data_kinds[i].form);
    return complain_usage("option data: \"%.64s\" is not one of %s", spec,
                          forms);
}

const char *data_path(const char *spec)
{
    const char *colon = strchr(spec, ':');
    return colon ? colon + 1 : NULL;
}

int data_load(const char *spec, data *d)
{
    const size_t n = strcspn(spec, ":");
    const char *path = data_path(spec);
    size_t test = 0;
    *d = (data){0};
    for (const data_kind *k = data_kinds; k->name; k++) {
        int takes_path = strchr(k->form, ':') != NULL;
        int needs_path = takes_path && !strchr(k->form, '[');
        if (strlen(k->name) != n || strncmp(k->name, spec, n))
            continue;
        if ((needs_path && !path) || (path && !takes_path) || (path && !*path))
            break;
        int status = k->read(path, d, &test);
        return status ? status : split(spec, d, test);
    }
    return complain_kind(spec);
}

void data_clear(data *d)
{
    free(d->pixels);
    free(d->order);
    *d = (data){0};
}

/* ---- use --------------------------------------------------------------- */

const float *data_image(const data *d, enum data_part part, size_t i)
{
    for (int p = 0; p < (int)part; p++)
        i += d->size[p];
    return d->pixels + d->order[i] * d->dim;
}

uint64_t data_hash(const data *d)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < d->count * d->dim; i++) {
        uint32_t bits;
        memcpy(&bits, &d->pixels[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    return hash;
}
