/* api/vault_look.c: the reader, which keeps the ring as the log is. */
#include "api/log.h"
#include "api/vault_parts.h"

#define LOOK_EVERY_MS 250
#define TELL_EVERY_MS 5000 /* Of progress. */

/* One look. */
struct look {
    struct pw_vault *vault;
    int64_t told_ms;
    bool is_first;
};

static enum pw_code take(void *self, const struct pw_key_entry *entry, struct pw_err *err)
{
    struct look *look = self;
    struct pw_id key_id;
    bool owes = false;
    enum pw_code code = pw_key_ring_take(look->vault->ring, entry, &owes, err);
    if (owes && pw_id_parse(entry->log_key, &key_id)) {
        vault_owe(look->vault, &key_id);
    }
    if (look->is_first && vault_now_ms() - look->told_ms >= TELL_EVERY_MS) {
        look->told_ms = vault_now_ms();
        pw_log(PW_LOG_INFO, "keys", PW_LOG_NO_PARTITION, NULL, "read %llu of %llu records",
               (unsigned long long)entry->number, (unsigned long long)entry->count);
    }
    return code;
}

static enum pw_code read_on(struct pw_vault *vault, bool is_first, struct pw_err *err)
{
    struct look look = {.vault = vault, .told_ms = vault_now_ms(), .is_first = is_first};
    struct pw_key_sink sink = {.self = &look, .entry = take};
    enum pw_code code = vault_handle_open(vault, &vault->reader, true, err);
    return code != PW_OK ? code : vault->reader.log.follow(vault->reader.log.self, &sink, err);
}

/* A failure is told once, until it is another one or over. */
static void tell_result(enum pw_code before, const struct pw_err *result, bool is_first,
                        struct pw_key_ring *ring)
{
    struct pw_key_ring_counts counts;
    if (result->code != PW_OK && result->code != before) {
        pw_log(PW_LOG_ERROR, "keys", PW_LOG_NO_PARTITION, NULL, "%s", result->detail);
    } else if (result->code == PW_OK && is_first) {
        pw_key_ring_count(ring, &counts);
        pw_log(PW_LOG_INFO, "keys", PW_LOG_NO_PARTITION, NULL,
               "all keys are read: %llu, and %llu that do not open, and %llu destroyed",
               (unsigned long long)counts.keys, (unsigned long long)counts.unopened,
               (unsigned long long)counts.destroyed);
    } else if (result->code == PW_OK && before != PW_OK) {
        pw_log(PW_LOG_INFO, "keys", PW_LOG_NO_PARTITION, NULL, "the keys are read on");
    }
}

static void look(struct pw_vault *vault)
{
    struct pw_err result = {0};
    pthread_mutex_lock(&vault->lock);
    enum pw_code before = vault->look_result.code;
    bool is_first = !vault->has_read;
    uint64_t number = ++vault->looks_begun;
    pthread_mutex_unlock(&vault->lock);
    result.code = read_on(vault, is_first, &result);
    pthread_mutex_lock(&vault->lock);
    bool was_interrupted = vault->stopping;
    vault->look_result = result;
    vault->has_read = vault->has_read || result.code == PW_OK;
    vault->looks_ended = number;
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->lock);
    if (!was_interrupted) {
        tell_result(before, &result, is_first, vault->ring);
    }
    vault_tell(vault, PW_VAULT_LOOKED);
}

/* Until the next look is due, or asked for; false at the end. */
static bool pause_until_next(struct pw_vault *vault)
{
    int64_t until_ms = vault_now_ms() + LOOK_EVERY_MS;
    pthread_mutex_lock(&vault->lock);
    while (!vault->stopping && vault->looks_wanted <= vault->looks_begun &&
           vault_now_ms() < until_ms) {
        vault_wait(vault, until_ms);
    }
    bool goes_on = !vault->stopping;
    pthread_mutex_unlock(&vault->lock);
    return goes_on;
}

void *vault_reader(void *self)
{
    struct pw_vault *vault = self;
    do {
        look(vault);
    } while (pause_until_next(vault));
    vault_handle_close(vault, &vault->reader);
    return NULL;
}

enum pw_code vault_look(struct pw_vault *vault, struct pw_err *err)
{
    struct pw_err result = {0};
    int64_t until_ms = vault_now_ms() + PW_VAULT_LOOK_MS;
    pthread_mutex_lock(&vault->lock);
    uint64_t number = vault->looks_begun + 1; /* One that is under way may have passed it by. */
    vault->looks_wanted = number;
    pthread_cond_broadcast(&vault->changed);
    while (vault->has_read && !vault->stopping && vault->looks_ended < number &&
           vault_now_ms() < until_ms) {
        vault_wait(vault, until_ms);
    }
    if (!vault->has_read) {
        pw_fail(&result, PW_ERR_LEDGER_DOWN, "the keys are still being read");
    } else if (vault->looks_ended < number) {
        pw_fail(&result, PW_ERR_LEDGER_DOWN, "the log of keys does not answer");
    } else if (vault->look_result.code != PW_OK) {
        pw_fail(&result, PW_ERR_LEDGER_DOWN, "%s", vault->look_result.detail);
    }
    pthread_mutex_unlock(&vault->lock);
    return result.code == PW_OK ? PW_OK : pw_fail(err, result.code, "%s", result.detail);
}

enum pw_code pw_vault_ready(struct pw_vault *vault, struct pw_err *err)
{
    pthread_mutex_lock(&vault->lock);
    struct pw_err result = vault->look_result;
    bool is_away = result.code == PW_ERR_LEDGER_DOWN;
    bool is_ready = vault->has_read && (result.code == PW_OK || is_away);
    if (!is_ready && result.code == PW_OK) {
        pw_fail(&result, PW_ERR_LEDGER_DOWN, "still reads the keys");
    }
    pthread_mutex_unlock(&vault->lock);
    return is_ready ? PW_OK : pw_fail(err, result.code, "%s", result.detail);
}
