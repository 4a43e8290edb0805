/* png.c - pictures out, through libpng.

   The picture is encoded in memory and then replaces the file as every file
   does.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "base/base.h"
#include "io/format.h"

#include <png.h>
#include <stdio.h>
#include <string.h>

enum { MAX_SIDE = 1000000 }; /* libpng's own limit */
enum { BORDER = 128 };       /* grey of borders and empty cells */

/* What libpng writes to, and how it failed. */
typedef struct encoder {
    const char *path;
    unsigned char *bytes;
    size_t size, room;
    int status;
} encoder;

static void on_error(png_structp png, png_const_charp text)
{
    encoder *e = png_get_error_ptr(png);
    if (!e->status) /* else it is our own, from on_write */
        e->status = slivi__fail(SLIVI_EIO, "%s: libpng: %s", e->path, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    encoder *e = png_get_io_ptr(png);
    if (e->room - e->size < n) {
        size_t room = 2 * e->room > e->size + n ? 2 * e->room : e->size + n;
        unsigned char *grown = slivi__grow(e->bytes, e->room, room, 1);
        if (!grown) {
            e->status = slivi__fail_in(SLIVI_ENOMEM, "%s", e->path);
            png_error(png, "out of memory");
        }
        e->bytes = grown;
        e->room = room;
    }
    memcpy(e->bytes + e->size, bytes, n);
    e->size += n;
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Everything that may longjmp, below the one setjmp; no local of this frame
   changes after it. */
static void encode(encoder *e, png_structp png, png_infop info, size_t rows,
                   size_t cols, size_t channels, const uint8_t *pixels)
{
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_write_fn(png, e, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)cols, (png_uint_32)rows, 8,
                 channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (size_t i = 0; i < rows; i++)
        png_write_row(png, pixels + i * cols * channels);
    png_write_end(png, info);
}

static int check_picture(const char *path, size_t rows, size_t cols,
                         size_t channels)
{
    if (channels != 1 && channels != 3)
        return slivi__fail(SLIVI_EINVAL,
                           "%s: a picture of %zu channels, expected 1 or 3",
                           path, channels);
    if (rows < 1 || cols < 1 || rows > MAX_SIDE || cols > MAX_SIDE)
        return slivi__fail(SLIVI_ESHAPE,
                           "%s: a picture of %zu x %zu pixels, expected 1 to "
                           "%d each way",
                           path, rows, cols, MAX_SIDE);
    return 0;
}

int slivi_png_write(const char *path, size_t rows, size_t cols, size_t channels,
                    const uint8_t *pixels)
{
    encoder e = {.path = path};
    int status = check_picture(path, rows, cols, channels);
    if (status)
        return status;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e,
                                              on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (info)
        encode(&e, png, info, rows, cols, channels, pixels);
    else if (!e.status)
        e.status = slivi__fail(SLIVI_ENOMEM, "%s: libpng has no memory", path);
    png_destroy_write_struct(&png, &info);
    status = e.status;
    if (!status)
        status = slivi_file_write(path, e.bytes, e.size);
    slivi__free(e.bytes);
    return status;
}

/* ---- the grid --------------------------------------------------------- */

static uint8_t grey(float x)
{
    if (!(x > 0)) /* NaN too */
        return 0;
    return x >= 1 ? 255 : (uint8_t)(x * 255 + 0.5f);
}

/* One image, enlarged, with its corner at out; stride in bytes. */
static void draw(const float *image, size_t h, size_t w, size_t zoom,
                 uint8_t *out, size_t stride)
{
    for (size_t i = 0; i < h * zoom; i++)
        for (size_t j = 0; j < w; j++)
            memset(out + i * stride + j * zoom, grey(image[i / zoom * w + j]),
                   zoom);
}

/* Length of n cells of `side` pixels with a border between them. */
static int extent(size_t n, size_t side, size_t zoom, size_t *out)
{
    int status = slivi__mul(side, zoom, out);
    if (!status)
        status = slivi__add(*out, 1, out);
    if (!status)
        status = slivi__mul(*out, n, out);
    *out -= 1;
    return status;
}

int slivi_png_grid(const char *path, const float *images, size_t count,
                   size_t h, size_t w, size_t across, size_t zoom)
{
    size_t rows = 0, cols = 0;
    if (!count || !h || !w || !across || !zoom)
        return slivi__fail(SLIVI_EINVAL,
                           "%s: %zu images of %zu x %zu, %zu across, zoom "
                           "%zu: none may be 0",
                           path, count, h, w, across, zoom);
    if (extent((count - 1) / across + 1, h, zoom, &rows)
        || extent(across, w, zoom, &cols))
        return slivi__fail_in(SLIVI_EOVERFLOW, "%s", path);
    int status = check_picture(path, rows, cols, 1);
    if (status)
        return status;
    uint8_t *pixels = slivi__alloc(rows, cols);
    if (!pixels)
        return slivi__fail_in(SLIVI_ENOMEM, "%s", path);
    memset(pixels, BORDER, rows * cols);
    for (size_t i = 0; i < count; i++) {
        size_t top = i / across * (h * zoom + 1);
        size_t left = i % across * (w * zoom + 1);
        draw(images + i * h * w, h, w, zoom, pixels + top * cols + left, cols);
    }
    status = slivi_png_write(path, rows, cols, 1, pixels);
    slivi__free(pixels);
    return status;
}
