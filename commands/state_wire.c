/* commands/state_wire.c: the state's one canonical serialisation, written and read.
 *
 * A tenant is [id, version, issuers, equality key, minutes of holds and offers, users, passwords, sessions, exams,
 * slots, reservations, students, proctors, accommodations, inboxes, items, versions of items]; each of the last twelve is an array of its entries, sorted by id. What
 * follows from them (addresses, the number of admins, what is due, chains of accommodations) is found again. The fields of an entry stand below twice, once to be
 * written and once to be read, in the same order. */
#include "commands/members.h"
#include "commands/memory.h"

#include <endian.h>
#include <stdlib.h>

#define TENANT_FIELDS 17

/* A kind of map: the fields of an entry, its id not counted, and how few bytes it may take. */
struct kind {
    uint32_t field_count;
    uint32_t bytes_min;
    void (*write)(struct pw_buffer *buffer, const void *value);
    void (*read)(struct pw_cursor *cursor, void *value);
};

/* --- Fields --- */

static void write_hash(struct pw_buffer *buffer, const struct pw_hash *hash)
{
    pw_write_bin(buffer, hash->bytes, sizeof hash->bytes);
}

static void read_bin(struct pw_cursor *cursor, void *ret_bytes, size_t bytes)
{
    const void *found = pw_read_bin(cursor, bytes);
    if (found != NULL) {
        memcpy(ret_bytes, found, bytes);
    }
}

static void read_hash(struct pw_cursor *cursor, struct pw_hash *ret_hash)
{
    read_bin(cursor, ret_hash->bytes, sizeof ret_hash->bytes);
}

static uint32_t read_text(struct pw_cursor *cursor, size_t bytes_min,
                          char ret_text[PW_TEXT_BYTES_MAX])
{
    struct pw_str text = pw_read_text(cursor, bytes_min, PW_TEXT_BYTES_MAX);
    if (text.len > 0) {
        memcpy(ret_text, text.ptr, text.len);
    }
    return (uint32_t)text.len;
}

static uint32_t read_number(struct pw_cursor *cursor)
{
    return (uint32_t)pw_read_uint(cursor, UINT32_MAX);
}

static uint32_t read_version(struct pw_cursor *cursor)
{
    uint32_t version = read_number(cursor);
    cursor->bad = cursor->bad || version == 0;
    return version;
}

static uint32_t read_minutes(struct pw_cursor *cursor)
{
    return (uint32_t)pw_read_uint(cursor, PW_MINUTES_MAX);
}

static int64_t read_at(struct pw_cursor *cursor)
{
    return (int64_t)pw_read_uint(cursor, INT64_MAX);
}

/* --- Entries --- */

static void write_any_id(struct pw_buffer *buffer, const struct pw_id *id)
{
    pw_write_bin(buffer, id->bytes, sizeof id->bytes); /* Nil is one. */
}

static void read_any_id(struct pw_cursor *cursor, struct pw_id *ret_id)
{
    read_bin(cursor, ret_id->bytes, sizeof ret_id->bytes);
}

static void write_user(struct pw_buffer *buffer, const void *value)
{
    const struct pw_user *user = value;
    pw_write_uint(buffer, user->version);
    pw_write_uint(buffer, user->state);
    pw_write_uint(buffer, user->roles);
    pw_write_id(buffer, &user->key_id);
    write_hash(buffer, &user->email_tag);
    write_hash(buffer, &user->reset_token_hash);
    pw_write_uint(buffer, (uint64_t)user->reset_expires_at_us);
    write_any_id(buffer, &user->first_session_id);
}

static void read_user(struct pw_cursor *cursor, void *value)
{
    struct pw_user *user = value;
    user->version = read_version(cursor);
    user->state = (uint32_t)pw_read_uint(cursor, PW_USER_ERASED);
    cursor->bad = cursor->bad || user->state < PW_USER_ACTIVE;
    user->roles = (uint32_t)pw_read_uint(cursor, (UINT32_C(1) << PW_ROLE_COUNT) - 1);
    user->key_id = pw_read_id(cursor);
    read_hash(cursor, &user->email_tag);
    read_hash(cursor, &user->reset_token_hash);
    user->reset_expires_at_us = read_at(cursor);
    read_any_id(cursor, &user->first_session_id);
}

