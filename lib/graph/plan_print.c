/* plan_print.c - a plan, for people to read: see slivi_plan_print in
   slivi/graph.h.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "graph/plan.h"

typedef struct printer {
    const slivi_plan *p;
    FILE *out;
} printer;

static const char *shape(const printer *w, int id, char *text)
{
    const slivi__node *node = w->p->value[id].node;
    return slivi__shape_text(node->rows, node->cols, text);
}

/* Inputs by their names, others by operation and number. */
static void name(const printer *w, int id)
{
    const slivi__node *node = w->p->value[id].node;
    if (node->op->traits & SLIVI_OP_INPUT)
        fprintf(w->out, "%s", (const char *)node->a.p);
    else
        fprintf(w->out, "%s.%d", node->op->name, id);
}

/* op.NUMBER(operands) */
static void call(const printer *w, int id)
{
    const slivi__value *v = &w->p->value[id];
    name(w, id);
    for (int k = 0; k < v->node->op->arity; k++) {
        fprintf(w->out, k ? ", " : "(");
        name(w, v->in[k]);
    }
    if (v->node->op->arity)
        fprintf(w->out, ")");
    else if (v->node->op == &slivi__op_constant)
        fprintf(w->out, " = %g", v->node->a.c);
}

/* The outputs that are this value. */
static void outputs(const printer *w, int id)
{
    for (size_t i = 0; i < w->p->output_count; i++)
        if (w->p->value[w->p->outputs[i].id].same == id)
            fprintf(w->out, " = output %zu", i);
}

static const char *home(const printer *w, int id)
{
    static const char *const names[] = {"", " (band)", " (batch)", ""};
    return names[w->p->value[id].home];
}

/* "64 rows" of one operand, "n + 10n rows" of several. */
static void rows(const printer *w, ptrdiff_t count, const char *before)
{
    if (count == SLIVI_ROWS)
        fprintf(w->out, "%sn", before);
    else if (count < 0)
        fprintf(w->out, "%s%zun", before, (size_t)-count);
    else
        fprintf(w->out, "%s%zu", before, (size_t)count);
}

static void print_product(const printer *w, const slivi__instruction *c)
{
    const slivi_plan *p = w->p;
    const slivi__node *right = p->value[c->node].node;
    size_t k = (size_t)right->rows, n = right->cols;
    fprintf(w->out, "  product ");
    for (size_t i = 0; i < c->count; i++)
        rows(w, p->value[p->pair[c->first + i].a].node->rows, i ? " + " : "");
    fprintf(w->out, " rows, %zu to %zu: ", c->transposed < 0 ? k : n,
            c->transposed < 0 ? n : k);
    for (size_t i = 0; i < c->count; i++) {
        fprintf(w->out, i ? ", " : "");
        name(w, p->pair[c->first + i].a);
    }
    fprintf(w->out, " times ");
    name(w, c->node);
    fprintf(w->out, "%s ->", c->transposed < 0 ? "" : "'");
    for (size_t i = 0; i < c->count; i++) {
        fprintf(w->out, i ? ", " : " ");
        name(w, p->pair[c->first + i].b);
        fprintf(w->out, "%s", home(w, p->pair[c->first + i].b));
        outputs(w, p->pair[c->first + i].b);
    }
    fprintf(w->out, "\n");
}

static void print_chain(const printer *w, const slivi__instruction *c)
{
    const slivi_plan *p = w->p;
    rows(w, -(ptrdiff_t)c->slices, "  chain ");
    fprintf(w->out, " x %zu, %zu slots:", c->cols, c->slots);
    for (size_t i = c->first; i < c->first + c->count; i++) {
        const slivi__step *s = &p->step[i];
        fprintf(w->out, i == c->first ? " " : ", ");
        call(w, s->node);
        fprintf(w->out, "%s%s%s", s->local ? " (again)" : "",
                s->what != SLIVI__STEP_TOTAL && s->slot < 0 ? " (kept)" : "",
                s->what != SLIVI__STEP_TOTAL && s->slot < 0 ? home(w, s->node)
                                                            : "");
        if (s->what != SLIVI__STEP_TOTAL)
            outputs(w, s->node);
    }
    fprintf(w->out, "\n");
}

