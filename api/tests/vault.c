/* api/tests/vault.c: the keys of running nodes on a simulated log, whose faults and whose clock are turned by hand. A plain program, so
 * that ThreadSanitizer can run it. */
#include "api/vault.h"

#include <pthread.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/log.h"
#include "eventstore/key_adapters.h"
#include "eventstore/tests/cases.h"

#define HOUR_US      (3660 * PW_US_PER_SECOND)
#define SEALED_BYTES (12 + PW_PAYLOAD_EXTRA_BYTES)
#define MANY         3000

static const struct pw_id tenant = {{0x7e}};
static const struct pw_str plain = {"Ada Lovelace", 12};
static const struct pw_str bound = {"name", 4};

static struct pw_key_sim *sim;
static struct pw_masters *masters;
static _Atomic int64_t now_us;

/* One node's vault, and how often each moment came. */
struct node {
    struct pw_vault *vault;
    pthread_mutex_t lock;
    pthread_cond_t came;
    uint64_t moments[3];
    const char *refusal; /* Of open_log; NULL: it opens. */
};

#define GOOD(call)                                                                                 \
    do {                                                                                           \
        struct pw_err err = {0};                                                                   \
        if ((call) != PW_OK) {                                                                     \
            FAIL("%s: %s", #call, err.detail);                                                     \
        }                                                                                          \
    } while (0)

/* --- The rig --- */

static int64_t boot_us(void *self)
{
    (void)self;
    return atomic_load(&now_us);
}

static enum pw_code open_log(void *self, bool reads_only, struct pw_key_log *ret_log,
                             struct pw_err *err)
{
    const struct node *node = self;
    (void)reads_only;
    if (node->refusal != NULL) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s", node->refusal);
    }
    *ret_log = pw_key_sim_open(sim);
    return PW_OK;
}

static void on_moment(void *self, enum pw_vault_moment moment)
{
    struct node *node = self;
    pthread_mutex_lock(&node->lock);
    node->moments[moment]++;
    pthread_cond_broadcast(&node->came);
    pthread_mutex_unlock(&node->lock);
}

static uint64_t moments_of(struct node *node, enum pw_vault_moment moment)
{
    pthread_mutex_lock(&node->lock);
    uint64_t count = node->moments[moment];
    pthread_mutex_unlock(&node->lock);
    return count;
}

/* Until it has come so often. */
static void await(struct node *node, enum pw_vault_moment moment, uint64_t count)
{
    pthread_mutex_lock(&node->lock);
    while (node->moments[moment] < count) {
        pthread_cond_wait(&node->came, &node->lock);
    }
    pthread_mutex_unlock(&node->lock);
}

/* A look that begins after this call has ended. */
static void look(struct node *node)
{
    uint64_t before = moments_of(node, PW_VAULT_LOOKED);
    pw_vault_kick(node->vault);
    await(node, PW_VAULT_LOOKED, before + 2);
}

static void node_open(struct node *node)
{
    struct pw_vault_options options = {
        .self = node,
        .open_log = open_log,
        .masters = masters,
        .clock = {.boot_us = boot_us},
        .moment = on_moment,
    };
    *node = (struct node){.vault = NULL};
    pthread_mutex_init(&node->lock, NULL);
    pthread_cond_init(&node->came, NULL);
    GOOD(pw_vault_open(&options, &node->vault, &err));
    await(node, PW_VAULT_LOOKED, 1);
}

static void node_close(struct node *node)
{
    pw_vault_close(node->vault);
    pthread_mutex_destroy(&node->lock);
    pthread_cond_destroy(&node->came);
}

static struct pw_id make(struct node *node)
{
    struct pw_id key_id;
    GOOD(pw_vault_create(node->vault, &tenant, PW_KEY_PERSONAL, &key_id, &err));
    return key_id;
}

/* One that the reader has passed: a value that it finds of a key that is gone has tombstones follow at once. */
static struct pw_id make_and_look(struct node *node)
{
    struct pw_id key_id = make(node);
    look(node);
    return key_id;
}