static void write_password(struct pw_buffer *buffer, const void *value)
{
    const struct pw_password *password = value;
    pw_write_bin(buffer, password->sealed, password->bytes);
}

static void read_password(struct pw_cursor *cursor, void *value)
{
    struct pw_password *password = value;
    struct pw_str sealed = pw_read_bytes(cursor, PW_SEALED_PASSWORD_BYTES_MAX);
    cursor->bad = cursor->bad || sealed.len == 0;
    password->bytes = (uint32_t)sealed.len;
    if (sealed.len > 0) {
        memcpy(password->sealed, sealed.ptr, sealed.len);
    }
}

static void write_session(struct pw_buffer *buffer, const void *value)
{
    const struct pw_session *session = value;
    pw_write_uint(buffer, session->version);
    pw_write_id(buffer, &session->user_id);
    write_any_id(buffer, &session->next_id);
    pw_write_uint(buffer, (uint64_t)session->refreshed_at_us);
    pw_write_uint(buffer, (uint64_t)session->expires_at_us);
    pw_write_uint(buffer, (uint64_t)session->ends_at_us);
}

static void read_session(struct pw_cursor *cursor, void *value)
{
    struct pw_session *session = value;
    session->version = read_version(cursor);
    session->user_id = pw_read_id(cursor);
    read_any_id(cursor, &session->next_id);
    session->refreshed_at_us = read_at(cursor);
    session->expires_at_us = read_at(cursor);
    session->ends_at_us = read_at(cursor);
}

static void write_item(struct pw_buffer *buffer, const void *value)
{
    const struct pw_item *item = value;
    pw_write_uint(buffer, item->version);
    pw_write_id(buffer, &item->owner_id);
    pw_write_uint(buffer, item->newest_number);
    pw_write_uint(buffer, item->is_retired);
}

static void read_item(struct pw_cursor *cursor, void *value)
{
    struct pw_item *item = value;
    item->version = read_version(cursor);
    item->owner_id = pw_read_id(cursor);
    item->newest_number = read_version(cursor);
    item->is_retired = (uint32_t)pw_read_uint(cursor, 1);
}

static void write_item_version(struct pw_buffer *buffer, const void *value)
{
    const struct pw_item_version *version = value;
    pw_write_id(buffer, &version->item_id);
    pw_write_uint(buffer, version->number);
    write_hash(buffer, &version->content_hash);
    write_hash(buffer, &version->first_answers_hash);
    write_hash(buffer, &version->answers_hash);
    pw_write_uint(buffer, version->key_number);
    pw_write_uint(buffer, version->kind);
    pw_write_uint(buffer, version->scoring);
    pw_write_uint(buffer, version->choice_count);
    pw_write_uint(buffer, version->maximum_mark);
    pw_write_uint(buffer, version->penalty_max);
}

static void read_item_version(struct pw_cursor *cursor, void *value)
{
    struct pw_item_version *version = value;
    version->item_id = pw_read_id(cursor);
    version->number = read_version(cursor);
    read_hash(cursor, &version->content_hash);
    read_hash(cursor, &version->first_answers_hash);
    read_hash(cursor, &version->answers_hash);
    version->key_number = read_version(cursor);
    version->kind = (uint32_t)pw_read_uint(cursor, PW_ITEM_KIND_COUNT - 1);
    version->scoring = (uint32_t)pw_read_uint(cursor, PW_SCORING_COUNT - 1);
    version->choice_count = read_number(cursor);
    version->maximum_mark = read_version(cursor);
    version->penalty_max = read_number(cursor);
}

#define CONTENT_FIELDS 8