static void print_instruction(const printer *w, const slivi__instruction *c)
{
    char text[48];
    if (c->kind == SLIVI__ENTRYWISE) {
        print_chain(w, c);
    } else if (c->kind == SLIVI__PRODUCT) {
        print_product(w, c);
    } else {
        fprintf(w->out, "  ");
        call(w, c->node);
        fprintf(w->out, " %s%s", shape(w, c->node, text), home(w, c->node));
        outputs(w, c->node);
        fprintf(w->out, "\n");
    }
}

static void print_gradient(const printer *w, int id)
{
    const slivi_plan *p = w->p;
    const slivi__value *v = &p->value[id];
    char text[48];
    fprintf(w->out, "  gradient %s, ", shape(w, id, text));
    for (size_t i = 0; i < v->count; i++)
        rows(w, p->value[p->pair[v->first + i].a].node->rows, i ? " + " : "");
    fprintf(w->out, " rows:");
    for (size_t i = 0; i < v->count; i++) {
        fprintf(w->out, i ? " + " : " ");
        name(w, p->pair[v->first + i].a);
        fprintf(w->out, "' ");
        name(w, p->pair[v->first + i].b);
    }
    fprintf(w->out, " -> ");
    name(w, id);
    outputs(w, id);
    fprintf(w->out, "\n");
}

/* Gradients that take up their rows band by band. */
static void print_bands(const printer *w, const slivi__phase *f)
{
    if (f->tile < f->tile_end)
        fprintf(w->out, "each band of %zu blocks:\n", w->p->band);
    for (size_t i = f->tile; i < f->tile_end; i++)
        if (w->p->tile[i].first == 0)
            print_gradient(w, w->p->tile[i].what);
}

static void print_batch(const printer *w, const slivi__phase *f)
{
    const slivi_plan *p = w->p;
    for (size_t i = f->copy; i < f->copy_end; i++)
        if (p->tile[i].first == 0) {
            fprintf(w->out, "  transpose ");
            name(w, p->copy[p->tile[i].what].node);
            fprintf(w->out, "\n");
        }
    for (size_t i = f->total; i < f->whole_end; i++) {
        char text[48];
        fprintf(w->out, i < f->total_end ? "  total " : "  ");
        call(w, p->order[i]);
        fprintf(w->out, " %s", shape(w, p->order[i], text));
        outputs(w, p->order[i]);
        fprintf(w->out, "\n");
    }
    for (size_t i = f->late; i < f->late_end; i++)
        if (p->tile[i].first == 0) {
            fprintf(w->out, "  transpose ");
            name(w, p->copy[p->tile[i].what].node);
            fprintf(w->out, "\n");
        }
}

int slivi_plan_print(const slivi_plan *p, FILE *out)
{
    const printer w = {p, out};
    fprintf(out,
            "plan for %zu rows in blocks of %zu; %s; %zu KiB for the "
            "batch, %zu KiB for a block\n",
            p->max_rows, p->block, p->isa->name, p->batch_bytes / 1024,
            p->block_bytes / 1024);
    for (size_t i = 0; i < p->phases; i++) {
        const slivi__phase *f = &p->phase[i];
        if (i == 0)
            print_bands(&w, f);
        if (i % 2 == 0) {
            if (f->copy < f->late_end || f->total < f->whole_end)
                fprintf(out, "the batch:\n");
            print_batch(&w, f);
        } else if (f->code < f->code_end) {
            fprintf(out, "each block:\n");
            for (size_t j = f->code; j < f->code_end; j++)
                print_instruction(&w, &p->code[j]);
            print_bands(&w, f + 1);
        }
    }
    return ferror(out) ? slivi__fail(SLIVI_ESYSTEM, "plan: cannot print") : 0;
}