static enum pw_code seal(struct node *node, const struct pw_id *key_id, uint8_t *ret_sealed)
{
    return pw_vault_seal(node->vault, &tenant, key_id, bound, plain, ret_sealed, NULL);
}

static enum pw_code unseal(struct node *node, const struct pw_id *key_id, const uint8_t *sealed)
{
    uint8_t got[SEALED_BYTES];
    size_t bytes = 0;
    enum pw_code code =
        pw_vault_unseal(node->vault, &tenant, key_id, bound,
                        (struct pw_str){(const char *)sealed, SEALED_BYTES}, got, &bytes, NULL);
    CHECK(code != PW_OK || (bytes == plain.len && memcmp(got, plain.ptr, bytes) == 0));
    return code;
}

static struct pw_vault_counts counts_of(struct node *node)
{
    struct pw_vault_counts counts;
    pw_vault_count(node->vault, &counts);
    return counts;
}

/* What lies in the log: of one key (NULL: of all), its values and its tombstones; and its first place. */
struct found {
    const struct pw_id *key_id;
    uint64_t values;
    uint64_t tombstones;
    uint64_t first;
};

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

static struct found log_of(const struct pw_id *key_id)
{
    struct found found = {.key_id = key_id};
    struct pw_key_log log = pw_key_sim_open(sim);
    struct pw_key_sink sink = {.self = &found, .entry = find};
    GOOD(log.read(log.self, &sink, &err));
    log.close(log.self);
    return found;
}

static void turn_clock(struct node *node, int64_t by_us)
{
    atomic_fetch_add(&now_us, by_us);
    pw_vault_kick(node->vault);
}

/* --- Making and using --- */

static void case_life(void)
{
    struct node node;
    uint8_t sealed[SEALED_BYTES];
    struct pw_hash tags[2];
    struct pw_id secret;
    node_open(&node);
    GOOD(pw_vault_ready(node.vault, &err));
    struct pw_id key_id = make(&node);
    CHECK_EQ(log_of(&key_id).values, 1);
    GOOD(pw_vault_create(node.vault, &tenant, PW_KEY_EQUALITY, &secret, &err));
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_OK);
    sealed[30] ^= 1;
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_ERR_LEDGER_DAMAGED);
    CHECK_EQ(seal(&node, &secret, sealed), PW_ERR_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        GOOD(pw_vault_tag(node.vault, &tenant, &secret, bound, plain, &tags[i], &err));
    }
    CHECK(pw_equality_same(&tags[0], &tags[1]));
    struct pw_vault_counts counts = counts_of(&node);
    CHECK(counts.keys == 2 && counts.created == 2 && counts.creates == 2);
    CHECK(counts.seals == 3 && counts.unseals == 1 && counts.failures == 2);
    CHECK(counts.destroyed + counts.lingering + counts.unopened == 0);
    node_close(&node);
}

static void case_a_key_that_is_not_confirmed_is_not_given(void)
{
    static const enum pw_key_sim_fault faults[] = {PW_KEY_SIM_LOSE, PW_KEY_SIM_LOSE_ACK,
                                                   PW_KEY_SIM_LATE};
    struct node node;
    node_open(&node);
    for (size_t i = 0; i < PW_COUNT(faults); i++) {
        struct pw_id key_id = {{0}};
        pw_key_sim_fail(sim, 0, faults[i]);
        CHECK_EQ(pw_vault_create(node.vault, &tenant, PW_KEY_PERSONAL, &key_id, NULL),
                 PW_ERR_LEDGER_DOWN);
        CHECK(pw_id_is_nil(&key_id));
    }
    pw_key_sim_land(sim);
    look(&node);
    CHECK_EQ(counts_of(&node).keys, 2); /* Orphans, and good. */
    CHECK(counts_of(&node).created == 0 && counts_of(&node).failures == 3);
    make(&node);
    node_close(&node);
}

