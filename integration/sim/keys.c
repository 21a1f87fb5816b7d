/* integration/sim/keys.c: the keys of personal data. The log of keys is eventstore/key_sim.c, what a node does with it the real
 * pw_key_store; that it does so before the queue, and destroys what the ledger calls destroyed, is a double of what api/ does in
 * threads of its own, which know no virtual clock.
 *
 * libsodium draws from the run's seed here: keys, ids and nonces too are a function of the plan. */
#include "integration/sim/keys.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPENED_MAX  16
#define DOWN_US_MAX (4 * PW_US_PER_SECOND)
#define AGAIN_US    PW_US_PER_SECOND /* Stands for the hour after which a segment is closed. */

struct node_keys {
    struct pw_key_store *store;
    bool is_read;
    bool is_busy; /* In a call of the store, during which other nodes act and this one must not. */
    int64_t next_us;
    struct claims claims;       /* By what the engine has told. */
    bool owes[CLAIMS_MAX];      /* Of these claims: the key is destroyed, and may lie in the log. */
    int64_t due_us[CLAIMS_MAX]; /* From then on a tombstone is written. */
};

static uint64_t random_bytes;         /* Of the run that this process is in. */
static struct pw_masters *masters[2]; /* Both with both keys; current is another one. */

/* --- Chance, and master keys --- */

static const char *chance_name(void)
{
    return "the plan of a simulated run";
}

static uint32_t chance_next(void)
{
    return (uint32_t)sim_draw(&random_bytes, 0);
}

static void chance_fill(void *const bytes, const size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ((uint8_t *)bytes)[i] = (uint8_t)chance_next();
    }
}

static void write_master(const char *dir, uint32_t number, char path[64])
{
    snprintf(path, 64, "%s/%u.key", dir, number);
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (file < 0 || dprintf(file, "%064x\n", number + 1) != 65) {
        perror("integration/sim: no file for a master key");
        abort();
    }
    close(file);
}

static void load_masters(void)
{
    char dir[] = "/tmp/pw-sim-XXXXXX";
    char paths[2][64];
    struct pw_err err = {0};
    if (mkdtemp(dir) == NULL) {
        abort();
    }
    write_master(dir, 0, paths[0]);
    write_master(dir, 1, paths[1]);
    for (uint32_t i = 0; i < 2; i++) {
        const char *named[] = {paths[i], paths[1 - i]};
        if (pw_masters_load(named, 2, &masters[i], &err) != PW_OK) {
            fprintf(stderr, "integration/sim: %s\n", err.detail);
            abort();
        }
    }
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(dir);
}

struct keys *keys_new(struct world *world)
{
    static struct randombytes_implementation chance = {
        .implementation_name = chance_name, .random = chance_next, .buf = chance_fill};
    struct keys *keys = calloc(1, sizeof *keys);
    random_bytes = world->plan.seed;
    if (keys == NULL || randombytes_set_implementation(&chance) != 0 || sodium_init() < 0) {
        abort();
    }
    if (masters[0] == NULL) {
        load_masters();
    }
    keys->log = pw_key_sim_new();
    return keys;
}

void keys_free(struct keys *keys)
{
    pw_key_sim_free(keys->log);
    free(keys);
}

struct pw_key_store *keys_store_open(struct keys *keys)
{
    struct pw_key_store *store;
    struct pw_err err = {0};
    struct pw_key_store_config config = {
        .log = pw_key_sim_open(keys->log),
        .masters = masters[keys->current_master],
        .opened_max = OPENED_MAX,
    };
    if (pw_key_store_open(&config, &store, &err) != PW_OK) {
        fprintf(stderr, "integration/sim: %s\n", err.detail);
        abort();
    }
    return store;
}

/* --- What the ledger says of keys --- */

struct claim *claim_of(struct claims *claims, const struct pw_id *tenant_id,
                       const struct pw_id *user_id)
{
    for (uint32_t i = 0; i < claims->count; i++) {
        struct claim *claim = &claims->list[i];
        if (pw_id_equal(&claim->user_id, user_id) && pw_id_equal(&claim->tenant_id, tenant_id)) {
            return claim;
        }
    }
    return NULL;
}

