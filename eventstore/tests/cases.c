/* eventstore/tests/cases.c: see cases.h. */
#include "eventstore/tests/cases.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *case_name = "";
static int run_count;

bool case_begins(const char *suite, const char *name, int argc, char **argv)
{
    bool wanted = argc <= 1;
    for (int a = 1; a < argc; a++) {
        wanted = wanted || strcmp(argv[a], name) == 0;
    }
    if (wanted) {
        case_name = name;
        run_count++;
        printf("%s: %s\n", suite, name);
        fflush(stdout);
    }
    return wanted;
}

int cases_end(const char *suite)
{
    case_name = "";
    printf("%s: %d cases passed\n", suite, run_count);
    return run_count > 0 ? 0 : 1;
}

void case_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "FAILED %s\n  %s:%d: ", case_name, file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}
