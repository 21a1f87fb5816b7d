/* commands/fold.c: the chain decides what counts, evolve what it means. */
#include "commands/fold.h"

void pw_fold_init(struct pw_fold *fold, uint32_t partition)
{
    pw_chain_init(&fold->chain, partition);
    fold->state = pw_state_new();
    fold->only = (struct pw_id){{0}};
}

void pw_fold_close(struct pw_fold *fold)
{
    pw_state_free(fold->state);
    pw_chain_close(&fold->chain);
}

static bool is_folded(const struct pw_fold *fold, const struct pw_record *record)
{
    return record->kind == PW_RECORD_COMMIT &&
           (pw_id_is_nil(&fold->only) || pw_id_equal(&fold->only, &record->commit.boundary_id));
}

static enum pw_code apply(struct pw_fold *fold, const struct pw_record *record, uint32_t index,
                          const struct pw_event *event, const struct pw_fold_observer *observer,
                          struct pw_err *err)
{
    const struct pw_id *boundary_id = &record->commit.boundary_id;
    enum pw_code code = pw_state_evolve(fold->state, boundary_id, event, NULL, err);
    if (code == PW_OK && observer != NULL && observer->event != NULL) {
        const struct pw_tenant *after = pw_state_tenant(fold->state, boundary_id);
        observer->event(observer->self, record, index, event, after);
    }
    return code;
}

enum pw_verdict pw_fold_take(struct pw_fold *fold, int64_t offset, const void *value,
                             size_t value_bytes, const struct pw_fold_observer *observer,
                             struct pw_record *ret_record)
{
    return pw_fold_take_hashed(fold, offset, value, value_bytes, NULL, observer, ret_record);
}

enum pw_verdict pw_fold_take_hashed(struct pw_fold *fold, int64_t offset, const void *value,
                                    size_t value_bytes, const struct pw_hash *hash,
                                    const struct pw_fold_observer *observer,
                                    struct pw_record *ret_record)
{
    struct pw_err err = {0};
    struct pw_event event;
    enum pw_code code = PW_OK;
    enum pw_verdict verdict = pw_chain_read(&fold->chain, offset, value, value_bytes, ret_record);
    if (verdict != PW_CHAIN_ACCEPTED) {
        return verdict;
    }
    uint32_t count = is_folded(fold, ret_record) ? ret_record->event_count : 0;
    if (count > 0) { /* What the first event changes comes nearer while the hash is computed. */
        code = pw_raw_event_read(&ret_record->events[0], &event, &err);
    }
    if (count > 0 && code == PW_OK) {
        pw_state_prefetch(fold->state, &ret_record->commit.boundary_id, &event);
    }
    struct pw_hash computed = hash != NULL ? *hash : pw_record_hash(value, value_bytes);
    pw_chain_stand(&fold->chain, offset, &computed, ret_record);
    if (observer != NULL && observer->accepted != NULL) {
        observer->accepted(observer->self, &fold->chain, ret_record);
    }
    for (uint32_t i = 0; code == PW_OK && i < count; i++) {
        if (i > 0) {
            code = pw_raw_event_read(&ret_record->events[i], &event, &err);
        }
        code = code != PW_OK ? code : apply(fold, ret_record, i, &event, observer, &err);
    }
    if (code != PW_OK) {
        pw_fail(&fold->chain.stopped, code, "%s, at partition %u, offset %lld", err.detail,
                fold->chain.partition, (long long)offset);
        return PW_CHAIN_STOPPED;
    }
    return verdict;
}
