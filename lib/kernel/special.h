/* special.h - exp, log, tanh, sigmoid, softplus and elu of a float, written so
   that compilers vectorise loops of them.  Private.

   Plain arithmetic without branches, calls or contraction: the bits are those
   of IEEE single precision on every instruction set.  At most 2 units in the
   last place from the true value everywhere, denormals included; NaN gives NaN
   and the limits at infinity are exact.  Polynomials are minimax, made for the
   intervals stated.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#ifndef SLIVI_KERNEL_SPECIAL_H
#define SLIVI_KERNEL_SPECIAL_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float slivi__float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t slivi__bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* Adding it to t, |t| < 2^22, rounds t to a whole number k and leaves k + 127
   in the low bits: shifted, they are 2^k. */
#define SLIVI__ROUND (0x1.8p23F + 127)

static inline float slivi__power_of_two(float rounded)
{
    return slivi__float_of(slivi__bits_of(rounded) << 23);
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2, to 2^-25.8 of (e^r - 1) / r^2 */
static inline float slivi__exp_tail(float r, float r2)
{
    return (0x1.fffffep-2F + 0x1.5554aep-3F * r)
           + r2
                 * ((0x1.555676p-5F + 0x1.122886p-7F * r)
                    + r2 * 0x1.6bebdep-10F);
}

/* e^x for -104 <= x <= 89: x = k ln 2 + r, |r| <= ln 2 / 2.  2^k may be no
   normal float, so it is taken in two halves.  ln 2 is in two parts; the
   product of k and the first is exact, and that of the second joins the sum
   late, for less rounding. */
static inline float slivi__exp_inside(float x)
{
    const float t = x * 0x1.715476p+0F + (SLIVI__ROUND + 127);
    const float k = t - (SLIVI__ROUND + 127), h = 0.5F * k + SLIVI__ROUND;
    const float power = slivi__power_of_two(h);
    const float rest = slivi__float_of((slivi__bits_of(t) - slivi__bits_of(h))
                                       << 23);
    const float high = x - k * 0x1.63p-1F, low = k * 0x1.bd0106p-13F;
    const float r = high + low, r2 = r * r;
    const float p = high + (low + r2 * slivi__exp_tail(r, r2));
    return (1 + p) * power * rest;
}

/* Comparisons are such that a NaN stays. */
static inline float slivi__f32_exp(float x)
{
    x = x > 89 ? 89 : x;
    return slivi__exp_inside(x < -104 ? -104 : x);
}

/* e^-|x| */
static inline float slivi__exp_minus(float x)
{
    const float y = -fabsf(x);
    return slivi__exp_inside(y < -104 ? -104 : y);
}

/* e^x - 1 for x <= 0, else x: x = k ln 2 + r, 2^k (e^r - 1) + (2^k - 1) */
static inline float slivi__f32_elu(float x)
{
    const float y = x < -20 ? -20 : x;
    const float t = y * 0x1.715476p+0F + SLIVI__ROUND;
    const float k = t - SLIVI__ROUND, power = slivi__power_of_two(t);
    const float r = (y - k * 0x1.63p-1F) + k * 0x1.bd0106p-13F;
    const float r2 = r * r, p = r + r2 * slivi__exp_tail(r, r2);
    const float m = power * p + (power - 1);
    return x < 0 ? m : x;
}

/* a + a^3 P(a^2) for a = |x| up to atanh(1/2), 1 - 2 e / (1 + e) with e =
   e^-2a beyond, where an error of e counts for less than a half: so there ln 2
   need not be in two parts. */
static inline float slivi__f32_tanh(float x)
{
    const float a = fabsf(x), z = a * a;
    const float y = -2 * (a > 10 ? 10 : a);
    const float t = y * 0x1.715476p+0F + SLIVI__ROUND;
    const float power = slivi__power_of_two(t);
    const float r = y - (t - SLIVI__ROUND) * 0x1.62e43p-1F;
    const float r2 = r * r, m = r + r2 * slivi__exp_tail(r, r2);
    const float e = power + power * m;
    const float large = 1 - (e + e) / (1 + e);
    const float p = (-0x1.555454p-2F + 0x1.10cf6cp-3F * z)
                    + z * z * (-0x1.af88fep-5F + 0x1.0d8020p-6F * z);
    return copysignf(a > 0.5494F ? large : a + a * z * p, x);
}

/* b / (1 + e) = b - b e / (1 + e), e = e^-|x|, where b is e, or 1 for x > 0 */
static inline float slivi__f32_sigmoid(float x)
{
    const float e = slivi__exp_minus(x);
    const float b = x < 0 ? e : 1;
    return b - b * (e / (1 + e));
}

/* max(x, 0) + log(1 + f), f = e^-|x|, where log(1 + f) = f - (f^2/2 - s (f^2/2
   + R(s^2))), s = f / (2 + f) (as fdlibm, e_log.c).  f comes last: it is the
   largest term where rounding matters. */
static inline float slivi__f32_softplus(float x)
{
    const float f = slivi__exp_minus(x);
    const float s = f / (2 + f), z = s * s, h = 0.5F * f * f;
    const float r = z /* 0 <= s <= 1/3 */
                    * ((0x1.555500p-1F + 0x1.99d27cp-2F * z)
                       + z * z * (0x1.1eb612p-2F + 0x1.1ef870p-2F * z));
    return ((x > 0 ? x : 0) - (h - s * (h + r))) + f;
}

/* x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), and as above for 1 + f */
static inline float slivi__f32_log(float x)
{
    const int small = x < 0x1p-126F;
    const uint32_t root = UINT32_C(0x3f3504f3); /* sqrt(1/2) */
    const uint32_t up = slivi__bits_of(small ? x * 0x1p23F : x) - root;
    const float k = (float)((int32_t)up >> 23) - (small ? 23.0F : 0.0F);
    const float f = slivi__float_of((up & UINT32_C(0x7fffff)) + root) - 1;
    const float s = f / (2 + f), z = s * s, h = 0.5F * f * f;
    const float r = z /* |s| <= 3 - 2 sqrt(2) */
                    * (0x1.55557cp-1F
                       + z * (0x1.995d84p-2F + 0x1.32063ap-2F * z));
    const float y = k * 0x1.63p-1F
                    + (f - (h - (s * (h + r) + k * -0x1.bd0106p-13F)));
    const float edge = x < 0 ? NAN : (x == 0 ? -INFINITY : x);
    return x > 0 && x < INFINITY ? y : edge;
}

/* In double the C library's are taken. */
static inline double slivi__f64_exp(double x)
{
    return exp(x);
}

static inline double slivi__f64_log(double x)
{
    return log(x);
}

static inline double slivi__f64_tanh(double x)
{
    return tanh(x);
}

static inline double slivi__f64_elu(double x)
{
    return x > 0 ? x : expm1(x);
}

static inline double slivi__f64_sigmoid(double x)
{
    const double e = exp(-fabs(x)); /* never overflows */
    return (x >= 0 ? 1 : e) / (1 + e);
}

static inline double slivi__f64_softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

#endif
