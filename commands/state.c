/* commands/state.c: a partition's tenants, and the one way in which an event changes them. */
#include "commands/state.h"

#include "commands/memory.h"
#include "commands/tenant_state.h"

#include <stdlib.h>

/* A tenant's maps, and what they hold. */
static const struct map_row {
    size_t offset;
    uint32_t key_bytes;
    uint32_t value_bytes;
} maps[] = {
#define MAP_ROW(name, key, value)                                                                  \
    {                                                                                              \
        offsetof(struct pw_tenant, name), sizeof(key), sizeof(value)                               \
    }
    MAP_ROW(users, struct pw_id, struct pw_user),
    MAP_ROW(passwords, struct pw_id, struct pw_password),
    MAP_ROW(emails, struct pw_hash, struct pw_id),
    MAP_ROW(sessions, struct pw_id, struct pw_session),
    MAP_ROW(items, struct pw_id, struct pw_item),
    MAP_ROW(item_versions, struct pw_id, struct pw_item_version),
    MAP_ROW(exams, struct pw_id, struct pw_exam),
    MAP_ROW(slots, struct pw_id, struct pw_slot),
    {offsetof(struct pw_tenant, proctors), sizeof(struct pw_assignment), 0},
    MAP_ROW(reservations, struct pw_id, struct pw_reservation),
    MAP_ROW(students, struct pw_id, struct pw_student),
    MAP_ROW(expiring, struct pw_id, struct pw_place),
    MAP_ROW(waiting, struct pw_id, struct pw_place),
    MAP_ROW(moved, struct pw_id, struct pw_place),
    MAP_ROW(due, struct pw_id, struct pw_place),
    MAP_ROW(accommodations, struct pw_id, struct pw_accommodation),
    MAP_ROW(accommodated, struct pw_id, struct pw_accommodated),
    MAP_ROW(inboxes, struct pw_id, struct pw_inbox),
};

static struct pw_map **map_of(struct pw_tenant *tenant, size_t number)
{
    return (struct pw_map **)(void *)((char *)tenant + maps[number].offset);
}

struct pw_state *pw_state_new(void)
{
    struct pw_state *state = pw_memory_new(1, sizeof *state);
    state->by_id = pw_map_new(sizeof(struct pw_id), sizeof(struct pw_tenant *));
    state->due = pw_order_map_new();
    return state;
}

void pw_state_free(struct pw_state *state)
{
    if (state == NULL) {
        return;
    }
    for (uint32_t i = 0; i < state->made_count; i++) {
        struct pw_tenant *tenant = state->tenants[i];
        for (size_t map = 0; map < PW_COUNT(maps); map++) {
            pw_map_free(*map_of(tenant, map));
        }
        free(tenant);
    }
    free(state->tenants);
    pw_map_free(state->by_id);
    pw_map_free(state->due);
    free(state);
}

uint64_t pw_state_memory_bytes(const struct pw_state *state)
{
    uint64_t bytes =
        sizeof *state + pw_map_memory_bytes(state->by_id) + pw_map_memory_bytes(state->due);
    bytes += state->room * sizeof state->tenants[0];
    for (uint32_t i = 0; i < state->made_count; i++) {
        struct pw_tenant *tenant = state->tenants[i];
        bytes += sizeof *tenant;
        for (size_t map = 0; map < PW_COUNT(maps); map++) {
            bytes += pw_map_memory_bytes(*map_of(tenant, map));
        }
    }
    return bytes;
}

static struct pw_tenant *tenant_of(const struct pw_state *state, const struct pw_id *tenant_id)
{
    struct pw_tenant *const *found = pw_map_get(state->by_id, tenant_id);
    return found == NULL ? NULL : *found;
}

const struct pw_tenant *pw_state_tenant(const struct pw_state *state, const struct pw_id *tenant_id)
{
    return tenant_of(state, tenant_id);
}

const struct pw_tenant *pw_state_tenant_at(const struct pw_state *state, uint32_t i)
{
    return i < state->tenant_count ? state->tenants[i] : NULL;
}

void pw_state_share(const struct pw_state *state, bool shared)
{
    pw_map_share(state->by_id, shared);
    pw_map_share(state->due, shared);
    for (uint32_t i = 0; i < state->tenant_count; i++) {
        for (size_t map = 0; map < PW_COUNT(maps); map++) {
            pw_map_share(*map_of(state->tenants[i], map), shared);
        }
    }
}

static struct pw_tenant *tenant_make(void)
{
    struct pw_tenant *tenant = pw_memory_new(1, sizeof *tenant);
    for (size_t map = 0; map < PW_COUNT(maps); map++) {
        *map_of(tenant, map) = pw_map_new(maps[map].key_bytes, maps[map].value_bytes);
    }
    return tenant;
}

