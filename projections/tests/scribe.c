/* projections/tests/scribe.c: random ledgers. */
#include "projections/tests/scribe.h"

#include "commands/decide.h"

#include <stdio.h>
#include <stdlib.h>

#define BEGIN_US      INT64_C(1800000000000000)
#define STUDENT_COUNT 24

void must(bool condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "not so: %s\n", what);
        abort();
    }
}

static uint32_t draw(struct scribe *scribe, uint32_t below)
{
    scribe->random ^= scribe->random >> 12;
    scribe->random ^= scribe->random << 25;
    scribe->random ^= scribe->random >> 27;
    return (uint32_t)((scribe->random * UINT64_C(2685821657736338717)) >> 33) % below;
}

static struct pw_id draw_id(struct scribe *scribe)
{
    struct pw_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) {
        id.bytes[i] = (uint8_t)draw(scribe, 256);
    }
    id.bytes[0] |= 1; /* Not nil. */
    return id;
}

static struct pw_id student_of(uint32_t number)
{
    return (struct pw_id){{[0] = 0x57, [15] = (uint8_t)number}};
}

struct scribe *scribe_new(struct pw_sim_log *log, uint64_t seed)
{
    struct scribe *scribe = calloc(1, sizeof *scribe);
    MUST(scribe != NULL);
    scribe->log = log;
    scribe->random = seed * 2 + 1;
    scribe->now_us = BEGIN_US;
    scribe->ledger_id = draw_id(scribe);
    scribe->told = pw_batch_new();
    pw_buffer_init(&scribe->buffer, PW_RECORD_BYTES_MAX);
    for (uint32_t i = 0; i < SCRIBE_TENANTS; i++) {
        scribe->tenants[i] = draw_id(scribe);
    }
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        struct pw_genesis genesis = {scribe->ledger_id, i, SCRIBE_PARTITIONS,
                                     24 * 60 * PW_US_PER_MINUTE};
        pw_fold_init(&scribe->folds[i], i);
        MUST(pw_record_write_genesis(&scribe->buffer, &genesis) == PW_OK);
        scribe_put(scribe, i, scribe->buffer.data, scribe->buffer.bytes);
    }
    return scribe;
}

void scribe_free(struct scribe *scribe)
{
    for (uint32_t i = 0; i < SCRIBE_PARTITIONS; i++) {
        pw_fold_close(&scribe->folds[i]);
    }
    pw_buffer_close(&scribe->buffer);
    pw_batch_free(scribe->told);
    free(scribe);
}

/* Read models of which all tables but the first have rows that follow from their events alone, with the state as it was then. */
static const struct pw_projection *const telling[] = {&pw_reservations_projection,
                                                      &pw_exams_projection};

static bool is_told(const struct pw_table *table)
{
    bool is = false;
    for (uint32_t t = 0; t < PW_COUNT(telling); t++) {
        for (uint32_t i = 1; i < telling[t]->table_count; i++) {
            is = is || table == telling[t]->tables[i];
        }
    }
    return is;
}

static void put_row(struct pw_batch *batch, const struct pw_tenant *tenant,
                    const struct pw_row *row)
{
    struct pw_batch_row kept = {.tenant_id = *pw_tenant_id(tenant), .row = *row};
    pw_batch_put(batch, &kept);
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct scribe *scribe = self;
    (void)record;
    (void)index;
    for (uint32_t t = 0; t < PW_COUNT(telling); t++) {
        struct pw_rows rows = {0};
        MUST(telling[t]->rows(event, after, &rows, NULL) == PW_OK);
        for (uint32_t i = 0; i < rows.count; i++) {
            if (is_told(rows.rows[i].table)) {
                put_row(scribe->told, after, &rows.rows[i]);
            }
        }
    }
}

void scribe_put(struct scribe *scribe, uint32_t partition, const void *value, size_t value_bytes)
{
    const struct pw_fold_observer observer = {.self = scribe, .event = on_event};
    struct pw_record record;
    int64_t offset = scribe->next_offset[partition]++;
    MUST(pw_fold_take(&scribe->folds[partition], offset, value, value_bytes, &observer, &record) !=
         PW_CHAIN_STOPPED);
    if (scribe->put != NULL) {
        scribe->put(scribe->put_self, partition, value, value_bytes);
    } else {
        MUST(pw_sim_put(scribe->log, partition, value, value_bytes) == offset);
    }
}

