/* eventstore/tests/cases.h: what the suites of plain programs share: a case at a time, and the first
 * check that fails ends the program. Without a test library, so that ThreadSanitizer can run them. */
#ifndef PW_EVENTSTORE_TESTS_CASES_H
#define PW_EVENTSTORE_TESTS_CASES_H

#include <stdbool.h>

/* True where the case is to run: no argument names a case, or one names this. Prints its name. */
bool case_begins(const char *suite, const char *name, int argc, char **argv);

/* Prints how many ran; the exit status, which is that of a failure when none did. */
int cases_end(const char *suite);

/* Says what failed in which case, and ends the program. */
_Noreturn void case_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define FAIL(...) case_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            FAIL("%s", #condition);                                                                \
        }                                                                                          \
    } while (0)
#define CHECK_EQ(is, expected)                                                                     \
    do {                                                                                           \
        long long is_value = (long long)(is);                                                      \
        long long expected_value = (long long)(expected);                                          \
        if (is_value != expected_value) {                                                          \
            FAIL("%s is %lld, not %lld", #is, is_value, expected_value);                           \
        }                                                                                          \
    } while (0)

#endif