struct pw_tenant *pw_state_tenant_add(struct pw_state *state, const struct pw_id *id,
                                      struct pw_undo *undo)
{
    if (state->tenant_count == state->made_count) {
        if (state->made_count == state->room) {
            state->room = state->room == 0 ? 16 : state->room * 2;
            state->tenants = pw_memory_grow(state->tenants, state->room * sizeof state->tenants[0]);
        }
        state->tenants[state->made_count++] = tenant_make();
    }
    pw_undo_save(undo, &state->tenant_count, sizeof state->tenant_count);
    struct pw_tenant *tenant = state->tenants[state->tenant_count++];
    tenant->id = *id;
    memcpy(pw_map_put(state->by_id, id, undo), &tenant, sizeof(struct pw_tenant *));
    return tenant;
}

enum pw_code pw_misfit(struct pw_err *err, const struct pw_event *event, const char *why)
{
    char stream_id[PW_ID_TEXT_BYTES + 1];
    pw_id_format(&event->stream_id, stream_id);
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "%s, version %u of %s: %s",
                   pw_event_info(event->type)->name, event->stream_version, stream_id, why);
}

static enum pw_code apply(struct pw_tenant *tenant, const struct pw_event *event,
                          struct pw_undo *undo, struct pw_err *err)
{
    switch (event->type) {
#define PW_EVENT(aggregate, lower, UPPER, ...)                                                     \
    case PW_EVENT_##UPPER:                                                                         \
        return pw_##aggregate##_##lower##_evolve(tenant, event, undo, err);
#include "schemas/all.def"
    case PW_EVENT_COUNT: break;
    }
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "event type %d is unknown", (int)event->type);
}

void pw_state_prefetch(const struct pw_state *state, const struct pw_id *boundary_id,
                       const struct pw_event *event)
{
    pw_map_prefetch(state->by_id, boundary_id);
    const struct pw_tenant *tenant = tenant_of(state, boundary_id);
    if (tenant == NULL) {
        return;
    }
    if (event->type == PW_EVENT_RESERVATION_RESERVED) { /* By far the most events are these. */
        pw_map_prefetch(tenant->slots, &event->reservation_reserved.slot_id);
        pw_map_prefetch(tenant->reservations, &event->stream_id);
        pw_map_prefetch(tenant->students, &event->reservation_reserved.student_id);
        pw_map_prefetch(tenant->inboxes, &event->reservation_reserved.student_id);
    }
}

enum pw_code pw_state_evolve(struct pw_state *state, const struct pw_id *boundary_id,
                             const struct pw_event *event, struct pw_undo *undo, struct pw_err *err)
{
    if ((unsigned)event->type >= PW_EVENT_COUNT) {
        return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "event type %d is unknown", (int)event->type);
    }
    enum pw_aggregate aggregate = pw_event_info(event->type)->aggregate;
    if (pw_id_is_nil(&event->stream_id)) {
        return pw_misfit(err, event, "the stream id is nil");
    }
    if (aggregate == PW_AGGREGATE_tenant && !pw_id_equal(&event->stream_id, boundary_id)) {
        return pw_misfit(err, event, "it is another tenant's");
    }
    struct pw_tenant *tenant = tenant_of(state, boundary_id);
    uint64_t next = (uint64_t)pw_stream_version(tenant, aggregate, &event->stream_id) + 1;
    if (event->stream_version != next) {
        return pw_misfit(err, event, "it is not the stream's next version");
    }
    if (tenant == NULL) {
        if (event->type != PW_EVENT_TENANT_CREATED) {
            return pw_misfit(err, event, "there is no such tenant");
        }
        tenant = pw_state_tenant_add(state, boundary_id, undo);
    }
    enum pw_code code = apply(tenant, event, undo, err);
    if (code == PW_OK) {
        pw_inbox_take(tenant, event, undo);
    }
    pw_due_list_tenant(state, tenant, undo);
    return code;
}

const struct pw_user *pw_tenant_user(const struct pw_tenant *tenant, const struct pw_id *id)
{
    return pw_map_get(tenant->users, id);
}

const struct pw_session *pw_tenant_session(const struct pw_tenant *tenant, const struct pw_id *id)
{
    return pw_map_get(tenant->sessions, id);
}

struct pw_str pw_tenant_password(const struct pw_tenant *tenant, const struct pw_id *user_id)
{
    const struct pw_password *password = pw_map_get(tenant->passwords, user_id);
    return password == NULL ? PW_STR("")
                            : (struct pw_str){(const char *)password->sealed, password->bytes};
}

const struct pw_id *pw_tenant_equality_key(const struct pw_tenant *tenant)
{
    return &tenant->equality_key_id;
}

bool pw_tenant_next_user(const struct pw_tenant *tenant, uint64_t *cursor,
                         const struct pw_id **ret_id, const struct pw_user **ret_user)
{
    const void *id = NULL;
    const void *user = NULL;
    bool is_there = pw_map_next(tenant->users, cursor, &id, &user);
    *ret_id = id;
    *ret_user = user;
    return is_there;
}