void scribe_leader(struct scribe *scribe, uint32_t partition)
{
    struct pw_chain_point at = pw_chain_next(&scribe->folds[partition].chain);
    struct pw_leader leader = {PW_STR("node-1"), draw_id(scribe)};
    MUST(pw_record_write_leader(&scribe->buffer, &at, &leader) == PW_OK);
    scribe_put(scribe, partition, scribe->buffer.data, scribe->buffer.bytes);
}

void scribe_junk(struct scribe *scribe, uint32_t partition)
{
    static const char junk[] = "a stranger wrote this, longer than thirty-six bytes";
    static const uint8_t stale[PW_RECORD_HEAD_BYTES + 1] = {'P', 'W', 'L', PW_RECORD_FORMAT};
    if (scribe->next_offset[partition] % 2 == 0) {
        scribe_put(scribe, partition, junk, sizeof junk);
    } else { /* Decided on a head that is long past. */
        scribe_put(scribe, partition, stale, sizeof stale);
    }
}

/* --- Commands --- */

static bool any_of(struct scribe *scribe, const struct scribe_ids *from, struct pw_id *ret_id)
{
    if (from->count > 0) {
        *ret_id = from->ids[draw(scribe, from->count)];
    }
    return from->count > 0;
}

static struct pw_command exam_command(struct scribe *scribe, const struct scribe_ids *exams)
{
    static const char *const titles[] = {"Algebra", "Gödel, Escher, Bach", "Recht \"II\""};
    struct pw_str title = pw_str_of(titles[draw(scribe, 3)]);
    struct pw_command command = {.type = PW_COMMAND_EXAM_DRAFT};
    struct pw_id id;
    if (!any_of(scribe, exams, &id) || draw(scribe, 3) == 0) {
        command.exam_draft = (struct pw_exam_draft){draw_id(scribe), title, 30, 60, 10};
    } else if (draw(scribe, 2) == 0) {
        command.type = PW_COMMAND_EXAM_REVISE_DRAFT;
        command.exam_revise_draft =
            (struct pw_exam_revise_draft){id, title, 30 + draw(scribe, 4) * 15, 60, 10};
    } else {
        command.type = PW_COMMAND_EXAM_PUBLISH;
        command.exam_publish = (struct pw_exam_publish){id};
    }
    return command;
}

/* What is sealed is any bytes to whom it passes by. */
static struct pw_str draw_sealed(struct scribe *scribe)
{
    static const char sealed[] =
        "\x01\xff\xfe no text, with \0 and \x80 in it; long enough to begin "
        "anywhere in its first half, and to end anywhere in its second";
    uint32_t half = sizeof sealed / 2;
    uint32_t begin = draw(scribe, half);
    return (struct pw_str){sealed + begin, half + draw(scribe, half) - begin};
}

static struct pw_command register_command(struct scribe *scribe, const struct pw_id *equality_key)
{
    static const uint32_t roles[] = {PW_ROLE(STUDENT), PW_ROLE(STUDENT) | PW_ROLE(PROCTOR),
                                     PW_ROLE(TEACHER) | PW_ROLE(PROCTOR), PW_ROLE(ADMIN)};
    struct pw_command command = {.type = PW_COMMAND_USER_REGISTER};
    command.user_register = (struct pw_user_register){
        .user_id = draw_id(scribe),
        .email = draw_sealed(scribe),
        .name = draw_sealed(scribe),
        .roles = roles[draw(scribe, 4)],
        .password = draw(scribe, 2) == 0 ? draw_sealed(scribe) : PW_STR(""),
        .email_tag = {{(uint8_t)draw(scribe, 64)}}, /* Some are taken. */
        .key_id = draw_id(scribe),
        .equality_key_id = *equality_key};
    return command;
}

