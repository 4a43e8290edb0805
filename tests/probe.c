/* probe.c - see probe.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "probe.h"

#include "graph/node.h"

#include <math.h>

enum { D = PROBE_COLS };

/* ---- probes: expressions and their entries ---------------------------- */

#define X(i, j) (p->x[(i)*D + (j)])
#define W(i, j) (p->w[(i)*D + (j)])
#define T(i, j) (p->t[(i)*D + (j)])
#define N (p->n)

#define PROBE(NAME, EXPRESSION, ENTRY)                                         \
    static slivi_node build_##NAME(const site *s)                              \
    {                                                                          \
        slivi_graph *const g = s->t.g;                                         \
        const slivi_node x = s->x, w = s->w;                                   \
        (void)g, (void)x, (void)w;                                             \
        return EXPRESSION;                                                     \
    }                                                                          \
    static double want_##NAME(const point *p, size_t i, size_t j)              \
    {                                                                          \
        (void)p, (void)i, (void)j;                                             \
        return ENTRY;                                                          \
    }

static slivi_node row(slivi_graph *g, slivi_node w, size_t i)
{
    return slivi_rows(g, w, i, 1);
}

static slivi_node column(slivi_graph *g, slivi_node x, size_t j)
{
    return slivi_columns(g, x, j, 1);
}

/* leaves */
static double drawn(const point *p, const slivi_law *law, uint32_t stream,
                    size_t slice, uint64_t row, size_t j)
{
    double z[D];
    const slivi_address at = {.seed = p->run->seed,
                              .stream = stream,
                              .step = p->run->step,
                              .slice = (uint32_t)slice,
                              .row = row};
    slivi_draw(law, &at, 1, D, z);
    return z[j];
}

PROBE(input, x, X(i, j))
PROBE(index, slivi_mul(g, x, slivi_gather(g, w, s->index)),
      X(i, j) * W(i * 5 % 4, j))
PROBE(constant, slivi_mul(g, x, slivi_constant(g, 2.5)), X(i, j) * 2.5)
PROBE(full, slivi_mul(g, w, slivi_full(g, D, D, -0.3)), W(i, j) * -0.3)
PROBE(full_rows, slivi_mul(g, x, slivi_full(g, 2 * SLIVI_ROWS, D, 3)),
      X(i % N, j) * 3)
PROBE(eye, slivi_mul(g, w, slivi_shift(g, slivi_eye(g, D), 2)),
      W(i, j) * (i == j ? 3 : 2))
PROBE(inverse_rows, slivi_mul(g, x, slivi_inverse_rows(g, SLIVI_ROWS)),
      X(i, j) / (double)N)
PROBE(inverse_rows_slices,
      slivi_mul(g, x, slivi_inverse_rows(g, 3 * SLIVI_ROWS)),
      X(i, j) / (3 * (double)N))
PROBE(inverse_rows_fixed, slivi_mul(g, x, slivi_inverse_rows(g, 4)),
      X(i, j) / 4)
PROBE(noise,
      slivi_mul(g, x, slivi_noise(g, slivi_law_normal, SLIVI_ROWS, D, 5)),
      X(i, j) * drawn(p, slivi_law_normal, 5, 0, p->run->row + i, j))
PROBE(noise_slices,
      slivi_mul(g, x, slivi_noise(g, slivi_law_sphere, 2 * SLIVI_ROWS, D, 9)),
      X(i % N, j)
          * drawn(p, slivi_law_sphere, 9, i / N, p->run->row + i % N, j))
PROBE(noise_fixed,
      slivi_mul(g, slivi_noise(g, slivi_law_uniform, 3, D, 6), row(g, w, 1)),
      drawn(p, slivi_law_uniform, 6, 0, i, j) * W(1, j))
PROBE(units, slivi_mul(g, x, slivi_units(g, 2, D)),
      j == p->run->chunk * 2 + i / N ? X(i % N, j) : 0)
PROBE(units_beyond, slivi_mul(g, x, slivi_units(g, 4, D)),
      j == p->run->chunk * 4 + i / N ? X(i % N, j) : 0)

/* arithmetic: each shape that fits another, on either side */

