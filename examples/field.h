/* field.h - a picture of arrows over a density in the plane.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef FIELD_H
#define FIELD_H

#include <stddef.h>
#include <stdint.h>

enum { FIELD_SIDE = 720 }; /* pixels */

typedef struct field {
    double reach; /* the picture shows [-reach, reach]^2, y upwards */
    uint8_t *rgb; /* FIELD_SIDE x FIELD_SIDE x 3; owned */
} field;

int field_create(field *f, double reach); /* nonzero: no memory */
void field_clear(field *f);

/* Centre of pixel (row, column). */
void field_point(const field *f, size_t row, size_t column, double x[2]);
/* Its colour, dark for 0 to light for 1. */
void field_colour(field *f, size_t row, size_t column, double value);
/* An arrow from x along v (in the picture's units), of this colour. */
void field_arrow(field *f, const double x[2], const double v[2],
                 const uint8_t colour[3]);
/* Complains and returns an exit code on failure. */
int field_write(const field *f, const char *path);

#endif
