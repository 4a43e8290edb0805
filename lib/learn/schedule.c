/* schedule.c - the learning rate over time.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "learn/optimizer.h"

#include <math.h>
#include <string.h>

static double constant(double progress)
{
    (void)progress;
    return 1;
}

static double linear(double progress)
{
    return 1 - progress;
}

static double cosine(double progress)
{
    return (1 + cos(3.14159265358979323846 * progress)) / 2;
}

/* name, whether it needs to know the number of steps, factor by progress */
static const slivi__schedule schedules[] = {
    {"constant", 0, constant},
    {"linear", 1, linear},
    {"cosine", 1, cosine},
};

const char *const slivi_schedule_names[] = {"constant", "linear", "cosine",
                                            NULL};

const slivi__schedule *slivi__schedule_find(const char *name)
{
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++)
        if (!strcmp(schedules[i].name, name))
            return &schedules[i];
    return slivi__fail_null(SLIVI_ENAME, "no schedule \"%.64s\"", name);
}

double slivi_schedule_factor(const slivi_learning *how, size_t t)
{
    const slivi__schedule *s = slivi__schedule_find(how->schedule);
    double progress = t < how->steps ? (double)t / (double)how->steps : 1;
    double warm = t < how->warmup ? ((double)t + 1) / (double)how->warmup : 1;
    return s ? warm * s->factor(progress) : NAN;
}
