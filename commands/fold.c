/* commands/fold.c: the chain decides what counts, evolve what it means. */
#include "commands/fold.h"

void pw_fold_init(struct pw_fold *fold, uint32_t partition)
{
    pw_chain_init(&fold->chain, partition);
    fold->state = pw_state_new();
}

void pw_fold_close(struct pw_fold *fold)
{
    pw_state_free(fold->state);
    pw_chain_close(&fold->chain);
}

static enum pw_code take_event(struct pw_fold *fold, const struct pw_record *record, uint32_t index,
                               const struct pw_fold_observer *observer, struct pw_err *err)
{
    const struct pw_raw_event *raw = &record->events[index];
    const struct pw_id *boundary_id = &record->commit.boundary_id;
    struct pw_event event;
    enum pw_code code = pw_raw_event_read(raw, &event, err);
    if (code != PW_OK) {
        return code;
    }
    code = pw_state_evolve(fold->state, boundary_id, &event, NULL, err);
    if (code == PW_OK && observer != NULL && observer->event != NULL) {
        const struct pw_tenant *after = pw_state_tenant(fold->state, boundary_id);
        observer->event(observer->self, record, index, &event, after);
    }
    return code;
}

enum pw_verdict pw_fold_take(struct pw_fold *fold, int64_t offset, const void *value,
                             size_t value_bytes, const struct pw_fold_observer *observer,
                             struct pw_record *ret_record)
{
    enum pw_verdict verdict = pw_chain_take(&fold->chain, offset, value, value_bytes, ret_record);
    if (verdict != PW_CHAIN_ACCEPTED || ret_record->kind != PW_RECORD_COMMIT) {
        return verdict;
    }
    for (uint32_t i = 0; i < ret_record->event_count; i++) {
        struct pw_err err = {0};
        enum pw_code code = take_event(fold, ret_record, i, observer, &err);
        if (code != PW_OK) {
            pw_fail(&fold->chain.stopped, code, "%s, at partition %u, offset %lld", err.detail,
                    fold->chain.partition, (long long)offset);
            return PW_CHAIN_STOPPED;
        }
    }
    return verdict;
}