static struct pw_command user_command(struct scribe *scribe, const struct pw_id *id,
                                      const struct pw_id *equality_key)
{
    struct pw_command command = {.type = PW_COMMAND_USER_UPDATE_PROFILE};
    switch (draw(scribe, 8)) {
    case 0:
    case 1:
        command.user_update_profile =
            (struct pw_user_update_profile){.user_id = *id,
                                            .email = draw_sealed(scribe),
                                            .name = draw_sealed(scribe),
                                            .email_tag = {{(uint8_t)draw(scribe, 64)}},
                                            .equality_key_id = *equality_key};
        break;
    case 2:
    case 3:
        command.type = PW_COMMAND_USER_SET_PREFERENCES;
        command.user_set_preferences = (struct pw_user_set_preferences){
            *id, PW_STR("en-GB"), draw(scribe, 2) == 0 ? PW_STR("UTC") : PW_STR("Europe/London")};
        break;
    case 4:
        command.type = PW_COMMAND_USER_GRANT_ROLES;
        command.user_grant_roles = (struct pw_user_grant_roles){*id, PW_ROLE(PROCTOR)};
        break;
    case 5:
        command.type = PW_COMMAND_USER_DEACTIVATE;
        command.user_deactivate = (struct pw_user_deactivate){*id, PW_STR("")};
        break;
    case 6:
        command.type = PW_COMMAND_USER_REACTIVATE;
        command.user_reactivate = (struct pw_user_reactivate){*id, PW_STR("")};
        break;
    default:
        command.type = PW_COMMAND_USER_ERASE;
        command.user_erase = (struct pw_user_erase){*id};
        break;
    }
    return command;
}

static struct pw_command session_command(struct scribe *scribe, uint32_t tenant,
                                         const struct pw_tenant *state, const struct pw_id *user_id)
{
    struct pw_command command = {.type = PW_COMMAND_SESSION_OPEN};
    const struct pw_session *session = NULL;
    struct pw_id id;
    if (any_of(scribe, &scribe->sessions[tenant], &id) && draw(scribe, 2) == 0) {
        session = pw_tenant_session(state, &id);
    }
    if (session != NULL && draw(scribe, 3) > 0) {
        command.type = PW_COMMAND_SESSION_REFRESH;
        command.session_refresh = (struct pw_session_refresh){
            .session_id = id, .token_version = session->version - draw(scribe, 2)};
    } else if (session != NULL) {
        command.type = PW_COMMAND_SESSION_REVOKE;
        command.session_revoke = (struct pw_session_revoke){id};
    } else {
        struct pw_str sealed = pw_tenant_password(state, user_id);
        command.session_open = (struct pw_session_open){
            .session_id = draw_id(scribe),
            .label = draw(scribe, 3) > 0 ? draw_sealed(scribe) : PW_STR(""),
            .user_id = *user_id,
            .verified = pw_sha256(sealed.ptr, sealed.len, NULL, 0)};
    }
    return command;
}

static struct pw_command people_command(struct scribe *scribe, uint32_t tenant,
                                        const struct pw_tenant *state)
{
    struct pw_command command = {.type = PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY};
    const struct pw_id *equality_key = pw_tenant_equality_key(state);
    struct pw_id id;
    if (pw_id_is_nil(equality_key)) {
        command.tenant_choose_equality_key =
            (struct pw_tenant_choose_equality_key){scribe->tenants[tenant], draw_id(scribe)};
    } else if (!any_of(scribe, &scribe->users[tenant], &id) || draw(scribe, 3) == 0) {
        command = register_command(scribe, equality_key);
    } else if (draw(scribe, 2) == 0) {
        command = user_command(scribe, &id, equality_key);
    } else {
        command = session_command(scribe, tenant, state, &id);
    }
    return command;
}

