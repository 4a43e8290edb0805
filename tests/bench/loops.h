/* loops.h - the fused entrywise passes of the direct versions.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include <stddef.h>

/* RMSProp as torch.optim.RMSprop defines it. */
typedef struct rmsprop {
    float rate, alpha, epsilon;
} rmsprop;

typedef struct loops {
    const char *name;
    /* h <- tanh(h + bias), rows x cols */
    void (*activate)(size_t rows, size_t cols, const float *bias, float *h);
    /* d <- d (1 - h^2) */
    void (*slope)(size_t n, const float *h, float *d);
    /* Adjoints of h = tanh(a), d = t a', t = 1 - h^2, in place:
       gh <- t gh - 2 h d gd,  gd <- t gd.  Returns sum d gd as it was. */
    double (*pull)(size_t n, const float *h, const float *d, float *gh,
                   float *gd);
    /* One row of Bernoulli logits: returns sum softplus(y) - x y and leaves
       y <- (sigmoid(y) - x) c, the logits y + bias. */
    double (*bernoulli)(size_t n, const float *bias, const float *x, float c,
                        float *y);
    /* s <- (s + bias) c, rows x cols; returns the sum of (s + bias)^2 */
    double (*finish)(size_t rows, size_t cols, const float *bias, float c,
                     float *s);
    /* y <- c x */
    void (*scale)(size_t n, float c, const float *x, float *y);
    /* u <- 1 where u < x, else 0 */
    void (*threshold)(size_t n, const float *x, float *u);
    void (*narrow)(size_t n, const double *x, float *y);
    /* sum_j <- sum_i x_ij (+ sum_j where add) */
    void (*column_sum)(size_t rows, size_t cols, const float *x, int add,
                       float *sum);
    /* g += c (z + s); sum[0] += sum of z^2, sum[1] += sum of s z */
    void (*latent)(size_t n, float c, const float *z, const float *s, float *g,
                   double sum[2]);
    void (*update)(const rmsprop *how, size_t n, const float *g, float *v,
                   float *w);
} loops;

/* Those for this machine. */
const loops *loops_best(void);

/* As f->activate, or by the library's own loops where products are, too. */
void loops_activate(const loops *f, size_t rows, size_t cols, const float *bias,
                    float *h);

#endif
