#include "api/tests/vault_rig.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

const struct pw_id rig_tenant = {{0x7e}};
const struct pw_str rig_plain = {"Ada Lovelace", 12};
const struct pw_str rig_bound = {"name", 4};

static _Atomic int64_t now_us;

struct pw_masters *rig_masters(void)
{
    char path[] = "/tmp/pw-vault-master-XXXXXX";
    const char *paths[] = {path};
    char digits[64];
    struct pw_masters *made = NULL;
    int fd = mkstemp(path);
    memset(digits, '5', sizeof digits);
    CHECK(fd >= 0 && write(fd, digits, sizeof digits) == (ssize_t)sizeof digits);
    close(fd);
    GOOD(pw_masters_load(paths, 1, &made, &err));
    unlink(path);
    return made;
}

static int64_t boot_us(void *self)
{
    (void)self;
    return atomic_load(&now_us);
}

static enum pw_code open_log(void *self, bool reads_only, struct pw_key_log *ret_log,
                             struct pw_err *err)
{
    const struct node *node = self;
    return node->open_log(reads_only, ret_log, err);
}

static void on_moment(void *self, enum pw_vault_moment moment)
{
    struct node *node = self;
    pthread_mutex_lock(&node->lock);
    node->moments[moment]++;
    pthread_cond_broadcast(&node->came);
    pthread_mutex_unlock(&node->lock);
}

uint64_t node_moments(struct node *node, enum pw_vault_moment moment)
{
    pthread_mutex_lock(&node->lock);
    uint64_t count = node->moments[moment];
    pthread_mutex_unlock(&node->lock);
    return count;
}

void node_await(struct node *node, enum pw_vault_moment moment, uint64_t count)
{
    pthread_mutex_lock(&node->lock);
    while (node->moments[moment] < count) {
        pthread_cond_wait(&node->came, &node->lock);
    }
    pthread_mutex_unlock(&node->lock);
}

void node_look(struct node *node)
{
    uint64_t before = node_moments(node, PW_VAULT_LOOKED);
    pw_vault_kick(node->vault);
    node_await(node, PW_VAULT_LOOKED, before + 2); /* The first of them may have begun before. */
}

struct pw_vault_options rig_options(struct node *node, const struct pw_masters *masters)
{
    return (struct pw_vault_options){
        .self = node,
        .open_log = open_log,
        .masters = masters,
        .clock = {.boot_us = boot_us},
        .moment = on_moment,
    };
}

void node_open(struct node *node, rig_open_log *opens, const struct pw_masters *masters)
{
    struct pw_vault_options options = rig_options(node, masters);
    *node = (struct node){.open_log = opens};
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->came, NULL);
    GOOD(pw_vault_open(&options, &node->vault, &err));
    node_await(node, PW_VAULT_LOOKED, 1);
}

void node_close(struct node *node)
{
    pw_vault_close(node->vault);
    pthread_mutex_destroy(&node->lock);
    pthread_cond_destroy(&node->came);
}

void node_turn_clock(struct node *node, int64_t by_us)
{
    atomic_fetch_add(&now_us, by_us);
    pw_vault_kick(node->vault);
}

struct pw_id node_make(struct node *node)
{
    struct pw_id key_id;
    GOOD(pw_vault_create(node->vault, &rig_tenant, PW_KEY_PERSONAL, &key_id, &err));
    return key_id;
}

struct pw_id node_make_and_look(struct node *node)
{
    struct pw_id key_id = node_make(node);
    node_look(node);
    return key_id;
}

enum pw_code node_seal(struct node *node, const struct pw_id *key_id, uint8_t *ret_sealed)
{
    return pw_vault_seal(node->vault, &rig_tenant, key_id, rig_bound, rig_plain, ret_sealed, NULL);
}

enum pw_code node_unseal(struct node *node, const struct pw_id *key_id, const uint8_t *sealed)
{
    uint8_t got[RIG_SEALED_BYTES];
    size_t bytes = 0;
    enum pw_code code =
        pw_vault_unseal(node->vault, &rig_tenant, key_id, rig_bound,
                        (struct pw_str){(const char *)sealed, sizeof got}, got, &bytes, NULL);
    CHECK(code != PW_OK || (bytes == rig_plain.len && memcmp(got, rig_plain.ptr, bytes) == 0));
    return code;
}

struct pw_vault_counts node_counts(struct node *node)
{
    struct pw_vault_counts counts;
    pw_vault_count(node->vault, &counts);
    return counts;
}

static enum pw_code find(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    struct found *found = self;
    struct pw_id key_id;
    (void)err;
    CHECK(pw_id_parse(entry->log_key, &key_id));
    if (found->key_id == NULL || pw_id_equal(&key_id, found->key_id)) {
        found->first = found->values + found->tombstones == 0 ? entry->number : found->first;
        found->values += entry->value != NULL;
        found->tombstones += entry->value == NULL;
    }
    return PW_OK;
}

struct found rig_find(rig_open_log *opens, const struct pw_id *key_id)
{
    struct found found = {.key_id = key_id};
    struct pw_key_log log = {.self = NULL};
    struct pw_key_sink sink = {.self = &found, .entry = find};
    GOOD(opens(true, &log, &err));
    GOOD(log.read(log.self, &sink, &err));
    log.close(log.self);
    return found;
}

static void *create_in_thread(void *self)
{
    struct call *call = self;
    call->code =
        pw_vault_create(call->node->vault, &rig_tenant, PW_KEY_PERSONAL, &call->key_id, NULL);
    return NULL;
}

void call_begin(struct call *call, struct node *node)
{
    *call = (struct call){.node = node};
    CHECK_EQ(pthread_create(&call->thread, NULL, create_in_thread, call), 0);
}

void call_end(struct call *call)
{
    pthread_join(call->thread, NULL);
}