/* For a day of somebody's, so that they seldom overlap. */
static struct pw_command accommodation_command(struct scribe *scribe, uint32_t tenant)
{
    struct pw_command command = {.type = PW_COMMAND_ACCOMMODATION_GRANT};
    int64_t from_us = scribe->now_us + draw(scribe, 60) * 1440 * PW_US_PER_MINUTE;
    uint32_t factor = 100 + draw(scribe, 100);
    struct pw_id id;
    if (!any_of(scribe, &scribe->accommodations[tenant], &id) || draw(scribe, 2) == 0) {
        command.accommodation_grant =
            (struct pw_accommodation_grant){.student_id = student_of(draw(scribe, STUDENT_COUNT)),
                                            .accommodation_id = draw_id(scribe),
                                            .factor_percent = factor,
                                            .valid_from = from_us,
                                            .valid_until = from_us + 1440 * PW_US_PER_MINUTE};
    } else if (draw(scribe, 3) > 0) {
        command.type = PW_COMMAND_ACCOMMODATION_REVISE;
        command.accommodation_revise =
            (struct pw_accommodation_revise){.accommodation_id = id,
                                             .factor_percent = factor,
                                             .valid_from = from_us,
                                             .valid_until = from_us + 1440 * PW_US_PER_MINUTE};
    } else {
        command.type = PW_COMMAND_ACCOMMODATION_REVOKE;
        command.accommodation_revoke.accommodation_id = id;
    }
    return command;
}

/* One item, or none, of the exam. */
static struct pw_command bind_command(struct scribe *scribe, uint32_t tenant,
                                      const struct pw_id *exam_id)
{
    struct pw_command command = {.type = PW_COMMAND_EXAM_BIND_ITEMS};
    struct pw_buffer buffer = {
        .data = scribe->list, .room = sizeof scribe->list, .bytes_max = sizeof scribe->list};
    struct pw_id item_id;
    bool is_there = any_of(scribe, &scribe->items[tenant], &item_id) && draw(scribe, 4) > 0;
    pw_write_array(&buffer, is_there ? 1 : 0);
    if (is_there) {
        pw_write_array(&buffer, 2);
        pw_write_id(&buffer, &item_id);
        pw_write_uint(&buffer, 1 + draw(scribe, 2));
    }
    command.exam_bind_items =
        (struct pw_exam_bind_items){*exam_id, {scribe->list, buffer.bytes, is_there ? 1 : 0}};
    return command;
}

/* Items that fit: of two choices or of words. */
static struct pw_command item_command(struct scribe *scribe, uint32_t tenant)
{
    static const struct pw_list choices = {(const uint8_t *)"\x92\x91\xa1Y\x91\xa1N", 7, 2};
    static const struct pw_list answers[] = {{(const uint8_t *)"\x91\x94\x01\xa0\x00\x00", 6, 1},
                                             {(const uint8_t *)"\x91\x94\x02\xa0\x00\x00", 6, 1}};
    struct pw_command command = {.type = PW_COMMAND_ITEM_DRAFT};
    const struct pw_list *key = &answers[draw(scribe, 2)];
    struct pw_id id;
    uint32_t kind = draw(scribe, 8);
    if (kind > 5 && any_of(scribe, &scribe->exams[tenant], &id)) {
        return bind_command(scribe, tenant, &id);
    }
    if (!any_of(scribe, &scribe->items[tenant], &id) || kind < 2) {
        command.item_draft = (struct pw_item_draft){draw_id(scribe),
                                                    PW_STR("Graz"),
                                                    PW_ITEM_KIND_TRUE_FALSE,
                                                    PW_STR("Is it?"),
                                                    choices,
                                                    PW_SCORING_MATCH_CORRECT,
                                                    *key,
                                                    1 + draw(scribe, 3),
                                                    0};
    } else if (kind == 2) {
        command.type = PW_COMMAND_ITEM_RETIRE;
        command.item_retire.item_id = id;
    } else if (kind == 3) {
        command.type = PW_COMMAND_ITEM_CORRECT_KEY;
        command.item_correct_key =
            (struct pw_item_correct_key){id, 1, *key, PW_REASON_STAFF_MISTAKE};
    } else {
        command.type = PW_COMMAND_ITEM_REVISE;
        command.item_revise = (struct pw_item_revise){id,
                                                      PW_STR("Linz"),
                                                      PW_ITEM_KIND_TRUE_FALSE,
                                                      PW_STR("Was it?"),
                                                      choices,
                                                      PW_SCORING_MATCH_CORRECT,
                                                      *key,
                                                      1 + draw(scribe, 3),
                                                      0};
    }
    return command;
}