bool pw_tenant_next_session(const struct pw_tenant *tenant, uint64_t *cursor,
                            const struct pw_id **ret_id, const struct pw_session **ret_session)
{
    const void *id = NULL;
    const void *session = NULL;
    bool is_there = pw_map_next(tenant->sessions, cursor, &id, &session);
    *ret_id = id;
    *ret_session = session;
    return is_there;
}

struct pw_id pw_item_version_key(const struct pw_id *item_id, uint32_t number)
{
    const uint8_t name[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                            (uint8_t)(number >> 8), (uint8_t)number};
    return pw_id_v5(item_id, name, sizeof name);
}

const struct pw_item *pw_tenant_item(const struct pw_tenant *tenant, const struct pw_id *id)
{
    return pw_map_get(tenant->items, id);
}

const struct pw_item_version *pw_tenant_item_version(const struct pw_tenant *tenant,
                                                     const struct pw_id *item_id, uint32_t number)
{
    struct pw_id key = pw_item_version_key(item_id, number);
    return pw_map_get(tenant->item_versions, &key);
}

const struct pw_exam *pw_tenant_exam(const struct pw_tenant *tenant, const struct pw_id *id)
{
    return pw_map_get(tenant->exams, id);
}

const struct pw_slot *pw_tenant_slot(const struct pw_tenant *tenant, const struct pw_id *id)
{
    return pw_map_get(tenant->slots, id);
}

const struct pw_reservation *pw_tenant_reservation(const struct pw_tenant *tenant,
                                                   const struct pw_id *id)
{
    return pw_map_get(tenant->reservations, id);
}

const struct pw_accommodation *pw_tenant_accommodation(const struct pw_tenant *tenant,
                                                       const struct pw_id *id)
{
    return pw_map_get(tenant->accommodations, id);
}

const struct pw_id *pw_tenant_id(const struct pw_tenant *tenant)
{
    return &tenant->id;
}

const struct pw_issuer *pw_tenant_issuers(const struct pw_tenant *tenant, uint32_t *ret_count)
{
    *ret_count = tenant->issuer_count;
    return tenant->issuers;
}

uint32_t pw_tenant_version(const struct pw_tenant *tenant)
{
    return tenant->version;
}

uint64_t pw_tenant_stream_count(const struct pw_tenant *tenant, enum pw_aggregate aggregate)
{
    switch (aggregate) {
    case PW_AGGREGATE_tenant: return 1;
    case PW_AGGREGATE_user: return pw_map_count(tenant->users);
    case PW_AGGREGATE_session: return pw_map_count(tenant->sessions);
    case PW_AGGREGATE_exam: return pw_map_count(tenant->exams);
    case PW_AGGREGATE_item: return pw_map_count(tenant->items);
    case PW_AGGREGATE_slot: return pw_map_count(tenant->slots);
    case PW_AGGREGATE_reservation: return pw_map_count(tenant->reservations);
    case PW_AGGREGATE_accommodation: return pw_map_count(tenant->accommodations);
    case PW_AGGREGATE_inbox: return pw_map_count(tenant->inboxes);
    case PW_AGGREGATE_COUNT: break;
    }
    return 0;
}

uint32_t pw_stream_version(const struct pw_tenant *tenant, enum pw_aggregate aggregate,
                           const struct pw_id *id)
{
    if (tenant == NULL) {
        return 0;
    }
    switch (aggregate) {
    case PW_AGGREGATE_tenant: return pw_id_equal(&tenant->id, id) ? tenant->version : 0;
    case PW_AGGREGATE_user: {
        const struct pw_user *user = pw_tenant_user(tenant, id);
        return user == NULL ? 0 : user->version;
    }
    case PW_AGGREGATE_session: {
        const struct pw_session *session = pw_tenant_session(tenant, id);
        return session == NULL ? 0 : session->version;
    }
    case PW_AGGREGATE_item: {
        const struct pw_item *item = pw_tenant_item(tenant, id);
        return item == NULL ? 0 : item->version;
    }
    case PW_AGGREGATE_exam: {
        const struct pw_exam *exam = pw_tenant_exam(tenant, id);
        return exam == NULL ? 0 : exam->version;
    }
    case PW_AGGREGATE_slot: {
        const struct pw_slot *slot = pw_tenant_slot(tenant, id);
        return slot == NULL ? 0 : slot->version;
    }
    case PW_AGGREGATE_reservation: {
        const struct pw_reservation *reservation = pw_tenant_reservation(tenant, id);
        return reservation == NULL ? 0 : reservation->version;
    }
    case PW_AGGREGATE_accommodation: {
        const struct pw_accommodation *accommodation = pw_tenant_accommodation(tenant, id);
        return accommodation == NULL ? 0 : accommodation->version;
    }
    case PW_AGGREGATE_inbox: {
        const struct pw_inbox *inbox = pw_tenant_inbox(tenant, id);
        return inbox == NULL ? 0 : inbox->version;
    }
    case PW_AGGREGATE_COUNT: break;
    }
    return 0;
}