static void write_content(struct pw_buffer *buffer, const struct pw_exam_content *content)
{
    pw_write_array(buffer, CONTENT_FIELDS);
    pw_write_text(buffer, (struct pw_str){content->title, content->title_bytes});
    pw_write_uint(buffer, content->duration_minutes);
    pw_write_uint(buffer, content->lead_time_minutes);
    pw_write_uint(buffer, content->buffer_minutes);
    pw_write_uint(buffer, content->item_count);
    pw_write_uint(buffer, content->maximum_mark);
    write_hash(buffer, &content->items_hash);
    write_hash(buffer, &content->hash);
}

static void read_content(struct pw_cursor *cursor, struct pw_exam_content *content)
{
    cursor->bad = pw_read_array(cursor) != CONTENT_FIELDS || cursor->bad;
    content->title_bytes = read_text(cursor, 0, content->title);
    content->duration_minutes = read_minutes(cursor);
    content->lead_time_minutes = read_minutes(cursor);
    content->buffer_minutes = read_minutes(cursor);
    content->item_count = (uint32_t)pw_read_uint(cursor, PW_LIST_COUNT_MAX);
    content->maximum_mark = read_number(cursor);
    read_hash(cursor, &content->items_hash);
    read_hash(cursor, &content->hash);
}

static void write_exam(struct pw_buffer *buffer, const void *value)
{
    const struct pw_exam *exam = value;
    pw_write_uint(buffer, exam->version);
    pw_write_id(buffer, &exam->owner_id);
    pw_write_uint(buffer, exam->published_number);
    pw_write_uint(buffer, exam->is_withdrawn);
    write_content(buffer, &exam->draft);
    write_content(buffer, &exam->published);
}

static void read_exam(struct pw_cursor *cursor, void *value)
{
    struct pw_exam *exam = value;
    exam->version = read_version(cursor);
    exam->owner_id = pw_read_id(cursor);
    exam->published_number = read_number(cursor);
    exam->is_withdrawn = (uint32_t)pw_read_uint(cursor, 1);
    read_content(cursor, &exam->draft);
    read_content(cursor, &exam->published);
    cursor->bad = cursor->bad || exam->draft.title_bytes == 0;
}

static void write_slot(struct pw_buffer *buffer, const void *value)
{
    const struct pw_slot *slot = value;
    pw_write_uint(buffer, slot->version);
    pw_write_id(buffer, &slot->exam_id);
    pw_write_uint(buffer, slot->exam_version);
    pw_write_uint(buffer, (uint64_t)slot->starts_at_us);
    pw_write_uint(buffer, (uint64_t)slot->ends_at_us);
    pw_write_uint(buffer, slot->lead_time_minutes);
    pw_write_uint(buffer, slot->buffer_minutes);
    pw_write_uint(buffer, slot->capacity);
    pw_write_uint(buffer, slot->taken_count);
    pw_write_uint(buffer, slot->joined_count);
    pw_write_uint(buffer, slot->waitlist_closed);
    pw_write_uint(buffer, slot->state);
    pw_write_uint(buffer, slot->cancel_reason);
    pw_write_uint(buffer, (uint64_t)slot->hard_end_at_us);
    pw_write_uint(buffer, (uint64_t)slot->reminds_at_us);
    pw_write_uint(buffer, slot->is_reminded);
}

static void read_slot(struct pw_cursor *cursor, void *value)
{
    struct pw_slot *slot = value;
    slot->version = read_version(cursor);
    slot->exam_id = pw_read_id(cursor);
    slot->exam_version = read_version(cursor);
    slot->starts_at_us = read_at(cursor);
    slot->ends_at_us = read_at(cursor);
    slot->lead_time_minutes = read_minutes(cursor);
    slot->buffer_minutes = read_minutes(cursor);
    slot->capacity = read_number(cursor);
    slot->taken_count = (uint32_t)pw_read_uint(cursor, slot->capacity);
    slot->joined_count = read_number(cursor);
    slot->waitlist_closed = (uint32_t)pw_read_uint(cursor, 1);
    slot->state = (uint32_t)pw_read_uint(cursor, PW_SLOT_WITHDRAWN);
    cursor->bad = cursor->bad || slot->state < PW_SLOT_OPEN;
    slot->cancel_reason = (uint32_t)pw_read_uint(cursor, PW_REASON_COUNT - 1);
    slot->hard_end_at_us = read_at(cursor);
    slot->reminds_at_us = read_at(cursor);
    slot->is_reminded = (uint32_t)pw_read_uint(cursor, 1);
}

