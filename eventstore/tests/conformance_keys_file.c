/* eventstore/tests/conformance_keys_file.c: the suite on files. */
#include "eventstore/key_adapters.h"
#include "eventstore/tests/conformance_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct rig {
    char parent[64];
    char dir[80];
};

static void begin(void *self)
{
    struct rig *rig = self;
    struct pw_err err = {0};
    bool created = false;
    snprintf(rig->parent, sizeof rig->parent, "/tmp/pw-key-file-XXXXXX");
    CHECK(mkdtemp(rig->parent) != NULL);
    snprintf(rig->dir, sizeof rig->dir, "%s/ledger.keys", rig->parent);
    if (pw_key_file_create(rig->dir, &created, &err) != PW_OK) {
        FAIL("pw_key_file_create: %s", err.detail);
    }
    CHECK(created);
}

static void end(void *self)
{
    struct rig *rig = self;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", rig->parent);
    CHECK_EQ(system(command), 0);
}

static struct pw_key_log open_log(void *self)
{
    struct rig *rig = self;
    struct pw_key_log log = {0};
    struct pw_err err = {0};
    if (pw_key_file_open(rig->dir, &log, &err) != PW_OK) {
        FAIL("pw_key_file_open: %s", err.detail);
    }
    return log;
}

static void settle(void *self)
{
    (void)self;
    FAIL("a file that was destroyed lingers");
}

int main(int argc, char **argv)
{
    struct rig rig;
    const struct keys_fixture fixture = {
        .name = "file",
        .self = &rig,
        .begin = begin,
        .end = end,
        .open = open_log,
        .settle = settle,
        .knows_gone = true,
    };
    return keys_conformance_run(&fixture, argc, argv);
}