/* Seats, and who proctors, of a slot that there is; rarely its end. */
static struct pw_command slot_command(struct scribe *scribe, uint32_t tenant,
                                      const struct pw_id *slot_id)
{
    struct pw_command command = {.type = PW_COMMAND_SLOT_CHANGE_CAPACITY};
    struct pw_id user_id;
    uint32_t kind = draw(scribe, 12);
    command.slot_change_capacity = (struct pw_slot_change_capacity){*slot_id, 1 + draw(scribe, 6)};
    if (kind == 0) {
        command.type = PW_COMMAND_SLOT_CANCEL;
        command.slot_cancel = (struct pw_slot_cancel){*slot_id, PW_REASON_OTHER};
    } else if (kind < 3 && any_of(scribe, &scribe->users[tenant], &user_id)) {
        command.type = PW_COMMAND_SLOT_RELEASE_PROCTOR;
        command.slot_release_proctor = (struct pw_slot_release_proctor){*slot_id, user_id};
    } else if (kind < 9 && any_of(scribe, &scribe->users[tenant], &user_id)) {
        command.type = PW_COMMAND_SLOT_ASSIGN_PROCTOR;
        command.slot_assign_proctor = (struct pw_slot_assign_proctor){*slot_id, user_id};
    }
    return command;
}

static struct pw_command draw_command(struct scribe *scribe, uint32_t tenant)
{
    struct pw_command command = {.type = PW_COMMAND_TENANT_CREATE};
    struct pw_id id;
    uint32_t kind = draw(scribe, 15);
    const struct pw_state *state =
        scribe->folds[pw_partition_of(&scribe->tenants[tenant], SCRIBE_PARTITIONS)].state;
    if (pw_state_tenant(state, &scribe->tenants[tenant]) == NULL) {
        command.tenant_create = (struct pw_tenant_create){.tenant_id = scribe->tenants[tenant],
                                                          .name = PW_STR("Graz"),
                                                          .time_zone = PW_STR("Europe/Vienna"),
                                                          .language = PW_STR("de")};
    } else if (kind == 14) {
        command = draw(scribe, 3) > 0 ? item_command(scribe, tenant)
                                      : accommodation_command(scribe, tenant);
    } else if (kind >= 10) {
        command = people_command(scribe, tenant, pw_state_tenant(state, &scribe->tenants[tenant]));
    } else if (kind < 2 || !any_of(scribe, &scribe->exams[tenant], &id)) {
        command = exam_command(scribe, &scribe->exams[tenant]);
    } else if (kind == 2 || scribe->slots[tenant].count == 0) {
        command.type = PW_COMMAND_SLOT_OPEN;
        command.slot_open = (struct pw_slot_open){
            draw_id(scribe), id, scribe->now_us + (60 + draw(scribe, 20) * 30) * PW_US_PER_MINUTE,
            1 + draw(scribe, 4), 0};
    } else if (kind == 3 && any_of(scribe, &scribe->slots[tenant], &id)) {
        command = slot_command(scribe, tenant, &id);
    } else if (kind < 6 && any_of(scribe, &scribe->reservations[tenant], &id)) {
        command.type = PW_COMMAND_RESERVATION_CANCEL;
        command.reservation_cancel = (struct pw_reservation_cancel){id};
    } else if (any_of(scribe, &scribe->slots[tenant], &id)) {
        command.type = PW_COMMAND_RESERVATION_RESERVE;
        command.reservation_reserve = (struct pw_reservation_reserve){id, draw_id(scribe)};
    }
    return command;
}

static void keep(struct scribe_ids *ids, const struct pw_id *id)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        if (pw_id_equal(&ids->ids[i], id)) {
            return;
        }
    }
    MUST(ids->count < SCRIBE_IDS_MAX);
    ids->ids[ids->count++] = *id;
}

static void keep_event(struct scribe_people *people, const struct pw_event *event)
{
    MUST(people->count < SCRIBE_IDS_MAX);
    people->events[people->count++] = *event;
}