static void write_reservation(struct pw_buffer *buffer, const void *value)
{
    const struct pw_reservation *reservation = value;
    pw_write_uint(buffer, reservation->version);
    pw_write_uint(buffer, reservation->state);
    pw_write_id(buffer, &reservation->slot_id);
    pw_write_id(buffer, &reservation->exam_id);
    pw_write_id(buffer, &reservation->student_id);
    write_any_id(buffer, &reservation->next_id);
    pw_write_uint(buffer, (uint64_t)reservation->starts_at_us);
    pw_write_uint(buffer, (uint64_t)reservation->ends_at_us);
    pw_write_uint(buffer, (uint64_t)reservation->free_again_at_us);
    pw_write_uint(buffer, (uint64_t)reservation->expires_at_us);
    pw_write_uint(buffer, reservation->priority);
    pw_write_uint(buffer, reservation->turn);
    pw_write_uint(buffer, reservation->by_offer);
    pw_write_uint(buffer, reservation->needs_replacement);
    pw_write_uint(buffer, reservation->is_told);
}

static void read_reservation(struct pw_cursor *cursor, void *value)
{
    struct pw_reservation *reservation = value;
    reservation->version = read_version(cursor);
    reservation->state = (uint32_t)pw_read_uint(cursor, PW_RESERVATION_STATE_COUNT - 1);
    cursor->bad = cursor->bad || reservation->state < PW_RESERVATION_CONFIRMED;
    reservation->slot_id = pw_read_id(cursor);
    reservation->exam_id = pw_read_id(cursor);
    reservation->student_id = pw_read_id(cursor);
    read_any_id(cursor, &reservation->next_id);
    reservation->starts_at_us = read_at(cursor);
    reservation->ends_at_us = read_at(cursor);
    reservation->free_again_at_us = read_at(cursor);
    reservation->expires_at_us = read_at(cursor);
    reservation->priority = read_number(cursor);
    reservation->turn = read_number(cursor);
    reservation->by_offer = (uint32_t)pw_read_uint(cursor, PW_BY_OFFER_MOVED);
    reservation->needs_replacement = (uint32_t)pw_read_uint(cursor, PW_REPLACEMENT_CALENDAR);
    reservation->is_told = (uint32_t)pw_read_uint(cursor, 1);
    bool runs_out = reservation->state == PW_RESERVATION_ON_HOLD ||
                    reservation->state == PW_RESERVATION_ON_OFFER;
    cursor->bad = cursor->bad || runs_out != (reservation->expires_at_us > 0);
}

static void write_student(struct pw_buffer *buffer, const void *value)
{
    const struct pw_student *student = value;
    pw_write_id(buffer, &student->first_id);
}

static void read_student(struct pw_cursor *cursor, void *value)
{
    struct pw_student *student = value;
    student->first_id = pw_read_id(cursor);
}

static void write_accommodation(struct pw_buffer *buffer, const void *value)
{
    const struct pw_accommodation *accommodation = value;
    pw_write_uint(buffer, accommodation->version);
    pw_write_uint(buffer, accommodation->is_revoked);
    pw_write_id(buffer, &accommodation->student_id);
    pw_write_uint(buffer, accommodation->factor_percent);
    pw_write_uint(buffer, accommodation->fixed_minutes);
    pw_write_uint(buffer, accommodation->rest_break_minutes);
    pw_write_uint(buffer, (uint64_t)accommodation->valid_from_us);
    pw_write_uint(buffer, (uint64_t)accommodation->valid_until_us);
}

