/* api/vault.c: opening, using, and what the threads of the vault have in common. */
#include <stdlib.h>
#include <time.h>

#include "api/vault_parts.h"
#include "commands/memory.h"
#include "schemas/condition.h"

#define OPENED_MAX 32768 /* Keys: 1 MiB of locked memory. */

int64_t vault_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t vault_now_ms(void)
{
    return vault_now_us() / PW_US_PER_MS;
}

void vault_wait(struct pw_vault *vault, int64_t until_ms)
{
    struct timespec until = {
        .tv_sec = until_ms / 1000,
        .tv_nsec = until_ms % 1000 * 1000000,
    };
    if (until_ms == INT64_MAX) {
        pthread_cond_wait(&vault->changed, &vault->lock);
    } else {
        pthread_cond_timedwait(&vault->changed, &vault->lock, &until);
    }
}

void vault_tell(struct pw_vault *vault, enum pw_vault_moment moment)
{
    if (vault->options.moment != NULL) {
        vault->options.moment(vault->options.self, moment);
    }
}

/* --- Handles --- */

/* A stop meets either a handle that is open, or one that is interrupted as soon as it is. */
static void handle_set(struct pw_vault *vault, struct vault_handle *handle, bool is_open)
{
    pthread_mutex_lock(&vault->lock);
    handle->is_open = is_open;
    if (is_open && vault->stopping) {
        handle->log.interrupt(handle->log.self);
    }
    pthread_mutex_unlock(&vault->lock);
}

enum pw_code vault_handle_open(struct pw_vault *vault, struct vault_handle *handle, bool reads_only,
                               struct pw_err *err)
{
    struct pw_key_log *log = &handle->log;
    if (handle->is_open) {
        return PW_OK;
    }
    enum pw_code code = vault->options.open_log(vault->options.self, reads_only, log, err);
    if (code != PW_OK) {
        return code;
    }
    handle_set(vault, handle, true);
    code = log->check(log->self, err);
    if (code != PW_OK) {
        vault_handle_close(vault, handle);
    }
    return code;
}

void vault_handle_close(struct pw_vault *vault, struct vault_handle *handle)
{
    if (handle->is_open) {
        handle_set(vault, handle, false);
        handle->log.close(handle->log.self);
    }
}

/* --- Open, stop, close --- */

/* A log that is out of reach is waited for by the reader. */
static enum pw_code first_look(struct pw_vault *vault, struct pw_err *err)
{
    struct pw_err why = {0};
    enum pw_code code = vault_handle_open(vault, &vault->reader, true, &why);
    return code == PW_OK || code == PW_ERR_LEDGER_DOWN ? PW_OK
                                                       : pw_fail(err, code, "%s", why.detail);
}

static enum pw_code start_threads(struct pw_vault *vault, struct pw_err *err)
{
    static void *(*const runs[])(void *) = {vault_reader, vault_writer, vault_destroyer};
    static_assert(PW_COUNT(runs) == PW_COUNT(vault->threads), "a place for each");
    for (size_t i = 0; i < PW_COUNT(runs); i++) {
        if (pthread_create(&vault->threads[i], NULL, runs[i], vault) != 0) {
            return pw_fail(err, PW_ERR_INTERNAL, "no more threads");
        }
        vault->thread_count++;
    }
    return PW_OK;
}

enum pw_code pw_vault_open(const struct pw_vault_options *options, struct pw_vault **ret_vault,
                           struct pw_err *err)
{
    struct pw_vault *vault = pw_memory_new(1, sizeof *vault);
    vault->options = *options;
    pthread_mutex_init(&vault->lock, NULL);
    pw_condition_init(&vault->changed);
    enum pw_code code = pw_key_ring_new(options->masters, OPENED_MAX, &vault->ring, err);
    code = code != PW_OK ? code : first_look(vault, err);
    code = code != PW_OK ? code : start_threads(vault, err);
    if (code != PW_OK) {
        pw_vault_close(vault);
        return code;
    }
    *ret_vault = vault;
    return PW_OK;
}

void pw_vault_stop(struct pw_vault *vault)
{
    struct vault_handle *handles[] = {&vault->reader, &vault->writer, &vault->destroyer};
    pthread_mutex_lock(&vault->lock);
    vault->stopping = true;
    for (size_t i = 0; i < PW_COUNT(handles); i++) {
        if (handles[i]->is_open) {
            handles[i]->log.interrupt(handles[i]->log.self);
        }
    }
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->lock);
    while (vault->thread_count > 0) {
        pthread_join(vault->threads[--vault->thread_count], NULL);
    }
}