#define ARITHMETIC(OP, SIGN)                                                   \
    PROBE(OP##_same, slivi_##OP(g, x, slivi_square(g, x)),                     \
          X(i, j) SIGN(X(i, j) * X(i, j)))                                     \
    PROBE(OP##_row, slivi_##OP(g, x, row(g, w, 2)), X(i, j) SIGN W(2, j))      \
    PROBE(OP##_row_left, slivi_##OP(g, row(g, w, 2), x), W(2, j) SIGN X(i, j)) \
    PROBE(OP##_column, slivi_##OP(g, x, column(g, x, 1)),                      \
          X(i, j) SIGN X(i, 1))                                                \
    PROBE(OP##_column_left, slivi_##OP(g, column(g, x, 1), x),                 \
          X(i, 1) SIGN X(i, j))                                                \
    PROBE(OP##_entry, slivi_##OP(g, x, row(g, column(g, w, 3), 4)),            \
          X(i, j) SIGN W(4, 3))                                                \
    PROBE(OP##_entry_left, slivi_##OP(g, row(g, column(g, w, 3), 4), x),       \
          W(4, 3) SIGN X(i, j))                                                \
    PROBE(OP##_outer, slivi_##OP(g, column(g, x, 5), row(g, w, 0)),            \
          X(i, 5) SIGN W(0, j))                                                \
    PROBE(OP##_outer_left, slivi_##OP(g, row(g, w, 0), column(g, x, 5)),       \
          W(0, j) SIGN X(i, 5))                                                \
    PROBE(OP##_fixed, slivi_##OP(g, w, column(g, w, 2)), W(i, j) SIGN W(i, 2)) \
    PROBE(OP##_slices, slivi_##OP(g, x, s->sliced), X(i % N, j) SIGN T(i, j))  \
    PROBE(OP##_slices_left, slivi_##OP(g, s->sliced, x),                       \
          T(i, j) SIGN X(i % N, j))                                            \
    PROBE(OP##_slices_column, slivi_##OP(g, column(g, s->sliced, 3), x),       \
          T(i, 3) SIGN X(i % N, j))                                            \
    PROBE(OP##_slices_both,                                                    \
          slivi_##OP(g, slivi_mul(g, s->sliced, x), column(g, x, 0)),          \
          (T(i, j) * X(i % N, j)) SIGN X(i % N, 0))

ARITHMETIC(add, +)
ARITHMETIC(sub, -)
ARITHMETIC(mul, *)
ARITHMETIC(div, /)

/* functions */
static slivi_node inner(slivi_graph *g, const slivi__op *op, slivi_node x)
{
    return slivi__make(g, op, x, (slivi_node){0}, NULL);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

#define FUNCTION(NAME, ENTRY)                                                  \
    PROBE(NAME, slivi_##NAME(g, x), ENTRY)                                     \
    PROBE(NAME##_of_w, slivi_##NAME(g, slivi_mul(g, x, row(g, w, 3))),         \
          want_##NAME(&(point){.x = &(double){X(i, j) * W(3, j)}}, 0, 0))
#define INNER(NAME, ENTRY) PROBE(NAME, inner(g, &slivi__op_##NAME, x), ENTRY)

PROBE(scale, slivi_scale(g, x, -1.7), -1.7 * X(i, j))
PROBE(scale_twice, slivi_neg(g, slivi_scale(g, x, -3)), 3 * X(i, j))
PROBE(shift, slivi_shift(g, x, 0.3), X(i, j) + 0.3)
FUNCTION(exp, exp(X(i, j)))
PROBE(log, slivi_log(g, x), log(X(i, j)))
PROBE(log_of_w, slivi_log(g, slivi_add(g, x, row(g, w, 3))),
      log(X(i, j) + W(3, j)))
FUNCTION(sqrt, sqrt(X(i, j)))
FUNCTION(sin, sin(X(i, j)))
FUNCTION(cos, cos(X(i, j)))
FUNCTION(erf, erf(X(i, j)))
FUNCTION(abs, fabs(X(i, j)))
FUNCTION(sign, (double)((X(i, j) > 0) - (X(i, j) < 0)))
FUNCTION(step, (double)(X(i, j) > 0))
FUNCTION(tanh, tanh(X(i, j)))
INNER(one_minus_square, 1 - X(i, j) * X(i, j))
FUNCTION(sigmoid, sigmoid(X(i, j)))
INNER(minus_square, X(i, j) - X(i, j) * X(i, j))
FUNCTION(softplus, log(1 + exp(X(i, j))))
FUNCTION(relu, fmax(X(i, j), 0))
FUNCTION(elu, X(i, j) > 0 ? X(i, j) : exp(X(i, j)) - 1)
INNER(elu1, X(i, j) > 0 ? 1 : exp(X(i, j)))
INNER(elu2, X(i, j) > 0 ? 0 : exp(X(i, j)))
PROBE(leaky_relu, slivi_leaky_relu(g, x, 0.2),
      X(i, j) > 0 ? X(i, j) : 0.2 * X(i, j))
FUNCTION(silu, X(i, j) * sigmoid(X(i, j)))
FUNCTION(gelu, X(i, j) * erfc(-X(i, j) / sqrt(2)) / 2)

/* sums and repetition */

static slivi_node product_of(const site *s)
{
    return slivi_mul(s->t.g, s->sliced, s->x);
}

/* Sum of the sliced products over slices and columns j .. j + cols - 1 of
   sample i, and over the samples too. */
static double sliced_sum(const point *p, size_t i, size_t j, size_t cols)
{
    double y = 0;
    for (size_t s = 0; s < 2; s++)
        for (size_t k = j; k < j + cols; k++)
            y += T(s * N + i, k) * X(i, k);
    return y;
}

static double sliced_all(const point *p, size_t j, size_t cols)
{
    double y = 0;
    for (size_t i = 0; i < N; i++)
        y += sliced_sum(p, i, j, cols);
    return y;
}

static double sliced_mean_square(const point *p)
{
    double y = 0;
    for (size_t i = 0; i < 2 * N; i++)
        for (size_t j = 0; j < D; j++)
            y += pow(T(i, j) * X(i % N, j), 2);
    return y / (double)(2 * N * D);
}

PROBE(sum_to_row, slivi_sum_to(g, slivi_square(g, x), 1, D),
      testing_squares(N, &X(0, j), D))
PROBE(sum_to_column, slivi_sum_to(g, slivi_square(g, x), SLIVI_ROWS, 1),
      testing_squares(D, &X(i, 0), 1))
PROBE(sum_to_entry, slivi_sum(g, slivi_square(g, x)),
      testing_squares(D *N, p->x, 1))
PROBE(sum_to_itself, slivi_sum_to(g, x, SLIVI_ROWS, D), X(i, j))
PROBE(sum_to_samples, slivi_sum_to(g, product_of(s), SLIVI_ROWS, D),
      sliced_sum(p, i, j, 1))
PROBE(sum_to_samples_column, slivi_sum_to(g, product_of(s), SLIVI_ROWS, 1),
      sliced_sum(p, i, 0, D))
PROBE(sum_to_sliced_row, slivi_sum_to(g, product_of(s), 1, D),
      sliced_all(p, j, 1))
PROBE(sum_to_sliced_column, slivi_row_sum(g, product_of(s)),
      testing_dot(D, &T(i, 0), &X(i % N, 0)))
PROBE(sum_to_sliced_entry, slivi_sum(g, product_of(s)), sliced_all(p, 0, D))
PROBE(sum_to_fixed, slivi_sum_to(g, slivi_square(g, w), 1, D),
      testing_squares(D, &W(0, j), D))
PROBE(sum_to_fixed_column, slivi_row_sum(g, slivi_square(g, w)),
      testing_squares(D, &W(i, 0), 1))
PROBE(mean, slivi_mean(g, slivi_shift(g, x, 1)),
      1 + testing_sum(N * D, p->x, 1) / (double)(N * D))
PROBE(mean_sliced, slivi_mean(g, slivi_square(g, product_of(s))),
      sliced_mean_square(p))
PROBE(row_dot, slivi_row_dot(g, x, row(g, w, 1)),
      testing_dot(D, &X(i, 0), &W(1, 0)))
PROBE(row_dot_slices, slivi_row_dot(g, s->sliced, slivi_square(g, x)),
      testing_squares_by(D, &T(i, 0), &X(i % N, 0)))
PROBE(log_sum_exp, slivi_log_sum_exp(g, x), log(testing_sum_exp(D, &X(i, 0))))
PROBE(broadcast_column, slivi_broadcast(g, column(g, x, 2), SLIVI_ROWS, 4),
      X(i, 2))
PROBE(broadcast_slices, slivi_broadcast(g, x, 2 * SLIVI_ROWS, D), X(i % N, j))
PROBE(broadcast_slices_column,
      slivi_broadcast(g, column(g, x, 4), 2 * SLIVI_ROWS, 3), X(i % N, 4))
PROBE(broadcast_row, slivi_broadcast(g, row(g, w, 4), SLIVI_ROWS, D), W(4, j))
PROBE(broadcast_entry,
      slivi_broadcast(g, row(g, column(g, w, 4), 3), SLIVI_ROWS, 2), W(3, 4))
PROBE(broadcast_fixed, slivi_broadcast(g, row(g, w, 4), 3, D), W(4, j))
PROBE(broadcast_fixed_column, slivi_broadcast(g, column(g, w, 1), D, 2),
      W(i, 1))
PROBE(row_max, slivi_row_max(g, x), testing_largest(D, &X(i, 0)))
PROBE(row_max_sliced, slivi_row_max(g, s->sliced), testing_largest(D, &T(i, 0)))

/* products */

enum { KEEP, TURN };

static double product(const double *a, int ta, const double *b, int tb,
                      size_t k, size_t i, size_t j)
{
    double y = 0;
    for (size_t l = 0; l < k; l++)
        y += a[ta ? l * D + i : i * D + l] * b[tb ? j * D + l : l * D + j];
    return y;
}

/* [x_0..x_3, x_1^2, x_2^2] w */
static double concat_product(const point *p, size_t i, size_t j)
{
    double y = 0;
    for (size_t l = 0; l < 4; l++)
        y += X(i, l) * W(l, j);
    for (size_t l = 4; l < D; l++)
        y += X(i, l - 3) * X(i, l - 3) * W(l, j);
    return y;
}

/* (t x) w */
static double sliced_product(const point *p, size_t i, size_t j)
{
    double y = 0;
    for (size_t l = 0; l < D; l++)
        y += T(i, l) * X(i % N, l) * W(l, j);
    return y;
}

static slivi_node concat(const site *s)
{
    slivi_graph *g = s->t.g;
    return slivi_concat(g, slivi_columns(g, s->x, 0, 4),
                        slivi_columns(g, slivi_square(g, s->x), 1, 2));
}

PROBE(matmul, slivi_matmul(g, x, w), product(p->x, 0, p->w, 0, D, i, j))
PROBE(matmul_turned, slivi_matmul_t(g, x, 0, w, 1),
      product(p->x, 0, p->w, 1, D, i, j))
PROBE(matmul_samples, slivi_matmul_t(g, x, 1, slivi_columns(g, x, 2, 3), 0),
      product(p->x, 1, p->x, 0, N, i, j + 2))
PROBE(matmul_sliced, slivi_matmul(g, product_of(s), w), sliced_product(p, i, j))
PROBE(matmul_kk, slivi_matmul_t(g, slivi_rows(g, w, 1, 2), KEEP, w, KEEP),
      product(&W(1, 0), 0, p->w, 0, D, i, j))
PROBE(matmul_kt, slivi_matmul_t(g, w, KEEP, slivi_rows(g, w, 3, 2), TURN),
      product(p->w, 0, &W(3, 0), 1, D, i, j))
PROBE(matmul_tk,
      slivi_matmul_t(g, slivi_rows(g, w, 0, 4), TURN, slivi_rows(g, w, 2, 4),
                     KEEP),
      product(p->w, 1, &W(2, 0), 0, 4, i, j))
PROBE(matmul_tt,
      slivi_matmul_t(g, slivi_columns(g, w, 1, 3), TURN, slivi_rows(g, w, 4, 2),
                     TURN),
      product(&W(0, 1), 1, &W(4, 0), 1, D, i, j))
PROBE(matmul_concat, slivi_matmul(g, concat(s), w), concat_product(p, i, j))
PROBE(matmul_concat_turned, slivi_matmul_t(g, concat(s), 0, w, 0),
      concat_product(p, i, j))

/* moves */

PROBE(transpose, slivi_transpose(g, slivi_rows(g, w, 1, 2)), W(1 + j, i))
PROBE(reshape, slivi_reshape(g, w, 4, 9), p->w[i * 9 + j])
PROBE(concat, concat(s), j < 4 ? X(i, j) : X(i, j - 3) * X(i, j - 3))
PROBE(concat_one_moves, slivi_concat(g, s->sliced, product_of(s)),
      j < D ? T(i, j) : T(i, j - D) * X(i % N, j - D))
PROBE(concat_other_moves, slivi_concat(g, product_of(s), s->sliced),
      j >= D ? T(i, j - D) : T(i, j) * X(i % N, j))
PROBE(concat_fixed, slivi_concat(g, w, column(g, w, 1)),
      j < D ? W(i, j) : W(i, 1))
PROBE(columns, slivi_columns(g, x, 2, 3), X(i, j + 2))
PROBE(columns_sliced, slivi_columns(g, product_of(s), 1, 1),
      T(i, 1) * X(i % N, 1))
PROBE(rows, slivi_rows(g, w, 1, 3), W(i + 1, j))
PROBE(pad_columns, slivi_pad_columns(g, x, 1, 2), j<1 || j> D ? 0 : X(i, j - 1))
PROBE(pad_rows, slivi_pad_rows(g, w, 2, 1), i<2 || i> D + 1 ? 0 : W(i - 2, j))

/* Row i of what gets row k of x at row 5 k mod 4. */
static double scattered(const double *x, size_t from, size_t i, size_t j)
{
    double y = 0;
    for (size_t k = 0; k < from; k++)
        if (k * 5 % 4 == i)
            y += x[k * D + j];
    return y;
}

PROBE(gather, slivi_gather(g, w, s->index), W(i * 5 % 4, j))
PROBE(gather_fixed, slivi_gather(g, slivi_square(g, w), s->which),
      pow(W(i * 5 % 4, j), 2))
PROBE(scatter_add, slivi_scatter_add(g, w, s->which, 5),
      scattered(p->w, D, i, j))
PROBE(scatter_add_samples, slivi_scatter_add(g, x, s->index, 7),
      scattered(p->x, N, i, j))

/* symmetric positive definite: S = w'w + I, and an unsymmetric w + 9 I */

static slivi_node gram(const site *s)
{
    slivi_graph *g = s->t.g;
    return slivi_add(g, slivi_matmul_t(g, s->w, 1, s->w, 0), slivi_eye(g, D));
}

static slivi_node skew(const site *s)
{
    slivi_graph *g = s->t.g;
    return slivi_add(g, s->w, slivi_scale(g, slivi_eye(g, D), 9));
}

typedef double matrix[D][D];

static void fill_gram(const point *p, matrix a)
{
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++)
            a[i][j] = product(p->w, 1, p->w, 0, D, i, j) + (i == j);
}

static void fill_skew(const point *p, matrix a)
{
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++)
            a[i][j] = (W(i, j) + W(j, i)) / 2 + (i == j ? 9 : 0);
}

static double solved(const point *p, void (*fill)(const point *, matrix),
                     size_t i, size_t j)
{
    matrix a;
    double b[D];
    fill(p, a);
    for (size_t k = 0; k < D; k++)
        b[k] = W(k, j);
    testing_solve(D, a[0], b);
    return b[i];
}

static double logdet(const point *p, void (*fill)(const point *, matrix))
{
    matrix a;
    double b[D] = {0};
    fill(p, a);
    return testing_solve(D, a[0], b);
}

PROBE(spd_solve, slivi_spd_solve(g, gram(s), slivi_columns(g, w, 1, 2)),
      solved(p, fill_gram, i, j + 1))
PROBE(spd_solve_skew, slivi_spd_solve(g, skew(s), w),
      solved(p, fill_skew, i, j))
PROBE(spd_logdet, slivi_spd_logdet(g, gram(s)), logdet(p, fill_gram))
PROBE(spd_logdet_skew, slivi_spd_logdet(g, skew(s)), logdet(p, fill_skew))

/* steering */

PROBE(stop_gradient, slivi_mul(g, slivi_stop_gradient(g, s->sliced), x),
      T(i, j) * X(i % N, j))
PROBE(stop_gradient_max,
      slivi_sub(g, x, slivi_stop_gradient(g, slivi_row_max(g, s->sliced))),
      X(i % N, j) - testing_largest(D, &T(i, 0)))
PROBE(variable, slivi_square(g, slivi_variable(g, x)), X(i, j) * X(i, j))
PROBE(given, slivi_given(g, slivi_square(g, x), slivi_square(g, x)),
      X(i, j) * X(i, j))
PROBE(given_fixed,
      slivi_given(g, slivi_mul(g, w, w),
                  slivi_stop_gradient(g, slivi_square(g, w))),
      W(i, j) * W(i, j))
PROBE(variable_of_w, slivi_square(g, slivi_variable(g, w)), W(i, j) * W(i, j))

/* f(x) = sum of (j + 1) x_j^2 + exp(x_0 x_1) */
static int user(size_t n, size_t d, const double *x, double *value,
                double *grad, void *ctx)
{
    const double *factor = ctx;
    for (size_t i = 0; i < n; i++, x += d, grad += d) {
        double e = *factor * exp(x[0] * x[1]);
        value[i] = e;
        for (size_t j = 0; j < d; j++) {
            value[i] += (double)(j + 1) * x[j] * x[j];
            grad[j] = 2 * (double)(j + 1) * x[j];
        }
        grad[0] += e * x[1];
        grad[1] += e * x[0];
    }
    return 0;
}

static double user_value(const double *x, size_t j)
{
    double value, grad[D], one = 1;
    user(1, D, x, &value, grad, &one);
    return j ? grad[j - 1] : value;
}

static slivi_node external(const site *s, slivi_node x)
{
    static double one = 1; /* never changed: ctx is not const */
    return slivi_external(s->t.g, x, user, &one);
}

PROBE(external, external(s, x), user_value(&X(i, 0), 0))
PROBE(external_value, slivi_square(g, external(s, x)),
      pow(user_value(&X(i, 0), 0), 2))
PROBE(external_fixed, external(s, w), user_value(&W(i, 0), 0))
PROBE(external_grad, slivi_grad(g, external(s, x), x),
      user_value(&X(i, 0), j + 1))

#undef N /* of the formulas */

/* ---- the table -------------------------------------------------------- */

#define ROW(OP, NAME, LO, HI, GAP, ORDER, SLICES)                              \
    {                                                                          \
#OP, #NAME, build_##NAME, want_##NAME, LO, HI, GAP, ORDER, SLICES      \
    }
/* on (-2, 2), and the same for expressions with a sum over samples */
#define PLAIN(OP, NAME) ROW(OP, NAME, -2, 2, 0, 2, ALLOWED)
#define SUMS(OP, NAME) ROW(OP, NAME, -2, 2, 0, 2, OVER_SAMPLES)
#define POSITIVE(OP, NAME) ROW(OP, NAME, 0.4, 2, 0, 2, ALLOWED)
#define KINK(OP, NAME) ROW(OP, NAME, -2, 2, 0.25, 2, ALLOWED)
#define SMALL(OP, NAME) ROW(OP, NAME, -1, 1, 0, 2, ALLOWED)

#define ARITHMETIC_ROWS(OP)                                                    \
    POSITIVE(OP, OP##_same), POSITIVE(OP, OP##_row),                           \
        POSITIVE(OP, OP##_row_left), POSITIVE(OP, OP##_column),                \
        POSITIVE(OP, OP##_column_left), POSITIVE(OP, OP##_entry),              \
        POSITIVE(OP, OP##_entry_left), POSITIVE(OP, OP##_outer),               \
        POSITIVE(OP, OP##_outer_left), POSITIVE(OP, OP##_fixed),               \
        POSITIVE(OP, OP##_slices), POSITIVE(OP, OP##_slices_left),             \
        POSITIVE(OP, OP##_slices_column), POSITIVE(OP, OP##_slices_both)

const probe probes[] = {
    PLAIN(input, input),
    PLAIN(index, index),
    PLAIN(constant, constant),
    PLAIN(constant, full),
    PLAIN(constant, full_rows),
    PLAIN(eye, eye),
    PLAIN(inverse_rows, inverse_rows),
    PLAIN(inverse_rows, inverse_rows_slices),
    PLAIN(constant, inverse_rows_fixed),
    PLAIN(noise, noise),
    PLAIN(noise, noise_slices),
    PLAIN(noise, noise_fixed),
    PLAIN(units, units),
    ROW(units, units_beyond, -2, 2, 0, 2, OTHER_SLICES),

    ARITHMETIC_ROWS(add),
    ARITHMETIC_ROWS(sub),
    ARITHMETIC_ROWS(mul),
    ARITHMETIC_ROWS(div),

    PLAIN(scale, scale),
    PLAIN(scale, scale_twice),
    PLAIN(shift, shift),
    PLAIN(exp, exp),
    PLAIN(exp, exp_of_w),
    POSITIVE(log, log),
    POSITIVE(log, log_of_w),
    POSITIVE(sqrt, sqrt),
    POSITIVE(sqrt, sqrt_of_w),
    PLAIN(sin, sin),
    PLAIN(sin, sin_of_w),
    PLAIN(cos, cos),
    PLAIN(cos, cos_of_w),
    PLAIN(erf, erf),
    PLAIN(erf, erf_of_w),
    KINK(abs, abs),
    KINK(abs, abs_of_w),
    KINK(sign, sign),
    KINK(sign, sign_of_w),
    KINK(step, step),
    KINK(step, step_of_w),
    PLAIN(tanh, tanh),
    PLAIN(tanh, tanh_of_w),
    PLAIN(one_minus_square, one_minus_square),
    PLAIN(sigmoid, sigmoid),
    PLAIN(sigmoid, sigmoid_of_w),
    PLAIN(minus_square, minus_square),
    PLAIN(softplus, softplus),
    PLAIN(softplus, softplus_of_w),
    KINK(relu, relu),
    KINK(relu, relu_of_w),
    KINK(relu, leaky_relu),
    KINK(elu, elu),
    KINK(elu, elu_of_w),
    KINK(elu1, elu1),
    KINK(elu2, elu2),
    PLAIN(sigmoid, silu),
    PLAIN(sigmoid, silu_of_w),
    PLAIN(erf, gelu),
    PLAIN(erf, gelu_of_w),

    SUMS(sum_to, sum_to_row),
    PLAIN(sum_to, sum_to_column),
    SUMS(sum_to, sum_to_entry),
    PLAIN(sum_to, sum_to_itself),
    SUMS(sum_to, sum_to_samples),
    SUMS(sum_to, sum_to_samples_column),
    SUMS(sum_to, sum_to_sliced_row),
    PLAIN(sum_to, sum_to_sliced_column),
    SUMS(sum_to, sum_to_sliced_entry),
    PLAIN(sum_to, sum_to_fixed),
    PLAIN(sum_to, sum_to_fixed_column),
    SUMS(sum_to, mean),
    SUMS(sum_to, mean_sliced),
    PLAIN(sum_to, row_dot),
    PLAIN(sum_to, row_dot_slices),
    PLAIN(exp, log_sum_exp),
    PLAIN(broadcast, broadcast_column),
    PLAIN(broadcast, broadcast_slices),
    PLAIN(broadcast, broadcast_slices_column),
    PLAIN(broadcast, broadcast_row),
    PLAIN(broadcast, broadcast_entry),
    PLAIN(broadcast, broadcast_fixed),
    PLAIN(broadcast, broadcast_fixed_column),
    ROW(row_max, row_max, -2, 2, 0, 0, ALLOWED),
    PLAIN(row_max, row_max_sliced),

    PLAIN(matmul, matmul),
    PLAIN(matmul, matmul_turned),
    SUMS(matmul, matmul_samples),
    PLAIN(matmul, matmul_sliced),
    PLAIN(matmul, matmul_kk),
    PLAIN(matmul, matmul_kt),
    PLAIN(matmul, matmul_tk),
    PLAIN(matmul, matmul_tt),
    PLAIN(matmul, matmul_concat),
    PLAIN(concat, matmul_concat_turned),

    PLAIN(transpose, transpose),
    PLAIN(reshape, reshape),
    PLAIN(concat, concat),
    PLAIN(concat, concat_one_moves),
    PLAIN(concat, concat_other_moves),
    PLAIN(concat, concat_fixed),
    PLAIN(columns, columns),
    PLAIN(columns, columns_sliced),
    PLAIN(rows, rows),
    PLAIN(pad_columns, pad_columns),
    PLAIN(pad_rows, pad_rows),
    PLAIN(gather, gather),
    PLAIN(gather, gather_fixed),
    PLAIN(scatter_add, scatter_add),
    SUMS(scatter_add, scatter_add_samples),
    SMALL(spd_solve, spd_solve),
    SMALL(spd_solve, spd_solve_skew),
    SMALL(spd_logdet, spd_logdet),
    SMALL(spd_logdet, spd_logdet_skew),

    PLAIN(stop_gradient, stop_gradient),
    PLAIN(stop_gradient, stop_gradient_max),
    PLAIN(variable, variable),
    PLAIN(given, given_fixed),
    PLAIN(given, given),
    PLAIN(variable, variable_of_w),
    ROW(external, external, -1, 1, 0, 1, ALLOWED),
    ROW(external_value, external_value, -1, 1, 0, 1, ALLOWED),
    ROW(external_value, external_fixed, -1, 1, 0, 1, ALLOWED),
    ROW(external_grad, external_grad, -1, 1, 0, 0, ALLOWED),
    {.op = NULL},
};