static void keep_ids(struct scribe *scribe, uint32_t tenant, const struct pw_decision *decision)
{
    for (uint32_t i = 0; i < decision->event_count; i++) {
        const struct pw_event *event = &decision->events[i];
        switch (pw_event_info(event->type)->aggregate) {
        case PW_AGGREGATE_exam: keep(&scribe->exams[tenant], &event->stream_id); break;
        case PW_AGGREGATE_slot:
            keep(&scribe->slots[tenant], &event->stream_id);
            if (event->type == PW_EVENT_SLOT_PROCTOR_ASSIGNED ||
                event->type == PW_EVENT_SLOT_PROCTOR_RELEASED) {
                keep_event(&scribe->people[tenant], event);
            }
            break;
        case PW_AGGREGATE_reservation:
            keep(&scribe->reservations[tenant], &event->stream_id);
            break;
        case PW_AGGREGATE_user:
            keep(&scribe->users[tenant], &event->stream_id);
            keep_event(&scribe->people[tenant], event);
            break;
        case PW_AGGREGATE_session:
            keep(&scribe->sessions[tenant], &event->stream_id);
            keep_event(&scribe->people[tenant], event);
            break;
        case PW_AGGREGATE_tenant: keep_event(&scribe->people[tenant], event); break;
        case PW_AGGREGATE_accommodation:
            keep(&scribe->accommodations[tenant], &event->stream_id);
            break;
        case PW_AGGREGATE_item: keep(&scribe->items[tenant], &event->stream_id); break;
        case PW_AGGREGATE_inbox:
        case PW_AGGREGATE_COUNT: break;
        }
    }
}

static struct pw_context context_of(struct scribe *scribe, const struct pw_command *command)
{
    static const struct pw_id teacher = {{[0] = 0x7e}};
    bool by_student = command->type == PW_COMMAND_RESERVATION_RESERVE ||
                      command->type == PW_COMMAND_RESERVATION_CANCEL;
    bool by_admin = command->type == PW_COMMAND_SESSION_REVOKE ||
                    pw_command_info(command->type)->aggregate == PW_AGGREGATE_accommodation;
    return (struct pw_context){
        .decided_at_us = scribe->now_us,
        .actor_id = by_student ? student_of(draw(scribe, STUDENT_COUNT)) : teacher,
        .role = by_student                                  ? PW_ROLE_STUDENT
                : by_admin                                  ? PW_ROLE_ADMIN
                : command->type == PW_COMMAND_TENANT_CREATE ? PW_ROLE_OPERATOR
                                                            : PW_ROLE_TEACHER};
}

static void write_answer(struct scribe *scribe, uint32_t tenant, const struct pw_command *command,
                         const struct pw_context *context, enum pw_code code,
                         const struct pw_chain_point *at)
{
    struct pw_answer answer = {.boundary_id = scribe->tenants[tenant],
                               .actor_id = context->actor_id,
                               .command_id = draw_id(scribe),
                               .command_name = pw_str_of(pw_command_info(command->type)->name),
                               .decided_at_us = at->decided_at_us,
                               .stream_id = *pw_command_target(command),
                               .stream_version = 1};
    if (code != PW_OK) {
        answer.problem_name = pw_str_of(pw_error_info(code)->name);
        answer.detail = PW_STR("no");
    }
    MUST(pw_record_write_answers(&scribe->buffer, at, &scribe->tenants[tenant], &answer, 1) ==
         PW_OK);
}

void scribe_command(struct scribe *scribe)
{
    uint32_t tenant = draw(scribe, SCRIBE_TENANTS);
    uint32_t partition = pw_partition_of(&scribe->tenants[tenant], SCRIBE_PARTITIONS);
    struct pw_fold *fold = &scribe->folds[partition];
    scribe->now_us += 1 + (int64_t)draw(scribe, 30) * PW_US_PER_SECOND;
    struct pw_chain_point at = pw_chain_next(&fold->chain);
    at.decided_at_us = scribe->now_us;
    struct pw_command command = draw_command(scribe, tenant);
    struct pw_context context = context_of(scribe, &command);
    struct pw_decision decision;
    enum pw_code code = pw_decide(pw_state_tenant(fold->state, &scribe->tenants[tenant]), &command,
                                  -1, &context, &decision, NULL);
    if (code != PW_OK || decision.event_count == 0) {
        write_answer(scribe, tenant, &command, &context, code, &at);
    } else {
        struct pw_commit commit = {.tenant_id = scribe->tenants[tenant],
                                   .boundary_id = scribe->tenants[tenant],
                                   .command_id = draw_id(scribe),
                                   .actor_id = context.actor_id,
                                   .role = context.role,
                                   .correlation_id = draw_id(scribe)};
        MUST(pw_record_write_commit(&scribe->buffer, &at, &commit, decision.events,
                                    decision.event_count, NULL, 0) == PW_OK);
        keep_ids(scribe, tenant, &decision);
        scribe->commit_count++;
    }
    scribe_put(scribe, partition, scribe->buffer.data, scribe->buffer.bytes);
}