void pw_vault_close(struct pw_vault *vault)
{
    if (vault == NULL) {
        return;
    }
    pw_vault_stop(vault);
    vault_handle_close(vault, &vault->reader); /* Where its thread was never made. */
    pw_key_ring_free(vault->ring);
    pthread_cond_destroy(&vault->changed);
    pthread_mutex_destroy(&vault->lock);
    free(vault->debts);
    free(vault);
}

void pw_vault_kick(struct pw_vault *vault)
{
    pthread_mutex_lock(&vault->lock);
    vault->kicks++;
    vault->looks_wanted = vault->looks_begun + 1;
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->lock);
}

/* --- Using --- */

/* Whether to try once more: the key is not known here, and the log has been looked at since. Else *code says what to answer. */
static bool looked_again(struct pw_vault *vault, const struct pw_id *key_id, enum pw_code *code,
                         struct pw_err *err)
{
    if (*code != PW_ERR_NOT_FOUND || pw_key_ring_knows(vault->ring, key_id)) {
        return false;
    }
    enum pw_code looked = vault_look(vault, err);
    *code = looked != PW_OK ? looked : *code;
    return looked == PW_OK;
}

static enum pw_code counted(struct pw_vault *vault, atomic_uint_least64_t *count, enum pw_code code)
{
    atomic_fetch_add_explicit(code == PW_OK ? count : &vault->failures, 1, memory_order_relaxed);
    return code;
}

enum pw_code pw_vault_seal(struct pw_vault *vault, const struct pw_id *tenant_id,
                           const struct pw_id *key_id, struct pw_str associated,
                           struct pw_str plain, uint8_t *ret_sealed, struct pw_err *err)
{
    struct pw_key_ring *ring = vault->ring;
    enum pw_code code =
        pw_key_ring_seal(ring, tenant_id, key_id, associated, plain, ret_sealed, err);
    if (looked_again(vault, key_id, &code, err)) {
        code = pw_key_ring_seal(ring, tenant_id, key_id, associated, plain, ret_sealed, err);
    }
    return counted(vault, &vault->seals, code);
}

enum pw_code pw_vault_unseal(struct pw_vault *vault, const struct pw_id *tenant_id,
                             const struct pw_id *key_id, struct pw_str associated,
                             struct pw_str sealed, uint8_t *ret_plain, size_t *ret_plain_bytes,
                             struct pw_err *err)
{
    struct pw_key_ring *ring = vault->ring;
    enum pw_code code = pw_key_ring_unseal(ring, tenant_id, key_id, associated, sealed, ret_plain,
                                           ret_plain_bytes, err);
    if (looked_again(vault, key_id, &code, err)) {
        code = pw_key_ring_unseal(ring, tenant_id, key_id, associated, sealed, ret_plain,
                                  ret_plain_bytes, err);
    }
    return counted(vault, &vault->unseals, code);
}

enum pw_code pw_vault_tag(struct pw_vault *vault, const struct pw_id *tenant_id,
                          const struct pw_id *key_id, struct pw_str context, struct pw_str value,
                          struct pw_hash *ret_tag, struct pw_err *err)
{
    struct pw_key_ring *ring = vault->ring;
    enum pw_code code = pw_key_ring_tag(ring, tenant_id, key_id, context, value, ret_tag, err);
    if (looked_again(vault, key_id, &code, err)) {
        code = pw_key_ring_tag(ring, tenant_id, key_id, context, value, ret_tag, err);
    }
    return counted(vault, &vault->seals, code);
}

void pw_vault_count(struct pw_vault *vault, struct pw_vault_counts *ret_counts)
{
    struct pw_key_ring_counts keys;
    pw_key_ring_count(vault->ring, &keys);
    pthread_mutex_lock(&vault->lock);
    size_t lingering = vault->debt_count + vault->round_count;
    uint64_t waiting = 0;
    for (const struct vault_write *write = vault->writes; write != NULL; write = write->next) {
        waiting++;
    }
    pthread_mutex_unlock(&vault->lock);
    *ret_counts = (struct pw_vault_counts){
        .keys = keys.keys,
        .unopened = keys.unopened,
        .destroyed = keys.destroyed,
        .lingering = lingering,
        .created = atomic_load(&vault->created),
        .seals = atomic_load(&vault->seals),
        .unseals = atomic_load(&vault->unseals),
        .failures = atomic_load(&vault->failures),
        .waiting = waiting,
        .creates = atomic_load(&vault->creates),
        .create_us = atomic_load(&vault->create_us),
    };
}