static void read_accommodation(struct pw_cursor *cursor, void *value)
{
    struct pw_accommodation *accommodation = value;
    accommodation->version = read_version(cursor);
    accommodation->is_revoked = (uint32_t)pw_read_uint(cursor, 1);
    accommodation->student_id = pw_read_id(cursor);
    accommodation->factor_percent = (uint32_t)pw_read_uint(cursor, PW_FACTOR_PERCENT_MAX);
    accommodation->fixed_minutes = read_minutes(cursor);
    accommodation->rest_break_minutes = read_minutes(cursor);
    accommodation->valid_from_us = read_at(cursor);
    accommodation->valid_until_us = read_at(cursor);
}

static void write_inbox(struct pw_buffer *buffer, const void *value)
{
    const struct pw_inbox *inbox = value;
    pw_write_uint(buffer, inbox->version);
    pw_write_uint(buffer, inbox->count);
    pw_write_uint(buffer, inbox->unread);
}

static void read_inbox(struct pw_cursor *cursor, void *value)
{
    struct pw_inbox *inbox = value;
    inbox->version = read_number(cursor);
    inbox->count = read_version(cursor);
    inbox->unread = pw_read_uint(cursor, INT64_MAX);
    cursor->bad =
        cursor->bad || (inbox->count < PW_UNREAD_MAX && inbox->unread >> inbox->count != 0);
}

static const struct kind users = {8, 126, write_user, read_user};
static const struct kind passwords = {1, 22, write_password, read_password};
static const struct kind sessions = {6, 59, write_session, read_session};
static const struct kind items = {4, 40, write_item, read_item};
static const struct kind item_versions = {11, 146, write_item_version, read_item_version};
static const struct kind exams = {6, 191, write_exam, read_exam};
static const struct kind slots = {16, 51, write_slot, read_slot};
static const struct kind reservations = {15, 102, write_reservation, read_reservation};
static const struct kind students = {1, 37, write_student, read_student};
static const struct kind accommodations = {8, 44, write_accommodation, read_accommodation};
static const struct kind inboxes = {3, 22, write_inbox, read_inbox};

/* --- Maps --- */

/* With the first bytes of the key at hand, sorting seldom has to look the rest up. */
struct entry {
    uint64_t key_start; /* Big-endian: in the order of the bytes. */
    const void *key;
    const void *value;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *first = a;
    const struct entry *second = b;
    if (first->key_start != second->key_start) {
        return first->key_start < second->key_start ? -1 : 1;
    }
    return memcmp(first->key, second->key, sizeof(struct pw_id));
}

/* The map's entries sorted by id, to be freed. */
static struct entry *sorted(const struct pw_map *map)
{
    size_t count = (size_t)pw_map_count(map);
    struct entry *entries = pw_memory_new(count + 1, sizeof *entries);
    uint64_t cursor = 0;
    for (size_t i = 0; i < count; i++) {
        pw_map_next(map, &cursor, &entries[i].key, &entries[i].value);
        memcpy(&entries[i].key_start, entries[i].key, sizeof entries[i].key_start);
        entries[i].key_start = be64toh(entries[i].key_start);
    }
    qsort(entries, count, sizeof *entries, by_key);
    return entries;
}

static void write_map(struct pw_buffer *buffer, const struct pw_map *map, const struct kind *kind)
{
    uint32_t count = (uint32_t)pw_map_count(map);
    struct entry *entries = sorted(map);
    pw_write_array(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        pw_write_array(buffer, 1 + kind->field_count);
        pw_write_id(buffer, entries[i].key);
        kind->write(buffer, entries[i].value);
    }
    free(entries);
}

