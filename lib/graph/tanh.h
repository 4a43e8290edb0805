/* tanh.h - tanh of a float, written so that compilers vectorise loops of it.
   Private.

   |tanh x| = |m / (2 + m)| with m = expm1(-2|x|), in double: with y = -2|x| =
   k ln 2 + r, |r| <= ln 2 / 2,  m = 2^k expm1(r) + (2^k - 1), and expm1(r) by its
   Taylor series to degree 10, whose relative error of 3e-13 is far below that
   of float.  Beyond 16 the result is +-1. */
#ifndef SLIVI_GRAPH_TANH_H
#define SLIVI_GRAPH_TANH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float slivi__tanhf(float x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: rounds to whole */
    const double wide = (double)x;
    double a = fabs(wide), t, k, r, p, two_k, m;
    uint64_t bits;
    a = a > 16 ? 16 : a; /* a NaN stays, and makes all that follows one */
    t = -2 * a * 1.44269504088896340736 + shift;
    k = t - shift;
    r = -2 * a - k * 0.693147180559945309417;
    p = 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r * r + r; /* expm1(r) */
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 1023) << 52; /* 2^k: k is in the low bits of t */
    memcpy(&two_k, &bits, sizeof two_k);
    m = two_k * p + (two_k - 1);
    return (float)copysign(m / (2 + m), wide);
}

#endif