struct claim *claim_take(struct claims *claims, const struct pw_id *tenant_id,
                         const struct pw_id *user_id, const struct pw_id *key_id)
{
    struct claim *claim = claim_of(claims, tenant_id, user_id);
    if (claim == NULL) {
        assert(claims->count < CLAIMS_MAX);
        claim = &claims->list[claims->count++];
        *claim = (struct claim){.tenant_id = *tenant_id, .user_id = *user_id, .key_id = *key_id};
    }
    return claim;
}

static void owe(struct node *node, const struct claim *claim)
{
    struct node_keys *keys = node->keys;
    uint32_t number = (uint32_t)(claim - keys->claims.list);
    keys->owes[number] = true;
    keys->due_us[number] =
        sim_now(node->world) + (int64_t)sim_draw(&node->world->random_keys, 3 * PW_US_PER_SECOND);
}

/* --- A node's part: what its engine tells --- */

static void told_event(void *self, const struct pw_position *at, const struct pw_id *boundary_id,
                       const struct pw_event *event)
{
    (void)at;
    static const struct pw_id nobody;
    struct node *node = self;
    struct claims *claims = &node->keys->claims;
    switch (event->type) {
    case PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN:
        claim_take(claims, boundary_id, &nobody, &event->tenant_equality_key_chosen.key_id);
        break;
    case PW_EVENT_USER_REGISTERED:
        claim_take(claims, boundary_id, &event->stream_id, &event->user_registered.key_id);
        break;
    default:
        owe(node,
            claim_take(claims, boundary_id, &event->stream_id, &event->user_key_destroyed.key_id));
        break;
    }
}

static void told_state(void *self, const struct pw_state *state)
{
    static const struct pw_id nobody;
    struct node *node = self;
    struct claims *claims = &node->keys->claims;
    const struct pw_tenant *tenant;
    for (uint32_t i = 0; (tenant = pw_state_tenant_at(state, i)) != NULL; i++) {
        const struct pw_id *tenant_id = pw_tenant_id(tenant);
        const struct pw_id *user_id;
        const struct pw_user *user;
        if (!pw_id_is_nil(pw_tenant_equality_key(tenant))) {
            claim_take(claims, tenant_id, &nobody, pw_tenant_equality_key(tenant));
        }
        for (uint64_t cursor = 0; pw_tenant_next_user(tenant, &cursor, &user_id, &user);) {
            const struct claim *claim = claim_take(claims, tenant_id, user_id, &user->key_id);
            if (user->state == PW_USER_ERASED) {
                owe(node, claim);
            }
        }
    }
}

void keys_start(struct node *node, struct pw_engine_observer *ret_observer)
{
    node->keys = calloc(1, sizeof *node->keys);
    if (node->keys == NULL) {
        abort();
    }
    node->keys->store = keys_store_open(node->world->keys);
    *ret_observer = (struct pw_engine_observer){
        .self = node,
        .event = told_event,
        .restored = told_state,
    };
    pw_event_set_add(&ret_observer->event_types, PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN);
    pw_event_set_add(&ret_observer->event_types, PW_EVENT_USER_REGISTERED);
    pw_event_set_add(&ret_observer->event_types, PW_EVENT_USER_KEY_DESTROYED);
}

void keys_end(struct node *node)
{
    pw_key_store_close(node->keys->store);
    free(node->keys);
    node->keys = NULL;
}

/* --- A node's part: its turn --- */

static bool look(struct node_keys *keys)
{
    struct pw_key_counts counts;
    keys->is_read = pw_key_store_read(keys->store, NULL, &counts, NULL) == PW_OK || keys->is_read;
    return keys->is_read;
}

/* Tombstones for all that is owed until then; what still lies in the log afterwards is owed on. */
static void pay(struct node *node, int64_t until_us)
{
    struct node_keys *keys = node->keys;
    struct pw_id ids[CLAIMS_MAX];
    size_t count = 0;
    size_t lingering = 0;
    for (uint32_t i = 0; i < keys->claims.count; i++) {
        if (keys->owes[i] && keys->due_us[i] <= until_us) {
            ids[count++] = keys->claims.list[i].key_id;
        }
    }
    keys->is_busy = true;
    bool paid =
        count > 0 && pw_key_store_destroy(keys->store, ids, count, &lingering, NULL) == PW_OK;
    keys->is_busy = false;
    for (uint32_t i = 0; paid && i < keys->claims.count; i++) {
        if (keys->owes[i] && keys->due_us[i] <= until_us) {
            keys->owes[i] = lingering > 0;
            keys->due_us[i] = sim_now(node->world) + AGAIN_US;
        }
    }
}

