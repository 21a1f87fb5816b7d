/* api/tests/audit_lines.c: what an auditor is shown of a partition that others lie in too, and that its hashes can be computed from it. */
#include "api/audit_lines.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

static const struct pw_id own = {{1}};
static const struct pw_id other = {{2}};
static const struct pw_id some = {{9}};

#define ANSWER(boundary)                                                                           \
    {                                                                                              \
        .boundary_id = boundary, .actor_id = {{9}}, .command_id = {{9}},                           \
        .command_name = {"a.b", 3}, .decided_at_us = 1000                                          \
    }
static struct pw_answer answers_of_both[] = {ANSWER({{1}}), ANSWER({{2}})};
static const struct pw_chain_point at = {.prev = {{7}}, .height = 5, .decided_at_us = 1000};

struct written {
    struct pw_buffer value;
    struct pw_buffer line;
    struct pw_arena arena;
    struct pw_record record;
    struct pw_chain chain;
};

static void open_written(struct written *written)
{
    *written = (struct written){.chain = {.partition = 3, .head_offset = 12}};
    pw_buffer_init(&written->value, PW_RECORD_BYTES_MAX);
    pw_buffer_init(&written->line, 4 * PW_RECORD_BYTES_MAX);
    pw_arena_init(&written->arena, PW_RECORD_ARENA_BYTES);
}

static void close_written(struct written *written)
{
    pw_buffer_close(&written->value);
    pw_buffer_close(&written->line);
    pw_arena_close(&written->arena);
}

static json_t *line_of(struct written *written, const struct pw_id *tenant_id)
{
    struct pw_err err = {0};
    json_error_t error;
    cr_assert_eq(pw_record_parse(written->value.data, written->value.bytes, &written->arena,
                                 &written->record, &err),
                 PW_OK, "%s", err.detail);
    written->chain.head = pw_record_hash(written->value.data, written->value.bytes);
    pw_audit_add_record(&written->line, &written->chain, &written->record, written->value.data,
                        written->value.bytes, tenant_id);
    json_t *json = json_loadb((const char *)written->line.data, written->line.bytes, 0, &error);
    cr_assert(json != NULL, "%s", error.text);
    return json;
}

static void write_answers(struct pw_buffer *value, const struct pw_id *tenant_id,
                          const struct pw_answer *answers, uint32_t count)
{
    cr_assert_eq(pw_record_write_answers(value, &at, tenant_id, answers, count), PW_OK);
}

static void write_commit(struct pw_buffer *value, const struct pw_id *tenant_id,
                         const struct pw_answer *answers, uint32_t count)
{
    struct pw_commit commit = {.tenant_id = *tenant_id,
                               .boundary_id = *tenant_id,
                               .command_id = some,
                               .actor_id = some,
                               .role = PW_ROLE_ADMIN,
                               .correlation_id = some};
    struct pw_event event = {.type = PW_EVENT_TENANT_RULES_SET,
                             .stream_id = *tenant_id,
                             .stream_version = 2,
                             .tenant_rules_set = {.hold_minutes = 10, .offer_minutes = 60}};
    cr_assert_eq(pw_record_write_commit(value, &at, &commit, &event, 1, answers, count), PW_OK);
}

static void write_genesis(struct pw_buffer *value)
{
    struct pw_genesis genesis = {
        .ledger_id = some, .partition = 3, .partition_count = 4, .horizon_us = 1};
    cr_assert_eq(pw_record_write_genesis(value, &genesis), PW_OK);
}

static void write_leader(struct pw_buffer *value)
{
    struct pw_leader leader = {.node_id = PW_STR("one"), .incarnation = some};
    cr_assert_eq(pw_record_write_leader(value, &at, &leader), PW_OK);
}

/* Whether the tenant is shown the body; in any case the line's hash follows from the line. */
static bool is_shown(struct written *written)
{
    uint8_t bytes[4096];
    struct pw_hash digest;
    struct pw_hash hash;
    uint8_t head[PW_RECORD_HEAD_BYTES];
    json_t *json = line_of(written, &own);
    const char *body = json_string_value(json_object_get(json, "body"));
    const char *hex = json_string_value(json_object_get(json, "body_sha256"));
    cr_assert_eq(body != NULL, hex == NULL);
    if (body != NULL) {
        size_t count = 0;
        cr_assert_eq(sodium_base642bin(bytes, sizeof bytes, body, strlen(body), NULL, &count, NULL,
                                       sodium_base64_VARIANT_URLSAFE_NO_PADDING),
                     0);
        digest = pw_sha256(bytes, count, NULL, 0);
    } else {
        cr_assert(pw_hex_parse(pw_str_of(hex), digest.bytes, sizeof digest.bytes));
        cr_assert_eq(json_object_size(json), 5, "and nothing else of it");
    }
    memcpy(head, "PWL\1", 4);
    cr_assert(pw_hex_parse(pw_str_of(json_string_value(json_object_get(json, "prev"))), head + 4,
                           sizeof head - 4));
    hash = pw_sha256(head, sizeof head, digest.bytes, sizeof digest.bytes);
    cr_expect(pw_hash_equal(&hash, &written->chain.head));
    json_decref(json);
    return body != NULL;
}

Test(audit_lines, who_sees_what)
{
    static const struct {
        const char *name;
        char kind;
        struct pw_id tenant_id;
        uint32_t answer_count; /* Of answers_of_both. */
        uint32_t first_answer;
        bool is_shown;
    } rows[] = {
        {"a genesis is everybody's", 'g', {{0}}, 0, 0, true},
        {"a leader's record is nobody's", 'l', {{0}}, 0, 0, false},
        {"their own commit", 'c', {{1}}, 0, 0, true},
        {"another's commit", 'c', {{2}}, 0, 0, false},
        {"their own commit with an answer of theirs", 'c', {{1}}, 1, 0, true},
        {"their own commit with another's answer", 'c', {{1}}, 1, 1, false},
        {"another's commit with an answer of theirs", 'c', {{2}}, 1, 0, false},
        {"their own answers", 'a', {{1}}, 1, 0, true},
        {"another's answers", 'a', {{2}}, 1, 1, false},
        {"answers of both, under their name", 'a', {{1}}, 2, 0, false},
        {"their answer under another's name", 'a', {{2}}, 1, 0, false},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct written written;
        const struct pw_answer *answers = &answers_of_both[rows[i].first_answer];
        open_written(&written);
        switch (rows[i].kind) {
        case 'g': write_genesis(&written.value); break;
        case 'l': write_leader(&written.value); break;
        case 'c':
            write_commit(&written.value, &rows[i].tenant_id, answers, rows[i].answer_count);
            break;
        default: write_answers(&written.value, &rows[i].tenant_id, answers, rows[i].answer_count);
        }
        cr_expect_eq(is_shown(&written), rows[i].is_shown, "%s", rows[i].name);
        close_written(&written);
    }
    (void)other;
}

Test(audit_lines, a_large_body_is_whole)
{
    struct written written;
    struct pw_answer many[40];
    for (size_t i = 0; i < PW_COUNT(many); i++) {
        many[i] = answers_of_both[0];
    }
    for (uint32_t count = 1; count < PW_COUNT(many); count++) {
        open_written(&written);
        write_answers(&written.value, &own, many, count);
        cr_expect(is_shown(&written), "%u answers, %zu bytes", count, written.value.bytes);
        close_written(&written);
    }
}