void scribe_write(struct scribe *scribe, uint32_t record_count)
{
    for (uint32_t i = 0; i < record_count; i++) {
        uint32_t kind = draw(scribe, 20);
        if (kind == 0) {
            scribe_leader(scribe, draw(scribe, SCRIBE_PARTITIONS));
        } else if (kind == 1) {
            scribe_junk(scribe, draw(scribe, SCRIBE_PARTITIONS));
        } else {
            scribe_command(scribe);
        }
    }
}

/* --- What must have come of it --- */

struct expectation {
    const struct pw_projection *projection;
    const struct pw_tenant *state;
    struct pw_batch *batch;
};

static void expect_event(const struct expectation *expectation, const struct pw_event *event)
{
    struct pw_rows rows = {0};
    MUST(expectation->projection->rows(event, expectation->state, &rows, NULL) == PW_OK);
    for (uint32_t i = 0; i < rows.count; i++) {
        if (!is_told(rows.rows[i].table)) {
            put_row(expectation->batch, expectation->state, &rows.rows[i]);
        }
    }
}

static void expect_ids(const struct expectation *expectation, const struct scribe_ids *ids,
                       enum pw_event_type type)
{
    for (uint32_t i = 0; i < ids->count; i++) {
        const struct pw_event event = {.type = type, .stream_id = ids->ids[i]};
        expect_event(expectation, &event);
    }
}

/* The rows of one tenant, each as it must stand: out of the state of today, and of people out of what was said of them; but for steps. */
static void expect_tenant(const struct scribe *scribe, uint32_t tenant,
                          const struct expectation *expectation)
{
    if (expectation->state == NULL) {
        return;
    }
    expect_ids(expectation, &scribe->exams[tenant], PW_EVENT_EXAM_DRAFTED);
    expect_ids(expectation, &scribe->slots[tenant], PW_EVENT_SLOT_OPENED);
    expect_ids(expectation, &scribe->reservations[tenant], PW_EVENT_RESERVATION_RESERVED);
    expect_ids(expectation, &scribe->accommodations[tenant], PW_EVENT_ACCOMMODATION_GRANTED);
    for (uint32_t i = 0; i < scribe->people[tenant].count; i++) {
        expect_event(expectation, &scribe->people[tenant].events[i]);
    }
}

void scribe_expect(const struct scribe *scribe, const struct pw_projection *projection,
                   void (*row)(void *, const struct pw_id *, const struct pw_row *), void *self)
{
    struct expectation expectation = {.projection = projection, .batch = pw_batch_new()};
    for (uint32_t i = 0; i < SCRIBE_TENANTS; i++) {
        uint32_t partition = pw_partition_of(&scribe->tenants[i], SCRIBE_PARTITIONS);
        expectation.state = pw_state_tenant(scribe->folds[partition].state, &scribe->tenants[i]);
        expect_tenant(scribe, i, &expectation);
    }
    for (uint32_t i = 0; i < projection->table_count; i++) {
        uint32_t count = 0;
        const struct pw_table *table = projection->tables[i];
        const struct pw_batch_row *const *rows =
            pw_batch_rows(is_told(table) ? scribe->told : expectation.batch, table, &count);
        for (uint32_t j = 0; j < count; j++) {
            row(self, &rows[j]->tenant_id, &rows[j]->row);
        }
    }
    pw_batch_free(expectation.batch);
}
