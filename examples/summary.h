/* summary.h - what the folder of a run says, for slivi-results.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <jansson.h>
#include <slivi/io.h>
#include <slivi/option.h>

#include <stddef.h>

typedef struct summary {
    const char *folder;        /* as given */
    json_t *result, *config;   /* owned */
    const json_t *options;     /* of config */
    const char *model;         /* "vae" or "wae" */
    const slivi_option *table; /* the model's options */
    char data[64];             /* the images, without the folders above them */
    slivi_array images;        /* of nll.npy; count is 0 without one */
    double nll, nll_se;        /* NaN where it was not computed */
    double offset, offset_se;  /* what AIS takes off nll; 0: nothing */
} summary;

/* Complains and returns an exit code; clear it in any case. */
int summary_read(const char *folder, summary *s);
void summary_clear(summary *s);

/* A number of result.json, NaN where there is none. */
double summary_number(const summary *s, const char *key);
/* Text of an option, or of the default that a run of an earlier version had;
   NULL where the program has no such option. */
const char *summary_option(const summary *s, const char *name);
/* 1 where the program would have it so by itself. */
int summary_has_default(const summary *s, const char *name);
/* 1 where both have the same value, whatever the way it is written. */
int summary_same_text(const char *a, const char *b);

/* 1 where both were trained and evaluated alike but for the seed. */
int summary_alike(const summary *a, const summary *b);
/* 1 where images of one number are the same ones. */
int summary_comparable(const summary *a, const summary *b);
/* The name of the i-th option that may tell rows of results apart, or NULL. */
const char *summary_option_name(const summary *s, size_t i);

/* Images in nll.npy, the number of one, and its -log p(x). */
size_t summary_images(const summary *s);
size_t summary_image(const summary *s, size_t i);
double summary_value(const summary *s, size_t i);

#endif
