/* field.c - a picture of arrows over a density in the plane.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "field.h"
#include "complain.h"

#include <slivi/io.h>
#include <slivi/status.h>

#include <math.h>
#include <stdlib.h>

int field_create(field *f, double reach)
{
    f->reach = reach;
    f->rgb = calloc((size_t)FIELD_SIDE * FIELD_SIDE, 3);
    return f->rgb ? 0 : complain("no memory");
}

void field_clear(field *f)
{
    free(f->rgb);
    f->rgb = NULL;
}

void field_point(const field *f, size_t row, size_t column, double x[2])
{
    const double pixel = 2 * f->reach / FIELD_SIDE;
    x[0] = ((double)column + 0.5) * pixel - f->reach;
    x[1] = f->reach - ((double)row + 0.5) * pixel;
}

void field_colour(field *f, size_t row, size_t column, double value)
{
    /* from night blue over violet and red to a light yellow */
    static const double stops[][3] = {
        {16, 18, 40},  {62, 33, 106},   {136, 47, 112},
        {206, 84, 92}, {246, 154, 100}, {252, 236, 188},
    };
    const double last = sizeof stops / sizeof *stops - 1;
    const double at = fmin(fmax(value, 0), 1) * last;
    const size_t i = at < last ? (size_t)at : (size_t)last - 1;
    uint8_t *pixel = f->rgb + 3 * (row * FIELD_SIDE + column);
    for (size_t c = 0; c < 3; c++)
        pixel[c] = (uint8_t)(stops[i][c]
                             + (at - (double)i)
                                   * (stops[i + 1][c] - stops[i][c])
                             + 0.5);
}

/* Mixes the colour into a pixel, by how much of it is covered. */
static void cover(field *f, long row, long column, double share,
                  const uint8_t colour[3])
{
    if (row < 0 || column < 0 || row >= FIELD_SIDE || column >= FIELD_SIDE)
        return;
    uint8_t *pixel = f->rgb + 3 * (row * FIELD_SIDE + column);
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)(pixel[c] + share * (colour[c] - pixel[c]) + 0.5);
}

/* A line between two places in pixels, `wide` pixels wide, smooth edges. */
static void line(field *f, const double a[2], const double b[2], double wide,
                 const uint8_t colour[3])
{
    const double dx = b[0] - a[0], dy = b[1] - a[1];
    const double square = dx * dx + dy * dy, half = wide / 2;
    for (long row = (long)floor(fmin(a[1], b[1]) - half - 1);
         row <= (long)ceil(fmax(a[1], b[1]) + half + 1); row++)
        for (long column = (long)floor(fmin(a[0], b[0]) - half - 1);
             column <= (long)ceil(fmax(a[0], b[0]) + half + 1); column++) {
            double px = (double)column + 0.5 - a[0];
            double py = (double)row + 0.5 - a[1];
            double t = square > 0 ? (px * dx + py * dy) / square : 0;
            t = fmin(fmax(t, 0), 1);
            double away = hypot(px - t * dx, py - t * dy);
            double share = fmin(fmax(half + 0.5 - away, 0), 1);
            if (share > 0)
                cover(f, row, column, share, colour);
        }
}

void field_arrow(field *f, const double x[2], const double v[2],
                 const uint8_t colour[3])
{
    const double scale = FIELD_SIDE / (2 * f->reach), wide = 1.6;
    const double from[2] = {(x[0] + f->reach) * scale,
                            (f->reach - x[1]) * scale};
    const double to[2] = {from[0] + v[0] * scale, from[1] - v[1] * scale};
    const double length = hypot(v[0], v[1]) * scale;
    const double head = fmin(5, 0.5 * length);
    line(f, from, to, wide, colour);
    if (length < 1)
        return;
    /* two strokes, 27 degrees off the shaft */
    for (int side = -1; side <= 1; side += 2) {
        double ux = (from[0] - to[0]) / length, uy = (from[1] - to[1]) / length;
        double tip[2] = {to[0] + head * (0.89 * ux - side * 0.45 * uy),
                         to[1] + head * (0.89 * uy + side * 0.45 * ux)};
        line(f, to, tip, wide, colour);
    }
}

int field_write(const field *f, const char *path)
{
    if (slivi_png_write(path, FIELD_SIDE, FIELD_SIDE, 3, f->rgb))
        return complain("%s", slivi_errmsg());
    return 0;
}