/* The id of an entry, which must be above the one before. */
static struct pw_id read_next_id(struct pw_cursor *cursor, const struct pw_id *before)
{
    struct pw_id id = pw_read_id(cursor);
    cursor->bad = cursor->bad || memcmp(before->bytes, id.bytes, sizeof id.bytes) >= 0;
    return id;
}

/* Ids, to be freed. */
struct id_list {
    struct pw_id *ids;
    uint32_t count;
    uint32_t room;
};

static void list_id(struct id_list *list, const struct pw_id *id)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 64 : 2 * list->room;
        list->ids = pw_memory_grow(list->ids, list->room * sizeof list->ids[0]);
    }
    list->ids[list->count++] = *id;
}

/* ret_known: of reservations alone, the ids of those that their slots know of; or NULL. */
static void read_map(struct pw_cursor *cursor, struct pw_map *map, const struct kind *kind,
                     struct id_list *ret_known)
{
    uint32_t count = pw_read_array(cursor);
    struct pw_id id = {{0}};
    if (count > (size_t)(cursor->end - cursor->at) / kind->bytes_min) {
        cursor->bad = true; /* Before room is made for what cannot be there. */
        return;
    }
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        if (pw_read_array(cursor) != 1 + kind->field_count) {
            cursor->bad = true;
            return;
        }
        id = read_next_id(cursor, &id);
        void *value = pw_map_append(map, &id);
        kind->read(cursor, value);
        if (ret_known != NULL && pw_members_knows(((const struct pw_reservation *)value)->state)) {
            list_id(ret_known, &id);
        }
    }
    pw_map_index(map);
}

/* --- Who proctors what: pairs of ids, sorted --- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct pw_assignment));
}

static void write_proctors(struct pw_buffer *buffer, const struct pw_map *map)
{
    size_t count = (size_t)pw_map_count(map);
    struct pw_assignment *all = pw_memory_new(count + 1, sizeof *all);
    uint64_t cursor = 0;
    const void *key;
    const void *value;
    for (size_t i = 0; pw_map_next(map, &cursor, &key, &value); i++) {
        memcpy(&all[i], key, sizeof all[i]);
    }
    qsort(all, count, sizeof *all, by_bytes);
    pw_write_array(buffer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        pw_write_bin(buffer, &all[i], sizeof all[i]);
    }
    free(all);
}

static void read_proctors(struct pw_cursor *cursor, struct pw_map *map)
{
    struct pw_assignment before = {{{0}}, {{0}}};
    uint32_t count = pw_read_array(cursor);
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        struct pw_assignment assignment = {{{0}}, {{0}}};
        read_bin(cursor, (uint8_t *)&assignment, sizeof assignment);
        cursor->bad = cursor->bad || by_bytes(&before, &assignment) >= 0;
        if (!cursor->bad) {
            pw_map_put(map, &assignment, NULL);
        }
        before = assignment;
    }
}

/* --- Tenants --- */

static void write_tenant(struct pw_buffer *buffer, const struct pw_tenant *tenant)
{
    pw_write_array(buffer, TENANT_FIELDS);
    pw_write_id(buffer, &tenant->id);
    pw_write_uint(buffer, tenant->version);
    pw_write_array(buffer, tenant->issuer_count);
    for (uint32_t i = 0; i < tenant->issuer_count; i++) {
        const struct pw_issuer *issuer = &tenant->issuers[i];
        pw_write_array(buffer, 2);
        pw_write_text(buffer, (struct pw_str){issuer->name, issuer->name_bytes});
        write_hash(buffer, &issuer->public_key);
    }
    write_any_id(buffer, &tenant->equality_key_id);
    pw_write_uint(buffer, tenant->hold_minutes);
    pw_write_uint(buffer, tenant->offer_minutes);
    write_map(buffer, tenant->users, &users);
    write_map(buffer, tenant->passwords, &passwords);
    write_map(buffer, tenant->sessions, &sessions);
    write_map(buffer, tenant->exams, &exams);
    write_map(buffer, tenant->slots, &slots);
    write_map(buffer, tenant->reservations, &reservations);
    write_map(buffer, tenant->students, &students);
    write_proctors(buffer, tenant->proctors);
    write_map(buffer, tenant->accommodations, &accommodations);
    write_map(buffer, tenant->inboxes, &inboxes);
    write_map(buffer, tenant->items, &items);
    write_map(buffer, tenant->item_versions, &item_versions);
}

