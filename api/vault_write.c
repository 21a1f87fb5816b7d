/* api/vault_write.c: the writer, which writes what callers ask for, as much of it at once as one write takes. Callers have turns: who wants
 * ten thousand keys does not hold up who wants one. */
#include "api/vault_parts.h"

#include <stdlib.h>

#include "commands/memory.h"

/* What goes into one write, and whose it is. */
struct batch {
    struct pw_key_put puts[PW_KEY_PUTS_MAX];
    size_t count;
};

/* Puts a list behind another one. */
static void writes_push(struct vault_write **list, struct vault_write *writes)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = writes;
}

/* Under the lock. Each caller that waits puts in what still has room. */
static void gather(struct pw_vault *vault, struct batch *batch)
{
    batch->count = 0;
    for (struct vault_write *write = vault->writes; write != NULL; write = write->next) {
        size_t left = write->count - write->written;
        size_t room = PW_KEY_PUTS_MAX - batch->count;
        size_t count = left < room ? left : room;
        memcpy(batch->puts + batch->count, write->puts + write->written,
               count * sizeof *batch->puts);
        batch->count += count;
    }
}

static void end(struct vault_write *write, const struct pw_err *result)
{
    write->result = *result;
    write->has_ended = true;
}

/* Under the lock. Who got a share of the write and wants more goes behind all others. A failure is that of everybody who waits: they
 * would only wait as long for the same. */
static void settle(struct pw_vault *vault, const struct batch *batch, const struct pw_err *result)
{
    struct vault_write *served = NULL;
    struct vault_write *others = NULL;
    struct vault_write *write = vault->writes;
    size_t left = batch->count;
    while (write != NULL) {
        struct vault_write *next = write->next;
        size_t wanted = write->count - write->written;
        size_t share = wanted < left ? wanted : left;
        write->next = NULL;
        write->written += share;
        left -= share;
        if (result->code != PW_OK || write->written == write->count) {
            end(write, result);
        } else {
            writes_push(share > 0 ? &served : &others, write);
        }
        write = next;
    }
    writes_push(&others, served);
    vault->writes = others;
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
        writes_push(&vault->writes, write);
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

static enum pw_code create(struct pw_vault *vault, const struct pw_id *tenant_id,
                           enum pw_key_purpose purpose, struct pw_key_put *puts, size_t count,
                           struct pw_err *err)
{
    struct vault_write write = {.puts = puts, .count = count};
    int64_t begun_us = vault_now_us();
    for (size_t i = 0; i < count; i++) {
        pw_key_ring_make(vault->ring, tenant_id, purpose, &puts[i]);
    }
    await(vault, &write);
    atomic_fetch_add(&vault->creates, 1);
    atomic_fetch_add(&vault->create_us, (uint64_t)(vault_now_us() - begun_us));
    if (write.result.code != PW_OK) {
        atomic_fetch_add(&vault->failures, 1);
        return pw_fail(err, write.result.code, "%s", write.result.detail);
    }
    atomic_fetch_add(&vault->created, count);
    return PW_OK;
}

enum pw_code pw_vault_create(struct pw_vault *vault, const struct pw_id *tenant_id,
                             enum pw_key_purpose purpose, struct pw_id *ret_key_id,
                             struct pw_err *err)
{
    struct pw_key_put put;
    enum pw_code code = create(vault, tenant_id, purpose, &put, 1, err);
    if (code == PW_OK) {
        *ret_key_id = put.key_id;
    }
    return code;
}

enum pw_code pw_vault_create_many(struct pw_vault *vault, const struct pw_id *tenant_id,
                                  enum pw_key_purpose purpose, size_t count,
                                  struct pw_id *ret_key_ids, struct pw_err *err)
{
    assert(count <= PW_VAULT_CREATE_MAX);
    if (count == 0) {
        return PW_OK;
    }
    struct pw_key_put *puts = pw_memory_new(count, sizeof *puts);
    enum pw_code code = create(vault, tenant_id, purpose, puts, count, err);
    for (size_t i = 0; code == PW_OK && i < count; i++) {
        ret_key_ids[i] = puts[i].key_id;
    }
    free(puts);
    return code;
}