void keys_turn(struct node *node)
{
    struct node_keys *keys = node->keys;
    if (keys->next_us <= sim_now(node->world)) {
        keys->next_us =
            sim_now(node->world) + (int64_t)sim_draw(&node->world->random_keys, 400) * PW_US_PER_MS;
        if (keys->is_read || look(keys)) {
            pay(node, sim_now(node->world));
        }
    }
}

bool keys_are_settled(const struct node *node)
{
    const struct node_keys *keys = node->keys;
    bool owes = false;
    for (uint32_t i = 0; i < keys->claims.count; i++) {
        owes = owes || keys->owes[i];
    }
    return keys->is_read && !owes;
}

/* --- A node's part: before the queue --- */

bool keys_are_wanted(const struct pw_job *job)
{
    enum pw_command_type type = job->command.type;
    return type == PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY || type == PW_COMMAND_USER_REGISTER ||
           type == PW_COMMAND_USER_UPDATE_PROFILE;
}

/* What another node made is found by another look. */
static enum pw_code seal(struct node_keys *keys, const struct pw_id *tenant_id,
                         const struct pw_id *user_id, const struct pw_id *key_id,
                         struct pw_str *text, uint8_t *sealed)
{
    struct pw_str bound = {(const char *)user_id->bytes, sizeof user_id->bytes};
    enum pw_code code =
        pw_key_store_seal(keys->store, tenant_id, key_id, bound, *text, sealed, NULL);
    if (code == PW_ERR_NOT_FOUND && look(keys)) {
        code = pw_key_store_seal(keys->store, tenant_id, key_id, bound, *text, sealed, NULL);
    }
    assert(text->len + PW_PAYLOAD_EXTRA_BYTES <= SEALED_MAX);
    *text = code == PW_OK ? (struct pw_str){(char *)sealed, text->len + PW_PAYLOAD_EXTRA_BYTES}
                          : (struct pw_str){"", 0};
    return code;
}

static enum pw_code tag(struct node *node, const struct claim *equality, struct pw_str email,
                        struct pw_hash *ret_tag)
{
    struct node_keys *keys = node->keys;
    enum pw_code code = PW_ERR_NOT_FOUND;
    for (int looks = 0; code == PW_ERR_NOT_FOUND && looks < 2; looks++) {
        code = pw_key_store_tag(keys->store, &equality->tenant_id, &equality->key_id,
                                PW_STR("user.email"), email, ret_tag, NULL);
        if (code == PW_ERR_NOT_FOUND && looks == 0) {
            look(keys);
        }
    }
    return code == PW_ERR_NOT_FOUND ? PW_ERR_LEDGER_DOWN : code;
}

static enum pw_code prepare_person(struct node *node, struct pw_job *job,
                                   const struct claim *equality, struct sealed *sealed)
{
    struct node_keys *keys = node->keys;
    struct pw_user_register *command = &job->command.user_register;
    const struct pw_id *tenant_id = &job->boundary_id;
    enum pw_code code = tag(node, equality, command->email, &command->email_tag);
    command->equality_key_id = equality->key_id;
    code = code != PW_OK ? code
                         : pw_key_store_create(keys->store, tenant_id, PW_KEY_PERSONAL,
                                               &command->key_id, NULL);
    code = code != PW_OK ? code
                         : seal(keys, tenant_id, &command->user_id, &command->key_id,
                                &command->email, sealed->email);
    return code != PW_OK ? code
                         : seal(keys, tenant_id, &command->user_id, &command->key_id,
                                &command->name, sealed->name);
}

/* Of somebody who is not known here, or not any more, nothing is sealed: the decider will say so. */
static enum pw_code prepare_profile(struct node *node, struct pw_job *job,
                                    const struct claim *equality, struct sealed *sealed)
{
    static const struct pw_id none;
    struct node_keys *keys = node->keys;
    struct pw_user_update_profile *command = &job->command.user_update_profile;
    const struct claim *person = claim_of(&keys->claims, &job->boundary_id, &command->user_id);
    const struct pw_id *key_id = person == NULL ? &none : &person->key_id;
    enum pw_code code = tag(node, equality, command->email, &command->email_tag);
    command->equality_key_id = equality->key_id;
    if (code == PW_OK) {
        code = seal(keys, &job->boundary_id, &command->user_id, key_id, &command->email,
                    sealed->email);
        seal(keys, &job->boundary_id, &command->user_id, key_id, &command->name, sealed->name);
    }
    return code == PW_ERR_NOT_FOUND ? PW_OK : code;
}

