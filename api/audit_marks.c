/* api/audit_marks.c: places of the ledger that scans have passed. */
#include "api/audit_marks.h"

#include <pthread.h>
#include <stdlib.h>

#include "commands/map.h"
#include "commands/memory.h"

#define FIRST_SPACING 64 /* Heights from one mark to the next, until there are too many. */

static const struct pw_audit_mark none = {.offset = -1};

struct partition {
    struct pw_audit_mark *marks; /* In the order of the log; NULL: none yet. */
    uint32_t count;
    uint64_t spacing;
    uint64_t noted; /* Records, from the genesis on. */
};

struct pw_audit_marks {
    pthread_mutex_t lock;
    struct partition *partitions;
    uint32_t partition_count;
    struct pw_map *tenants; /* id -> the last mark before its first record */
};

struct pw_audit_marks *pw_audit_marks_new(uint32_t partition_count)
{
    struct pw_audit_marks *marks = pw_memory_new(1, sizeof *marks);
    marks->partitions = pw_memory_new(partition_count, sizeof *marks->partitions);
    marks->partition_count = partition_count;
    marks->tenants = pw_map_new(sizeof(struct pw_id), sizeof(struct pw_audit_mark));
    pthread_mutex_init(&marks->lock, NULL);
    return marks;
}

void pw_audit_marks_free(struct pw_audit_marks *marks)
{
    if (marks != NULL) {
        for (uint32_t p = 0; p < marks->partition_count; p++) {
            free(marks->partitions[p].marks);
        }
        pw_map_free(marks->tenants);
        pthread_mutex_destroy(&marks->lock);
        free(marks->partitions);
        free(marks);
    }
}

/* --- What scans pass --- */

/* Every other one stays. */
static void thin_out(struct partition *partition)
{
    for (uint32_t i = 1; i < partition->count; i += 2) {
        partition->marks[i / 2] = partition->marks[i];
    }
    partition->count /= 2;
    partition->spacing *= 2;
}

static void add_mark(struct partition *partition, const struct pw_chain *chain)
{
    if (partition->marks == NULL) {
        partition->marks = pw_memory_new(PW_AUDIT_MARKS_MAX, sizeof *partition->marks);
    }
    if (partition->count == PW_AUDIT_MARKS_MAX) {
        thin_out(partition);
    }
    if (chain->height % partition->spacing == 0) {
        partition->marks[partition->count++] = (struct pw_audit_mark){
            .offset = chain->head_offset,
            .height = chain->height,
            .decided_at_us = chain->decided_at_us,
            .head = chain->head,
            .ledger_id = chain->ledger_id,
        };
    }
}

static void note_tenant(struct pw_audit_marks *marks, const struct partition *partition,
                        const struct pw_record *record)
{
    const struct pw_id *tenant_id = record->kind == PW_RECORD_COMMIT    ? &record->commit.tenant_id
                                    : record->kind == PW_RECORD_ANSWERS ? &record->answers_tenant_id
                                                                        : NULL;
    if (tenant_id != NULL && !pw_id_is_nil(tenant_id) &&
        pw_map_get(marks->tenants, tenant_id) == NULL) {
        struct pw_audit_mark *before = pw_map_put(marks->tenants, tenant_id, NULL);
        *before = partition->count > 0 ? partition->marks[partition->count - 1] : none;
    }
}

void pw_audit_marks_note(struct pw_audit_marks *marks, const struct pw_chain *chain,
                         const struct pw_record *record)
{
    struct partition *partition = &marks->partitions[chain->partition];
    pthread_mutex_lock(&marks->lock);
    if (record->height == partition->noted) { /* No other scan was here before. */
        partition->spacing = partition->spacing == 0 ? FIRST_SPACING : partition->spacing;
        partition->noted++;
        note_tenant(marks, partition, record);
        if (record->height > 0 && record->height % partition->spacing == 0) {
            add_mark(partition, chain);
        }
    }
    pthread_mutex_unlock(&marks->lock);
}

/* --- Where a scan begins --- */

static bool is_before(const struct pw_audit_mark *mark, const struct pw_audit_range *range)
{
    return mark->offset < range->from || mark->height < range->from_height ||
           mark->decided_at_us < range->since_us;
}

struct pw_audit_mark pw_audit_marks_before(struct pw_audit_marks *marks, uint32_t partition,
                                           const struct pw_audit_range *range)
{
    const struct partition *of = &marks->partitions[partition];
    struct pw_audit_mark found = none;
    pthread_mutex_lock(&marks->lock);
    for (uint32_t i = 0; i < of->count && is_before(&of->marks[i], range); i++) {
        found = of->marks[i];
    }
    const struct pw_audit_mark *first = pw_map_get(marks->tenants, &range->tenant_id);
    if (first != NULL && first->offset > found.offset) {
        found = *first;
    }
    pthread_mutex_unlock(&marks->lock);
    return found;
}
