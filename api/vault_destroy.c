/* api/vault_destroy.c: the destroyer, which writes tombstones for what is gone until a read from the start finds nothing of it:
 * docs/keys.md, section 5. */
#include "api/log.h"
#include "api/vault_parts.h"

#include <stdlib.h>

#include "commands/memory.h"
#include "eventstore/key_store.h"

#define ROUND_MAX 4096
#define AGAIN_US                                                                                   \
    (3660 * PW_US_PER_SECOND) /* A segment is closed by the first write after its hour. */
#define FAILED_US     (1 * PW_US_PER_SECOND)  /* Doubled each time, */
#define FAILED_US_MAX (60 * PW_US_PER_SECOND) /* up to this. */

struct round {
    struct pw_id key_ids[ROUND_MAX];
    bool lingers[ROUND_MAX];
    size_t count;
    int64_t failed_us; /* The pause after the next failure. */
};

static int64_t boot_us(const struct pw_vault *vault)
{
    return vault->options.clock.boot_us(vault->options.clock.self);
}

/* Under the lock. */
static void debts_add(struct pw_vault *vault, const struct pw_id *key_id, int64_t due_us)
{
    if (vault->debt_count == vault->debt_room) {
        vault->debt_room = vault->debt_room == 0 ? 64 : 2 * vault->debt_room;
        vault->debts = pw_memory_grow(vault->debts, vault->debt_room * sizeof *vault->debts);
    }
    vault->debts[vault->debt_count++] = (struct vault_debt){.key_id = *key_id, .due_us = due_us};
}

void vault_owe(struct pw_vault *vault, const struct pw_id *key_id)
{
    pthread_mutex_lock(&vault->lock);
    debts_add(vault, key_id, boot_us(vault));
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->lock);
}

void pw_vault_forget(struct pw_vault *vault, const struct pw_id *key_id)
{
    if (pw_key_ring_forget(vault->ring, key_id)) {
        vault_owe(vault, key_id);
    }
}

/* Under the lock. Takes out what is due; gives how long nothing else will be. */
static int64_t take_due(struct pw_vault *vault, struct round *round)
{
    int64_t now_us = boot_us(vault);
    int64_t next_us = INT64_MAX;
    size_t kept = 0;
    round->count = 0;
    for (size_t i = 0; i < vault->debt_count; i++) {
        struct vault_debt debt = vault->debts[i];
        if (debt.due_us <= now_us && round->count < ROUND_MAX) {
            round->key_ids[round->count++] = debt.key_id;
            continue;
        }
        next_us = debt.due_us < next_us ? debt.due_us : next_us;
        vault->debts[kept++] = debt;
    }
    vault->debt_count = kept;
    vault->round_count = round->count;
    return next_us == INT64_MAX ? INT64_MAX : next_us - now_us;
}

static enum pw_code write_round(struct pw_vault *vault, struct round *round)
{
    struct pw_err err = {0};
    enum pw_code code = vault_handle_open(vault, &vault->destroyer, false, &err);
    code = code != PW_OK ? code
                         : pw_key_log_destroy(&vault->destroyer.log, round->key_ids, round->count,
                                              round->lingers, &err);
    vault_handle_close(vault, &vault->destroyer); /* The next round is an hour away, as a rule. */
    if (code != PW_OK) {
        pw_log(PW_LOG_WARNING, "keys", PW_LOG_NO_PARTITION, NULL,
               "%zu keys are not destroyed in the log yet: %s", round->count, err.detail);
    }
    return code;
}

/* Under the lock. What was found again while the round went on has a debt of its own. */
static void settle(struct pw_vault *vault, struct round *round, enum pw_code code)
{
    int64_t now_us = boot_us(vault);
    size_t lingering = 0;
    for (size_t i = 0; i < round->count; i++) {
        if (code != PW_OK) {
            debts_add(vault, &round->key_ids[i], now_us + round->failed_us);
        } else if (round->lingers[i]) {
            debts_add(vault, &round->key_ids[i], now_us + AGAIN_US);
            lingering++;
        } else {
            pw_key_ring_clear(vault->ring, &round->key_ids[i]);
        }
    }
    vault->round_count = 0;
    int64_t doubled_us = 2 * round->failed_us;
    round->failed_us = code == PW_OK                ? FAILED_US
                       : doubled_us < FAILED_US_MAX ? doubled_us
                                                    : FAILED_US_MAX;
    if (code == PW_OK) {
        pw_log(PW_LOG_INFO, "keys", PW_LOG_NO_PARTITION, NULL,
               "%zu destroyed keys are gone from the log, %zu wait until it is compacted",
               round->count - lingering, lingering);
    }
}

/* Under the lock. Until something is due, by a clock that a test may hold: whoever turns that one kicks. */
static void pause_until_due(struct pw_vault *vault, int64_t wait_us)
{
    uint64_t kicks = vault->kicks;
    size_t count = vault->debt_count;
    int64_t until_ms = wait_us == INT64_MAX ? INT64_MAX : vault_now_ms() + wait_us / 1000 + 1;
    while (!vault->stopping && vault->kicks == kicks && vault->debt_count == count &&
           vault_now_ms() < until_ms) {
        vault_wait(vault, until_ms);
    }
}

void *vault_destroyer(void *self)
{
    struct pw_vault *vault = self;
    struct round *round = pw_memory_new(1, sizeof *round);
    round->failed_us = FAILED_US;
    pthread_mutex_lock(&vault->lock);
    while (!vault->stopping) {
        int64_t wait_us = take_due(vault, round);
        if (round->count == 0) {
            pause_until_due(vault, wait_us);
            continue;
        }
        pthread_mutex_unlock(&vault->lock);
        enum pw_code code = write_round(vault, round);
        pthread_mutex_lock(&vault->lock);
        settle(vault, round, code);
        pthread_mutex_unlock(&vault->lock);
        vault_tell(vault, PW_VAULT_DESTROYED);
        pthread_mutex_lock(&vault->lock);
    }
    pthread_mutex_unlock(&vault->lock);
    free(round);
    return NULL;
}
