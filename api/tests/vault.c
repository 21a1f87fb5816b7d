/* api/tests/vault.c: the keys of running nodes on a simulated log, whose faults are turned by hand. A plain program, so that
 * ThreadSanitizer can run it. */
#include "api/tests/vault_rig.h"

#include <sched.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdatomic.h>

#include "api/log.h"
#include "eventstore/key_adapters.h"

static struct pw_key_sim *sim;
static struct pw_masters *masters;

static enum pw_code open_sim(bool reads_only, struct pw_key_log *ret_log, struct pw_err *err)
{
    (void)reads_only;
    (void)err;
    *ret_log = pw_key_sim_open(sim);
    return PW_OK;
}

/* --- Making and using --- */

static void case_life(void)
{
    struct node node;
    uint8_t sealed[RIG_SEALED_BYTES];
    struct pw_hash tags[2];
    struct pw_id secret;
    node_open(&node, open_sim, masters);
    GOOD(pw_vault_ready(node.vault, &err));
    struct pw_id key_id = node_make(&node);
    CHECK_EQ(rig_find(open_sim, &key_id).values, 1);
    GOOD(pw_vault_create(node.vault, &rig_tenant, PW_KEY_EQUALITY, &secret, &err));
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_OK);
    sealed[30] ^= 1;
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_LEDGER_DAMAGED);
    CHECK_EQ(node_seal(&node, &secret, sealed), PW_ERR_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        GOOD(pw_vault_tag(node.vault, &rig_tenant, &secret, rig_bound, rig_plain, &tags[i], &err));
    }
    CHECK(pw_equality_same(&tags[0], &tags[1]));
    struct pw_vault_counts counts = node_counts(&node);
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
    node_open(&node, open_sim, masters);
    for (size_t i = 0; i < PW_COUNT(faults); i++) {
        struct pw_id key_id = {{0}};
        pw_key_sim_fail(sim, 0, faults[i]);
        CHECK_EQ(pw_vault_create(node.vault, &rig_tenant, PW_KEY_PERSONAL, &key_id, NULL),
                 PW_ERR_LEDGER_DOWN);
        CHECK(pw_id_is_nil(&key_id));
    }
    pw_key_sim_land(sim);
    node_look(&node);
    CHECK_EQ(node_counts(&node).keys, 2); /* Orphans, and good. */
    CHECK(node_counts(&node).created == 0 && node_counts(&node).failures == 3);
    node_make(&node);
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

static void case_a_write_that_hangs_holds_up_no_use(void)
{
    static struct call call;
    struct node node;
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&node, open_sim, masters);
    struct pw_id key_id = node_make(&node);
    pw_key_sim_before_write(sim, hang, NULL);
    call_begin(&call, &node);
    sem_wait(&reached);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_OK);
    struct pw_id unknown = {{1}};
    CHECK_EQ(node_seal(&node, &unknown, sealed), PW_ERR_NOT_FOUND);
    pw_vault_forget(node.vault, &key_id); /* Its tombstone is another thread's. */
    node_await(&node, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    sem_post(&released);
    call_end(&call);
    CHECK_EQ(call.code, PW_OK);
    node_close(&node);
}

/* One write is under way while others ask: they share the next one, and a failure is that of all who wait by then. */
static void many_at_once(struct node *node, size_t good, uint64_t writes)
{
    static struct call calls[20];
    uint8_t sealed[RIG_SEALED_BYTES];
    uint64_t before = node_moments(node, PW_VAULT_WRITTEN);
    pw_key_sim_before_write(sim, hang, NULL);
    call_begin(&calls[0], node);
    sem_wait(&reached);
    for (size_t i = 1; i < PW_COUNT(calls); i++) {
        call_begin(&calls[i], node);
    }
    while (node_counts(node).waiting < PW_COUNT(calls)) {
        sched_yield();
    }
    sem_post(&released);
    for (size_t i = 0; i < PW_COUNT(calls); i++) {
        call_end(&calls[i]);
        CHECK_EQ(calls[i].code, i < good ? PW_OK : PW_ERR_LEDGER_DOWN);
        CHECK_EQ(pw_id_is_nil(&calls[i].key_id), i >= good);
        CHECK(i >= good || node_seal(node, &calls[i].key_id, sealed) == PW_OK);
    }
    node_await(node, PW_VAULT_WRITTEN, before + writes);
    CHECK_EQ(node_moments(node, PW_VAULT_WRITTEN), before + writes);
}

