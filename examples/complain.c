/* complain.c - how the programs report what went wrong.

   Copyright (C) 2026 the slivi authors.  GPL-3.0-or-later, see COPYING. */
#include "complain.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { MESSAGE = 1024 };

static void print(const char *format, va_list arguments, int hint)
{
    char text[MESSAGE];
    vsnprintf(text, sizeof text, format, arguments);
    for (char *c = text; *c; c++) /* file names may hold anything */
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr); /* away with a line of progress */
    fprintf(stderr, "%s: %s", program_name, text);
    if (hint)
        fprintf(stderr, " (try %s --help)", program_name);
    fputc('\n', stderr);
}

int complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments, 0);
    va_end(arguments);
    return EXIT_FAILED;
}

int complain_usage(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments, 1);
    va_end(arguments);
    return EXIT_USAGE;
}
