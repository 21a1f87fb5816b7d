/* eventstore/tests/conformance_keys.h: what any adapter behind eventstore/key_log.h must do, and the store on it, in one suite.
 *
 * Contract  A fixture gives fresh stores of keys, handles on them, and the powers of strangers and of time. What a fixture function does
 *           is done when it returns. The first failed check ends the program.
 * Threads   Plain programs without a test library, so that ThreadSanitizer can run them. */
#ifndef PW_EVENTSTORE_TESTS_CONFORMANCE_KEYS_H
#define PW_EVENTSTORE_TESTS_CONFORMANCE_KEYS_H

#include "eventstore/key_log.h"
#include "eventstore/tests/cases.h"

struct keys_fixture {
    const char *name;
    void *self;
    void (*begin)(void *self); /* A fresh, empty one. The suite closes its handles, then ends. */
    void (*end)(void *self);
    struct pw_key_log (*open)(void *self);
    void (*put)(void *self, struct pw_str log_key, const void *value,
                size_t value_bytes); /* A stranger's; NULL: he cannot. */
    void (*settle)(void *self);      /* A while passes, in which the cleaner may come. */
    bool knows_gone;                 /* Refuses a re-wrap of what is not there any more. */
};

int keys_conformance_run(const struct keys_fixture *fixture, int argc, char **argv);

/* Master keys from files that are removed again: of the byte `first`, and of `second` behind it unless that is 0. */
struct pw_masters *keys_masters(uint8_t first, uint8_t second);

#endif
