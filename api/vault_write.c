/* api/vault_write.c: the writer, which writes the keys that callers ask for, all that wait in one write. */
#include "api/vault_parts.h"

#include <stdlib.h>

#include "commands/memory.h"

/* What goes into one write: of those that wait, the first so many. */
struct batch {
    struct pw_key_put puts[PW_KEY_PUTS_MAX];
    size_t count;
};

/* Under the lock. */
static void gather(struct pw_vault *vault, struct batch *batch)
{
    batch->count = 0;
    for (struct vault_write *write = vault->writes; write != NULL && batch->count < PW_KEY_PUTS_MAX;
         write = write->next) {
        batch->puts[batch->count++] = write->put;
    }
}

/* Under the lock. A failure is that of everybody who waits: they would only wait as long for the same. */
static void settle(struct pw_vault *vault, const struct batch *batch, const struct pw_err *result)
{
    for (size_t i = 0; vault->writes != NULL && (i < batch->count || result->code != PW_OK); i++) {
        struct vault_write *write = vault->writes;
        vault->writes = write->next;
        write->result = *result;
        write->has_ended = true;
    }
    pthread_cond_broadcast(&vault->changed);
}

static void write_batch(struct pw_vault *vault, const struct batch *batch,
                        struct pw_err *ret_result)
{
    struct pw_key_log *log = &vault->writer.log;
    enum pw_code code = vault_handle_open(vault, &vault->writer, false, ret_result);
    code = code != PW_OK ? code : log->put_many(log->self, batch->puts, batch->count, ret_result);
    ret_result->code = code;
    for (size_t i = 0; code == PW_OK && i < batch->count; i++) {
        pw_key_ring_add(vault->ring, &batch->puts[i]);
    }
}

void *vault_writer(void *self)
{
    struct pw_vault *vault = self;
    struct batch *batch = pw_memory_new(1, sizeof *batch);
    pthread_mutex_lock(&vault->lock);
    while (!vault->stopping) {
        if (vault->writes == NULL) {
            vault_wait(vault, INT64_MAX);
            continue;
        }
        struct pw_err result = {0};
        gather(vault, batch);
        pthread_mutex_unlock(&vault->lock);
        write_batch(vault, batch, &result);
        pthread_mutex_lock(&vault->lock);
        if (!vault
                 ->stopping) { /* Else they wait no more, and what they have on their stacks is gone. */
            settle(vault, batch, &result);
        }
        pthread_mutex_unlock(&vault->lock);
        vault_tell(vault, PW_VAULT_WRITTEN);
        pthread_mutex_lock(&vault->lock);
    }
    pthread_mutex_unlock(&vault->lock);
    vault_handle_close(vault, &vault->writer);
    free(batch);
    return NULL;
}

/* Waits until the writer has ended it, or there is no writer any more. */
static void await(struct pw_vault *vault, struct vault_write *write)
{
    pthread_mutex_lock(&vault->lock);
    if (!vault->stopping) {
        struct vault_write **last = &vault->writes;
        while (*last != NULL) {
            last = &(*last)->next;
        }
        *last = write;
        pthread_cond_broadcast(&vault->changed);
    }
    while (!write->has_ended && !vault->stopping) {
        vault_wait(vault, INT64_MAX);
    }
    if (!write->has_ended) {
        pw_fail(&write->result, PW_ERR_LEDGER_DOWN, "this node stops");
    }
    pthread_mutex_unlock(&vault->lock);
}

enum pw_code pw_vault_create(struct pw_vault *vault, const struct pw_id *tenant_id,
                             enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                             struct pw_err *err)
{
    struct vault_write write = {.next = NULL};
    int64_t begun_us = vault_now_us();
    pw_key_ring_make(vault->ring, tenant_id, purpose, &write.put);
    await(vault, &write);
    atomic_fetch_add(&vault->creates, 1);
    atomic_fetch_add(&vault->create_us, (uint64_t)(vault_now_us() - begun_us));
    if (write.result.code != PW_OK) {
        atomic_fetch_add(&vault->failures, 1);
        return pw_fail(err, write.result.code, "%s", write.result.detail);
    }
    atomic_fetch_add(&vault->created, 1);
    *ret_key_id = write.put.key_id;
    return PW_OK;
}