static void case_many_at_once(void)
{
    struct node node;
    node_open(&node, open_sim, masters);
    many_at_once(&node, 20, 2);
    pw_key_sim_fail(sim, 1, PW_KEY_SIM_LOSE); /* The first key of the second write. */
    many_at_once(&node, 1, 2);
    pw_key_sim_fail(sim, 0, PW_KEY_SIM_LOSE);
    many_at_once(&node, 0, 1);
    node_close(&node);
}

static void case_away(void)
{
    struct node node;
    struct pw_id unknown = {{1}};
    uint8_t sealed[RIG_SEALED_BYTES];
    struct pw_id created = {{0}};
    node_open(&node, open_sim, masters);
    struct pw_id key_id = node_make_and_look(&node);
    CHECK_EQ(node_seal(&node, &unknown, sealed), PW_ERR_NOT_FOUND);
    pw_key_sim_set_down(sim, true);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_seal(&node, &unknown, sealed), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_create(node.vault, &rig_tenant, PW_KEY_PERSONAL, &created, NULL),
             PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_ready(node.vault, NULL), PW_OK);
    pw_vault_forget(node.vault, &key_id);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    node_await(&node, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(node_counts(&node).lingering, 1);
    pw_key_sim_set_down(sim, false);
    CHECK_EQ(rig_find(open_sim, &key_id).tombstones, 0);
    node_turn_clock(&node, PW_US_PER_SECOND);
    node_await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(rig_find(open_sim, &key_id).tombstones, 1);
    node_make(&node);
    node_close(&node);
}

static void case_away_at_start(void)
{
    struct node first;
    struct node node;
    struct pw_err err = {0};
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&first, open_sim, masters);
    struct pw_id key_id = node_make(&first);
    struct pw_id forgotten = node_make(&first);
    CHECK_EQ(node_seal(&first, &key_id, sealed), PW_OK);
    pw_key_sim_set_down(sim, true);
    node_open(&node, open_sim, masters);
    CHECK_EQ(pw_vault_ready(node.vault, &err), PW_ERR_LEDGER_DOWN);
    CHECK(strstr(err.detail, "away") != NULL);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_LEDGER_DOWN);
    pw_vault_forget(node.vault, &forgotten);
    CHECK_EQ(node_seal(&node, &forgotten, sealed), PW_ERR_NOT_FOUND);
    pw_key_sim_set_down(sim, false);
    node_look(&node);
    CHECK_EQ(pw_vault_ready(node.vault, NULL), PW_OK);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_OK);
    node_await(&node, PW_VAULT_DESTROYED, 1); /* What was forgotten before it was found. */
    CHECK_EQ(node_seal(&node, &forgotten, sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(rig_find(open_sim, &forgotten).tombstones, 1);
    node_close(&node);
    node_close(&first);
}

static enum pw_code refuse(bool reads_only, struct pw_key_log *ret_log, struct pw_err *err)
{
    (void)reads_only;
    (void)ret_log;
    return pw_fail(err, PW_ERR_SETTING_WRONG, "cleanup.policy is delete");
}

static void case_a_wrong_setting_stops_a_start(void)
{
    struct node node = {.open_log = refuse};
    struct pw_vault_options options = rig_options(&node, masters);
    struct pw_err err = {0};
    CHECK_EQ(pw_vault_open(&options, &node.vault, &err), PW_ERR_SETTING_WRONG);
    CHECK(strcmp(err.detail, "cleanup.policy is delete") == 0);
}

static void case_a_newer_record_stops_reading(void)
{
    struct node node;
    struct pw_err err = {0};
    uint8_t sealed[RIG_SEALED_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    node_open(&node, open_sim, masters);
    struct pw_id key_id = node_make(&node);
    struct pw_id newer = {{1}};
    pw_id_format(&newer, text);
    pw_key_sim_put(sim, pw_str_of(text), "PWK\2", 4);
    node_look(&node);
    CHECK_EQ(pw_vault_ready(node.vault, &err), PW_ERR_LEDGER_DAMAGED);
    CHECK(strstr(err.detail, "newer-format") != NULL);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_seal(&node, &newer, sealed), PW_ERR_LEDGER_DOWN);
    node_close(&node);
}

static void case_stopped(void)
{
    struct node node;
    struct pw_id unknown = {{1}};
    struct pw_id created = {{0}};
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&node, open_sim, masters);
    struct pw_id key_id = node_make(&node);
    pw_vault_stop(node.vault);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_seal(&node, &unknown, sealed), PW_ERR_LEDGER_DOWN);
    CHECK_EQ(pw_vault_create(node.vault, &rig_tenant, PW_KEY_PERSONAL, &created, NULL),
             PW_ERR_LEDGER_DOWN);
    node_close(&node);
}