void pw_tenant_serialise(const struct pw_tenant *tenant, struct pw_buffer *buffer)
{
    write_tenant(buffer, tenant);
}

void pw_state_serialise(const struct pw_state *state, struct pw_buffer *buffer)
{
    uint32_t count = (uint32_t)pw_map_count(state->by_id);
    struct entry *entries = sorted(state->by_id);
    pw_write_array(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        write_tenant(buffer, *(struct pw_tenant *const *)entries[i].value);
    }
    free(entries);
}

static void read_issuers(struct pw_cursor *cursor, struct pw_tenant *tenant)
{
    uint32_t count = pw_read_array(cursor);
    cursor->bad = cursor->bad || count > PW_ISSUERS_MAX;
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        struct pw_issuer *issuer = &tenant->issuers[i];
        cursor->bad = pw_read_array(cursor) != 2;
        issuer->name_bytes = read_text(cursor, 0, issuer->name);
        read_hash(cursor, &issuer->public_key);
        tenant->issuer_count++;
    }
}

/* Whether every session is in its person's chain, once; else bytes from a file would end in a crash. */
static bool sessions_are_chained(const struct pw_tenant *tenant)
{
    const struct pw_id *id;
    const struct pw_user *user;
    uint64_t walk = 0;
    uint64_t left = pw_map_count(tenant->sessions);
    while (pw_tenant_next_user(tenant, &walk, &id, &user)) {
        struct pw_id session_id = user->first_session_id;
        while (!pw_id_is_nil(&session_id)) {
            const struct pw_session *session = pw_tenant_session(tenant, &session_id);
            if (session == NULL || !pw_id_equal(&session->user_id, id) || left == 0) {
                return false;
            }
            left--;
            session_id = session->next_id;
        }
    }
    return left == 0;
}

/* Whether every item has each of its versions, under the key that leads there, and nothing has another: as above. */
static bool versions_are_whole(const struct pw_tenant *tenant)
{
    const void *id;
    const void *value;
    uint64_t walk = 0;
    uint64_t left = pw_map_count(tenant->item_versions);
    while (pw_map_next(tenant->items, &walk, &id, &value)) {
        const struct pw_item *item = value;
        if (item->newest_number > left) {
            return false;
        }
        for (uint32_t number = 1; number <= item->newest_number; number++) {
            const struct pw_item_version *version = pw_tenant_item_version(tenant, id, number);
            if (version == NULL || version->number != number ||
                !pw_id_equal(&version->item_id, id)) {
                return false;
            }
        }
        left -= item->newest_number;
    }
    return left == 0;
}

/* What is kept beside the users themselves. */
static void find_people(struct pw_tenant *tenant)
{
    const struct pw_id *id;
    const struct pw_user *user;
    uint64_t walk = 0;
    while (pw_tenant_next_user(tenant, &walk, &id, &user)) {
        if (user->state != PW_USER_ERASED) {
            memcpy(pw_map_put(tenant->emails, &user->email_tag, NULL), id, sizeof *id);
        }
        tenant->admin_count +=
            user->state == PW_USER_ACTIVE && (user->roles & PW_ROLE(ADMIN)) != 0 ? 1 : 0;
    }
}

/* Those that are not revoked. */
static void link_accommodations(struct pw_tenant *tenant)
{
    struct id_list valid = {0};
    const void *id;
    const void *value;
    uint64_t walk = 0;
    while (pw_map_next(tenant->accommodations, &walk, &id, &value)) {
        const struct pw_accommodation *accommodation = value;
        if (!accommodation->is_revoked) {
            list_id(&valid, id);
        }
    }
    for (uint32_t i = 0; i < valid.count; i++) {
        pw_accommodation_link(tenant, &valid.ids[i], NULL);
    }
    free(valid.ids);
}

