/* commands/tests/check.h: checks for plain test programs, which ThreadSanitizer can run where Criterion cannot. */
#ifndef PW_COMMANDS_TESTS_CHECK_H
#define PW_COMMANDS_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                        \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fputc('\n', stderr);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct check_case {
    const char *name;
    void (*run)(void);
};

/* Runs them in order, each announced; the first that fails ends the program. Gives what main returns. */
static inline int check_all(const struct check_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, "%s\n", cases[i].name);
        cases[i].run();
    }
    printf("%zu passed, 0 failed\n", count);
    return 0;
}

#endif