/* --- Forgetting --- */

static void case_forgotten_until_nothing_is_found(void)
{
    struct node node;
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&node, open_sim, masters);
    struct pw_id key_id = node_make_and_look(&node);
    struct pw_id kept = node_make_and_look(&node);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    pw_vault_forget(node.vault, &key_id);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    node_await(&node, PW_VAULT_DESTROYED, 1);
    CHECK(rig_find(open_sim, &key_id).values == 1 && rig_find(open_sim, &key_id).tombstones == 1);
    CHECK(node_counts(&node).lingering == 1 && node_counts(&node).destroyed == 1);
    pw_vault_forget(node.vault, &key_id); /* Again, while it lingers. */
    node_turn_clock(&node, RIG_HOUR_US - 1);
    node_look(&node);
    CHECK_EQ(node_moments(&node, PW_VAULT_DESTROYED), 1);
    node_turn_clock(&node, 1);
    node_await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(rig_find(open_sim, &key_id).tombstones, 2);
    pw_key_sim_compact(sim, 0, false);
    node_turn_clock(&node, RIG_HOUR_US);
    node_await(&node, PW_VAULT_DESTROYED, 3);
    CHECK(node_counts(&node).lingering == 0 && node_counts(&node).keys == 1);
    uint64_t written = rig_find(open_sim, NULL).tombstones;
    pw_vault_forget(node.vault, &key_id); /* Again, when it is over. */
    node_turn_clock(&node, RIG_HOUR_US);
    node_look(&node);
    CHECK_EQ(node_counts(&node).lingering, 0);
    CHECK_EQ(rig_find(open_sim, NULL).tombstones, written);
    CHECK_EQ(node_seal(&node, &kept, sealed), PW_OK);
    node_close(&node);
}

static void case_a_start_forgets_what_is_gone_without_a_write(void)
{
    struct node node;
    struct pw_id ids[] = {{{1}}, {{2}}, {{3}}};
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&node, open_sim, masters);
    node_make(&node);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < PW_COUNT(ids); i++) {
            pw_vault_forget(node.vault, &ids[i]);
            CHECK_EQ(node_seal(&node, &ids[i], sealed), PW_ERR_NOT_FOUND);
        }
    }
    node_turn_clock(&node, RIG_HOUR_US);
    node_look(&node);
    CHECK(node_counts(&node).destroyed == 3 && node_counts(&node).lingering == 0);
    CHECK_EQ(rig_find(open_sim, NULL).tombstones, 0);
    node_close(&node);
}