static void case_many(void)
{
    static struct pw_id ids[MANY];
    struct node node;
    struct node other;
    uint8_t sealed[SEALED_BYTES];
    node_open(&node);
    node_open(&other);
    for (uint32_t nth = 0; nth < MANY;
         nth += MANY / 3 - 1) { /* In a first write, and in later ones. */
        pw_key_sim_fail(sim, nth, PW_KEY_SIM_LOSE);
        CHECK_EQ(pw_vault_create_many(node.vault, &tenant, PW_KEY_PERSONAL, MANY, ids, NULL),
                 PW_ERR_LEDGER_DOWN);
        CHECK(pw_id_is_nil(&ids[0]) && pw_id_is_nil(&ids[MANY - 1]));
    }
    GOOD(pw_vault_create_many(node.vault, &tenant, PW_KEY_PERSONAL, MANY, ids, &err));
    GOOD(pw_vault_create_many(node.vault, &tenant, PW_KEY_PERSONAL, 0, NULL, &err));
    for (size_t i = 0; i < MANY; i++) {
        CHECK_EQ(seal(&node, &ids[i], sealed), PW_OK);
        CHECK_EQ(unseal(&other, &ids[i], sealed), PW_OK);
    }
    CHECK_EQ(counts_of(&node).created, MANY);
    node_close(&other);
    node_close(&node);
}

/* --- What hangs --- */

static sem_t reached;
static sem_t released;

static void hang(void *self)
{
    (void)self;
    sem_post(&reached);
    sem_wait(&released);
}

struct call {
    struct node *node;
    pthread_t thread;
    size_t count;
    enum pw_code code;
    struct pw_id ids[5000];
};

static void *create_in_thread(void *self)
{
    struct call *call = self;
    call->code = pw_vault_create_many(call->node->vault, &tenant, PW_KEY_PERSONAL, call->count,
                                      call->ids, NULL);
    return NULL;
}

static void call_begin(struct call *call, struct node *node, size_t count)
{
    *call = (struct call){.node = node, .count = count};
    CHECK_EQ(pthread_create(&call->thread, NULL, create_in_thread, call), 0);
}

static void call_end(struct call *call)
{
    pthread_join(call->thread, NULL);
}

static void case_a_write_that_hangs_holds_up_no_use(void)
{
    static struct call call;
    struct node node;
    uint8_t sealed[SEALED_BYTES];
    node_open(&node);
    struct pw_id key_id = make(&node);
    pw_key_sim_before_write(sim, hang, NULL);
    call_begin(&call, &node, 1);
    sem_wait(&reached);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_OK);
    struct pw_id unknown = {{1}};
    CHECK_EQ(seal(&node, &unknown, sealed), PW_ERR_NOT_FOUND);
    pw_vault_forget(node.vault, &key_id); /* Its tombstone is another thread's. */
    await(&node, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    sem_post(&released);
    call_end(&call);
    CHECK_EQ(call.code, PW_OK);
    node_close(&node);
}

static void case_who_wants_one_has_a_turn_before_who_wants_many(void)
{
    static struct call many;
    static struct call one;
    struct node node;
    node_open(&node);
    pw_key_sim_before_write(sim, hang, NULL);
    call_begin(&many, &node, PW_COUNT(many.ids));
    sem_wait(&reached); /* The first write of the many is under way. */
    call_begin(&one, &node, 1);
    sem_post(&released);
    call_end(&one);
    call_end(&many);
    CHECK(one.code == PW_OK && many.code == PW_OK);
    CHECK(log_of(&one.ids[0]).first < PW_COUNT(many.ids));
    node_close(&node);
}