enum pw_code keys_prepare(struct node *node, struct pw_job *job, struct sealed *sealed)
{
    static const struct pw_id nobody;
    struct node_keys *keys = node->keys;
    const struct claim *equality = claim_of(&keys->claims, &job->boundary_id, &nobody);
    enum pw_code code = PW_ERR_LEDGER_DOWN;
    if (!keys->is_read) {
        return code;
    }
    keys->is_busy = true;
    if (job->command.type == PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY) {
        code = pw_key_store_create(keys->store, &job->boundary_id, PW_KEY_EQUALITY,
                                   &job->command.tenant_choose_equality_key.key_id, NULL);
    } else if (equality != NULL) { /* Else this node has not read so far yet. */
        code = job->command.type == PW_COMMAND_USER_REGISTER
                   ? prepare_person(node, job, equality, sealed)
                   : prepare_profile(node, job, equality, sealed);
    }
    keys->is_busy = false;
    sim_effect(node->world, EFFECT_KEY_FAILED, code == PW_ERR_LEDGER_DOWN);
    return code;
}

/* --- What befalls the log of keys --- */

/* Nodes that are not in a call themselves destroy what they have to. */
static void others_pay(void *self)
{
    struct world *world = self;
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (node->engine != NULL && !node->keys->is_busy && node->keys->is_read) {
            pay(node, INT64_MAX);
        }
    }
}

void keys_rotate(struct world *world)
{
    struct keys *keys = world->keys;
    struct pw_rewrap_counts counts = {0};
    keys->current_master = 1 - keys->current_master;
    struct pw_key_store *store = keys_store_open(keys);
    pw_key_sim_before_write(keys->log, others_pay, world);
    bool done = pw_key_store_rewrap(store, NULL, &counts, NULL) == PW_OK;
    pw_key_store_close(store);
    sim_trace(world, "every key is wrapped anew%s", done ? "" : ", but for some");
    sim_effect(world, EFFECT_REWRAP, counts.rewrapped);
    sim_effect(world, EFFECT_KEY_RACED, counts.destroyed);
}

void keys_strike(struct world *world)
{
    struct keys *keys = world->keys;
    uint64_t *random = &world->random_keys;
    if (world->rates[FAULT_KEY_WRITE] > 0 &&
        sim_draw(random, 10000) < world->rates[FAULT_KEY_WRITE]) {
        pw_key_sim_fail(keys->log, (uint32_t)sim_draw(random, 3),
                        (enum pw_key_sim_fault)sim_draw(random, 3));
    }
    if (sim_chance(random, 3)) {
        pw_key_sim_land(keys->log);
    }
    if (sim_chance(random, 2)) {
        keys_clean(world);
    }
    if (!keys->is_down && world->rates[FAULT_KEY_DOWN] > 0 &&
        sim_draw(random, 10000) < world->rates[FAULT_KEY_DOWN]) {
        keys->is_down = true;
        keys->down_until_us = sim_now(world) + (int64_t)sim_draw(random, DOWN_US_MAX);
        sim_trace(world, "the log of keys is down");
    } else if (keys->is_down && keys->down_until_us <= sim_now(world)) {
        keys->is_down = false;
    }
    pw_key_sim_set_down(keys->log, keys->is_down);
    if (world->rates[FAULT_REWRAP] > 0 && sim_draw(random, 10000) < world->rates[FAULT_REWRAP]) {
        keys_rotate(world);
    }
}

void keys_clean(struct world *world)
{
    uint64_t *random = &world->random_keys;
    size_t open_count = 1 + sim_draw(random, 4);
    pw_key_sim_compact(world->keys->log, open_count, sim_draw(random, 4) == 0);
}

void keys_land(struct world *world)
{
    world->keys->is_down = false;
    pw_key_sim_set_down(world->keys->log, false);
    pw_key_sim_land(world->keys->log);
}