/* A packet that was under way for long: of a re-wrap, as it were. */
static void case_what_lands_late_is_destroyed_again(void)
{
    struct node node;
    struct node other;
    uint8_t sealed[RIG_SEALED_BYTES];
    uint8_t value[PW_KEY_RECORD_BYTES];
    char text[PW_ID_TEXT_BYTES + 1];
    static const uint8_t zeros[PW_KEY_BYTES];
    struct pw_key_record record = {.purpose = PW_KEY_PERSONAL, .tenant_id = rig_tenant};
    node_open(&node, open_sim, masters);
    node_open(&other, open_sim, masters);
    record.key_id = node_make_and_look(&node);
    pw_vault_forget(node.vault, &record.key_id);
    node_await(&node, PW_VAULT_DESTROYED, 1);
    pw_key_sim_compact(sim, 0, true);
    node_turn_clock(&node, RIG_HOUR_US);
    node_await(&node, PW_VAULT_DESTROYED, 2);
    CHECK_EQ(rig_find(open_sim, &record.key_id).values, 0);
    pw_key_wrap(masters, &record, zeros, zeros, value);
    pw_id_format(&record.key_id, text);
    pw_key_sim_put(sim, pw_str_of(text), value, sizeof value);
    node_look(&node);
    node_await(&node, PW_VAULT_DESTROYED, 3);
    CHECK_EQ(node_seal(&node, &record.key_id, sealed), PW_ERR_NOT_FOUND);
    CHECK(rig_find(open_sim, &record.key_id).tombstones >= 1);
    node_look(&other);
    CHECK_EQ(node_seal(&other, &record.key_id, sealed), PW_ERR_NOT_FOUND);
    node_close(&other);
    node_close(&node);
}

static void case_two_nodes(void)
{
    struct node a;
    struct node b;
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&a, open_sim, masters);
    node_open(&b, open_sim, masters);
    struct pw_id key_id = node_make_and_look(&a);
    CHECK_EQ(node_seal(&a, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&b, &key_id, sealed), PW_OK); /* Looked for at once. */
    pw_vault_forget(a.vault, &key_id);
    node_await(&a, PW_VAULT_DESTROYED, 1);
    node_look(&b);
    CHECK_EQ(node_unseal(&b, &key_id, sealed), PW_ERR_NOT_FOUND);
    pw_vault_forget(b.vault, &key_id); /* The ledger tells every node: who finds it writes too. */
    node_await(&b, PW_VAULT_DESTROYED, 1);
    CHECK_EQ(rig_find(open_sim, &key_id).tombstones, 2);
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
    uint8_t sealed[RIG_SEALED_BYTES];
    for (size_t i = 0; i < TURNS; i++) {
        size_t number = i % KEYS;
        bool is_gone = number < atomic_load(user->forgotten);
        enum pw_code code = node_seal(user->node, &user->ids[number], sealed);
        CHECK(code == PW_ERR_NOT_FOUND || (code == PW_OK && !is_gone));
        if (code == PW_OK) {
            code = node_unseal(user->node, &user->ids[number], sealed);
            CHECK(code == PW_OK || code == PW_ERR_NOT_FOUND);
        }
        if (i % 50 == 0) {
            struct pw_id own = node_make(user->node);
            CHECK_EQ(node_seal(user->node, &own, sealed), PW_OK);
            CHECK_EQ(node_unseal(user->node, &own, sealed), PW_OK);
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
    node_open(&nodes[0], open_sim, masters);
    node_open(&nodes[1], open_sim, masters);
    for (size_t i = 0; i < KEYS; i++) {
        ids[i] = node_make(&nodes[0]);
    }
    for (size_t i = 0; i < USERS; i++) {
        users[i] = (struct user){.node = &nodes[i % 2], .ids = ids, .forgotten = &forgotten};
        CHECK_EQ(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    }
    for (size_t i = 0; i < KEYS / 2; i++) {
        pw_vault_forget(nodes[0].vault, &ids[i]);
        pw_vault_forget(nodes[1].vault, &ids[i]);
        atomic_store(&forgotten, i + 1);
        node_counts(&nodes[0]);
    }
    for (size_t i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
    }
    node_look(&nodes[0]);
    CHECK_EQ(node_counts(&nodes[0]).destroyed, KEYS / 2);
    CHECK_EQ(node_counts(&nodes[0]).keys, KEYS / 2 + USERS * TURNS / 50);
    node_close(&nodes[1]);
    node_close(&nodes[0]);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"life", case_life},
        {"a_key_that_is_not_confirmed_is_not_given", case_a_key_that_is_not_confirmed_is_not_given},
        {"a_write_that_hangs_holds_up_no_use", case_a_write_that_hangs_holds_up_no_use},
        {"many_at_once", case_many_at_once},
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
    masters = rig_masters();
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
