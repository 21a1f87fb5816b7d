/* eventstore/tests/conformance_keys_sim.c: the suite in memory. */
#include "eventstore/key_adapters.h"
#include "eventstore/tests/conformance_keys.h"

static void begin(void *self)
{
    *(struct pw_key_sim **)self = pw_key_sim_new();
}

static void end(void *self)
{
    pw_key_sim_free(*(struct pw_key_sim **)self);
}

static struct pw_key_log open_log(void *self)
{
    return pw_key_sim_open(*(struct pw_key_sim **)self);
}

static void put(void *self, struct pw_str log_key, const void *value, size_t value_bytes)
{
    pw_key_sim_put(*(struct pw_key_sim **)self, log_key, value, value_bytes);
}

static void settle(void *self)
{
    pw_key_sim_compact(*(struct pw_key_sim **)self, 1, false);
}

int main(int argc, char **argv)
{
    struct pw_key_sim *sim = NULL;
    const struct keys_fixture fixture = {
        .name = "sim",
        .self = &sim,
        .begin = begin,
        .end = end,
        .open = open_log,
        .put = put,
        .settle = settle,
    };
    return keys_conformance_run(&fixture, argc, argv);
}