static void case_away(void)
{
    struct node node;
    struct pw_id unknown = {{1}};
    uint8_t sealed[SEALED_BYTES];
    struct pw_id created = {{0}};
    node_open(&node);
    struct pw_id key_id = make_and_look(&node);
    CHECK_EQ(seal(&node, &unknown, sealed), PW_ERR_NOT_FOUND);
    pw_key_sim_set_down(sim, true);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(seal(&node, &unknown, sealed), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_create(node.vault, &tenant, PW_KEY_PERSONAL, &created, NULL),
             PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_ready(node.vault, NULL), PW_OK);
    pw_vault_forget(node.vault, &key_id);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    await(&node, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(counts_of(&node).lingering, 1);
    pw_key_sim_set_down(sim, false);
    CHECK_EQ(log_of(&key_id).tombstones, 0);
    turn_clock(&node, PW_US_PER_SECOND);
    await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(log_of(&key_id).tombstones, 1);
    make(&node);
    node_close(&node);
}

static void case_away_at_start(void)
{
    struct node first;
    struct node node;
    struct pw_err err = {0};
    uint8_t sealed[SEALED_BYTES];
    node_open(&first);
    struct pw_id key_id = make(&first);
    struct pw_id forgotten = make(&first);
    CHECK_EQ(seal(&first, &key_id, sealed), PW_OK);
    pw_key_sim_set_down(sim, true);
    node_open(&node);
    CHECK_EQ(pw_vault_ready(node.vault, &err), PW_ERR_LEDGER_DOWN);
    CHECK(strstr(err.detail, "away") != NULL);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_ERR_LEDGER_DOWN);
    pw_vault_forget(node.vault, &forgotten);
    CHECK_EQ(seal(&node, &forgotten, sealed), PW_ERR_NOT_FOUND);
    pw_key_sim_set_down(sim, false);
    look(&node);
    CHECK_EQ(pw_vault_ready(node.vault, NULL), PW_OK);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_OK);
    await(&node, PW_VAULT_DESTROYED, 1); /* What was forgotten before it was found. */
    CHECK_EQ(seal(&node, &forgotten, sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(log_of(&forgotten).tombstones, 1);
    node_close(&node);
    node_close(&first);
}

static void case_a_wrong_setting_stops_a_start(void)
{
    struct node node = {.refusal = "cleanup.policy is delete"};
    struct pw_vault_options options = {.self = &node, .open_log = open_log, .masters = masters};
    struct pw_err err = {0};
    CHECK_EQ(pw_vault_open(&options, &node.vault, &err), PW_ERR_SETTING_WRONG);
    CHECK(strcmp(err.detail, node.refusal) == 0);
}

static void case_a_newer_record_stops_reading(void)
{
    struct node node;
    struct pw_err err = {0};
    uint8_t sealed[SEALED_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    node_open(&node);
    struct pw_id key_id = make(&node);
    struct pw_id newer = {{1}};
    pw_id_format(&newer, text);
    pw_key_sim_put(sim, pw_str_of(text), "PWK\2", 4);
    look(&node);
    CHECK_EQ(pw_vault_ready(node.vault, &err), PW_ERR_LEDGER_DAMAGED);
    CHECK(strstr(err.detail, "newer-format") != NULL);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(seal(&node, &newer, sealed), PW_ERR_LEDGER_DOWN);
    node_close(&node);
}

static void case_stopped(void)
{
    struct node node;
    struct pw_id unknown = {{1}};
    struct pw_id created = {{0}};
    uint8_t sealed[SEALED_BYTES];
    node_open(&node);
    struct pw_id key_id = make(&node);
    pw_vault_stop(node.vault);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(seal(&node, &unknown, sealed), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_create(node.vault, &tenant, PW_KEY_PERSONAL, &created, NULL),
             PW_ERR_LEDGER_DOWN);
    node_close(&node);
}

/* --- Forgetting --- */

static void case_forgotten_until_nothing_is_found(void)
{
    struct node node;
    uint8_t sealed[SEALED_BYTES];
    node_open(&node);
    struct pw_id key_id = make_and_look(&node);
    struct pw_id kept = make_and_look(&node);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_OK);
    pw_vault_forget(node.vault, &key_id);
    CHECK_EQ(unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(seal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    await(&node, PW_VAULT_DESTROYED, 1);
    CHECK(log_of(&key_id).values == 1 && log_of(&key_id).tombstones == 1);
    CHECK(counts_of(&node).lingering == 1 && counts_of(&node).destroyed == 1);
    pw_vault_forget(node.vault, &key_id); /* Again, while it lingers. */
    turn_clock(&node, HOUR_US - 1);
    look(&node);
    CHECK_EQ(moments_of(&node, PW_VAULT_DESTROYED), 1);
    turn_clock(&node, 1);
    await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(log_of(&key_id).tombstones, 2);
    pw_key_sim_compact(sim, 0, false);
    turn_clock(&node, HOUR_US);
    await(&node, PW_VAULT_DESTROYED, 3);
    CHECK(counts_of(&node).lingering == 0 && counts_of(&node).keys == 1);
    uint64_t written = log_of(NULL).tombstones;
    pw_vault_forget(node.vault, &key_id); /* Again, when it is over. */
    turn_clock(&node, HOUR_US);
    look(&node);
    CHECK_EQ(counts_of(&node).lingering, 0);
    CHECK_EQ(log_of(NULL).tombstones, written);
    CHECK_EQ(seal(&node, &kept, sealed), PW_OK);
    node_close(&node);
}

static void case_a_start_forgets_what_is_gone_without_a_write(void)
{
    struct node node;
    struct pw_id ids[] = {{{1}}, {{2}}, {{3}}};
    uint8_t sealed[SEALED_BYTES];
    node_open(&node);
    make(&node);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < PW_COUNT(ids); i++) {
            pw_vault_forget(node.vault, &ids[i]);
            CHECK_EQ(seal(&node, &ids[i], sealed), PW_ERR_NOT_FOUND);
        }
    }
    turn_clock(&node, HOUR_US);
    look(&node);
    CHECK(counts_of(&node).destroyed == 3 && counts_of(&node).lingering == 0);
    CHECK_EQ(log_of(NULL).tombstones, 0);
    node_close(&node);
}

/* A packet that was under way for long: of a re-wrap, as it were. */
static void case_what_lands_late_is_destroyed_again(void)
{
    struct node node;
    struct node other;
    uint8_t sealed[SEALED_BYTES];
    uint8_t value[PW_KEY_RECORD_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    static const uint8_t zeros[PW_KEY_BYTES];
    struct pw_key_record record = {.purpose = PW_KEY_PERSONAL, .tenant_id = tenant};
    node_open(&node);
    node_open(&other);
    record.key_id = make_and_look(&node);
    pw_vault_forget(node.vault, &record.key_id);
    await(&node, PW_VAULT_DESTROYED, 1);
    pw_key_sim_compact(sim, 0, true);
    turn_clock(&node, HOUR_US);
    await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(log_of(&record.key_id).values, 0);
    pw_key_wrap(masters, &record, zeros, zeros, value);
    pw_id_format(&record.key_id, text);
    pw_key_sim_put(sim, pw_str_of(text), value, sizeof value);
    look(&node);
    await(&node, PW_VAULT_DESTROYED, 3);
    CHECK_EQ(seal(&node, &record.key_id, sealed), PW_ERR_NOT_FOUND);
    CHECK(log_of(&record.key_id).tombstones >= 1);
    look(&other);
    CHECK_EQ(seal(&other, &record.key_id, sealed), PW_ERR_NOT_FOUND);
    node_close(&other);
    node_close(&node);
}

static void case_two_nodes(void)
{
    struct node a;
    struct node b;
    uint8_t sealed[SEALED_BYTES];
    node_open(&a);
    node_open(&b);
    struct pw_id key_id = make_and_look(&a);
    CHECK_EQ(seal(&a, &key_id, sealed), PW_OK);
    CHECK_EQ(unseal(&b, &key_id, sealed), PW_OK); /* Looked for at once. */
    pw_vault_forget(a.vault, &key_id);
    await(&a, PW_VAULT_DESTROYED, 1);
    look(&b);
    CHECK_EQ(unseal(&b, &key_id, sealed), PW_ERR_NOT_FOUND);
    pw_vault_forget(b.vault, &key_id); /* The ledger tells every node: who finds it writes too. */
    await(&b, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(log_of(&key_id).tombstones, 2);
    node_close(&b);
    node_close(&a);
}

/* --- Many threads --- */

#define USERS 4
#define KEYS  40
#define TURNS 300

struct user {
    pthread_t thread;
    struct node *node;
    const struct pw_id *ids;
    atomic_size_t *forgotten; /* So many of the first ids are. */
};

static void *use(void *self)
{
    struct user *user = self;
    uint8_t sealed[SEALED_BYTES];
    for (size_t i = 0; i < TURNS; i++) {
        size_t number = i % KEYS;
        bool is_gone = number < atomic_load(user->forgotten);
        enum pw_code code = seal(user->node, &user->ids[number], sealed);
        CHECK(code == PW_ERR_NOT_FOUND || (code == PW_OK && !is_gone));
        if (code == PW_OK) {
            code = unseal(user->node, &user->ids[number], sealed);
            CHECK(code == PW_OK || code == PW_ERR_NOT_FOUND);
        }
        if (i % 50 == 0) {
            struct pw_id own = make(user->node);
            CHECK_EQ(seal(user->node, &own, sealed), PW_OK);
            CHECK_EQ(unseal(user->node, &own, sealed), PW_OK);
        }
    }
    return NULL;
}

static void case_threads(void)
{
    struct node nodes[2];
    struct user users[USERS];
    struct pw_id ids[KEYS];
    atomic_size_t forgotten = 0;
    node_open(&nodes[0]);
    node_open(&nodes[1]);
    GOOD(pw_vault_create_many(nodes[0].vault, &tenant, PW_KEY_PERSONAL, KEYS, ids, &err));
    for (size_t i = 0; i < USERS; i++) {
        users[i] = (struct user){.node = &nodes[i % 2], .ids = ids, .forgotten = &forgotten};
        CHECK_EQ(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    }
    for (size_t i = 0; i < KEYS / 2; i++) {
        pw_vault_forget(nodes[0].vault, &ids[i]);
        pw_vault_forget(nodes[1].vault, &ids[i]);
        atomic_store(&forgotten, i + 1);
        counts_of(&nodes[0]);
    }
    for (size_t i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
    }
    look(&nodes[0]);
    CHECK_EQ(counts_of(&nodes[0]).destroyed, KEYS / 2);
    CHECK_EQ(counts_of(&nodes[0]).keys, KEYS / 2 + USERS * TURNS / 50);
    node_close(&nodes[1]);
    node_close(&nodes[0]);
}

static struct pw_masters *make_masters(void)
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

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"life", case_life},
        {"a_key_that_is_not_confirmed_is_not_given", case_a_key_that_is_not_confirmed_is_not_given},
        {"many", case_many},
        {"a_write_that_hangs_holds_up_no_use", case_a_write_that_hangs_holds_up_no_use},
        {"who_wants_one_has_a_turn_before_who_wants_many",
         case_who_wants_one_has_a_turn_before_who_wants_many},
        {"away", case_away},
        {"away_at_start", case_away_at_start},
        {"a_wrong_setting_stops_a_start", case_a_wrong_setting_stops_a_start},
        {"a_newer_record_stops_reading", case_a_newer_record_stops_reading},
        {"stopped", case_stopped},
        {"forgotten_until_nothing_is_found", case_forgotten_until_nothing_is_found},
        {"a_start_forgets_what_is_gone_without_a_write",
         case_a_start_forgets_what_is_gone_without_a_write},
        {"what_lands_late_is_destroyed_again", case_what_lands_late_is_destroyed_again},
        {"two_nodes", case_two_nodes},
        {"threads", case_threads},
    };
    CHECK(sodium_init() >= 0);
    CHECK(sem_init(&reached, 0, 0) == 0 && sem_init(&released, 0, 0) == 0);
    pw_log_init("error");
    masters = make_masters();
    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        if (case_begins("vault", cases[i].name, argc, argv)) {
            sim = pw_key_sim_new();
            cases[i].run();
            pw_key_sim_free(sim);
        }
    }
    pw_masters_free(masters);
    return cases_end("vault");
}