/* One that is open is found from its slot, and when it is due; the others are counted there. */
static void enter(struct pw_tenant *tenant, const struct pw_id *id, struct pw_slot *slot,
                  struct pw_reservation *reservation)
{
    if (!pw_reservation_is_open(reservation->state)) {
        pw_members_count(slot, reservation->state);
        return;
    }
    pw_members_begin(slot, id, reservation);
    if (reservation->state != PW_RESERVATION_CONFIRMED) {
        pw_due_enter(tenant, id, NULL);
    } else if (!reservation->is_told && pw_slot_is_telling(slot)) {
        slot->untold_id = *id; /* Somebody: who is first is found once all are there. */
    }
}

/* Finds again what follows from the reservations: what a slot has, and what is due. False where one is for no slot. */
static bool find_due(struct pw_tenant *tenant, const struct id_list *known)
{
    uint64_t walk = 0;
    const void *slot_id;
    const void *slot;
    for (uint32_t i = 0; i < known->count; i++) {
        struct pw_reservation *reservation = pw_map_put(tenant->reservations, &known->ids[i], NULL);
        if (pw_tenant_slot(tenant, &reservation->slot_id) == NULL) {
            return false;
        }
        enter(tenant, &known->ids[i], pw_map_put(tenant->slots, &reservation->slot_id, NULL),
              reservation);
    }
    while (pw_map_next(tenant->slots, &walk, &slot_id, &slot)) {
        const struct pw_id *untold_id = &((const struct pw_slot *)slot)->untold_id;
        if (!pw_id_is_nil(untold_id)) {
            pw_members_tell(tenant, slot_id, NULL);
        }
        pw_due_list_slot(tenant, slot_id, NULL);
    }
    return true;
}

void pw_state_read(struct pw_state *state, struct pw_cursor *cursor)
{
    uint32_t count = pw_read_array(cursor);
    struct pw_id id = {{0}};
    for (uint32_t i = 0; i < count && !cursor->bad; i++) {
        if (pw_read_array(cursor) != TENANT_FIELDS) {
            cursor->bad = true;
            return;
        }
        id = read_next_id(cursor, &id);
        uint32_t version = read_version(cursor);
        if (cursor->bad) {
            return;
        }
        struct pw_tenant *tenant = pw_state_tenant_add(state, &id, NULL);
        tenant->version = version;
        read_issuers(cursor, tenant);
        read_any_id(cursor, &tenant->equality_key_id);
        tenant->hold_minutes = read_minutes(cursor);
        tenant->offer_minutes = read_minutes(cursor);
        read_map(cursor, tenant->users, &users, NULL);
        read_map(cursor, tenant->passwords, &passwords, NULL);
        read_map(cursor, tenant->sessions, &sessions, NULL);
        cursor->bad = cursor->bad || !sessions_are_chained(tenant);
        find_people(tenant);
        read_map(cursor, tenant->exams, &exams, NULL);
        read_map(cursor, tenant->slots, &slots, NULL);
        struct id_list known = {0};
        read_map(cursor, tenant->reservations, &reservations, &known);
        read_map(cursor, tenant->students, &students, NULL);
        read_proctors(cursor, tenant->proctors);
        read_map(cursor, tenant->accommodations, &accommodations, NULL);
        read_map(cursor, tenant->inboxes, &inboxes, NULL);
        read_map(cursor, tenant->items, &items, NULL);
        read_map(cursor, tenant->item_versions, &item_versions, NULL);
        cursor->bad = cursor->bad || !versions_are_whole(tenant);
        link_accommodations(tenant);
        cursor->bad = cursor->bad || !find_due(tenant, &known);
        free(known.ids);
        pw_due_list_tenant(state, tenant, NULL);
    }
}
