/* api/tests/headers.c: the grammar of header fields; cursors; problems. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "api/headers.h"
#include "api/problem.h"
#include "api/query.h"

Test(headers, idempotency_key)
{
    static const struct {
        const char *text;
        bool good;
    } keys[] = {
        {"01890a5d-ac96-774b-bcce-b302099a8057", true},
        {"\"01890a5d-ac96-774b-bcce-b302099a8057\"", true},
        {"01890A5D-AC96-774B-BCCE-B302099A8057", true},
        {"\"01890a5d-ac96-774b-bcce-b302099a8057", false},
        {"01890a5d-ac96-474b-bcce-b302099a8057", false},
        {"01890a5d-ac96-774b-3cce-b302099a8057", false},
        {"", false},
        {"x", false},
        {"\"", false},
    };
    for (size_t i = 0; i < PW_COUNT(keys); i++) {
        struct pw_id id;
        cr_expect_eq(pw_header_key(pw_str_of(keys[i].text), &id), keys[i].good, "%s", keys[i].text);
    }
}

Test(headers, if_match)
{
    static const struct {
        const char *text;
        bool good;
        int64_t version;
    } tags[] = {
        {"\"17\"", true, 17},
        {" \"17\" ", true, 17},
        {"\"0\"", true, 0},
        {"\"4294967295\"", true, 4294967295},
        {"*", true, -1},
        {"W/\"17\"", true, PW_IF_MATCH_NEVER},
        {"\"017\"", true, PW_IF_MATCH_NEVER},
        {"\"4294967296\"", true, PW_IF_MATCH_NEVER},
        {"\"abc\"", true, PW_IF_MATCH_NEVER},
        {"\"\"", true, PW_IF_MATCH_NEVER},
        {"17", false, 0},
        {"\"17", false, 0},
        {"\"17\", \"18\"", false, 0},
        {"", false, 0},
        {"\"1 7\"", false, 0},
    };
    for (size_t i = 0; i < PW_COUNT(tags); i++) {
        int64_t version = 0;
        cr_expect_eq(pw_header_if_match(pw_str_of(tags[i].text), &version), tags[i].good, "%s",
                     tags[i].text);
        cr_expect_eq(version, tags[i].version, "%s", tags[i].text);
    }
}

Test(headers, if_none_match)
{
    struct pw_str etag = PW_STR("\"17\"");
    cr_expect(pw_header_none_match_hits(PW_STR("\"17\""), etag));
    cr_expect(pw_header_none_match_hits(PW_STR("\"a,b\", W/\"17\""), etag));
    cr_expect(pw_header_none_match_hits(PW_STR("*"), etag));
    cr_expect_not(pw_header_none_match_hits(PW_STR("\"1\",\"7\""), etag));
    cr_expect_not(pw_header_none_match_hits(PW_STR(""), etag));
}

Test(headers, accept)
{
    static const struct {
        const char *text;
        bool good;
    } values[] = {
        {"application/json", true},
        {"*/*", true},
        {"application/*", true},
        {"Application/JSON; charset=utf-8", true},
        {"text/html, */*;q=0.1", true},
        {"text/html", false},
        {"application/json;q=0", false},
        {"*/*, application/json;q=0", false},
        {"application/json;q=0.000", false},
        {"application/json;q=0.001", true},
        {"application/jsonp", false},
        {"", true},
    };
    for (size_t i = 0; i < PW_COUNT(values); i++) {
        cr_expect_eq(pw_header_accepts(pw_str_of(values[i].text), PW_STR("application/json")),
                     values[i].good, "%s", values[i].text);
    }
    cr_expect(pw_header_accepts((struct pw_str){NULL, 0}, PW_STR("application/json")));
    struct pw_str both = PW_STR("text/csv;q=0.8, application/*;q=0.25, */*;q=0.1");
    cr_expect_eq(pw_header_quality(both, PW_STR("text/csv")), 800);
    cr_expect_eq(pw_header_quality(both, PW_STR("application/json")), 250);
    cr_expect_eq(pw_header_quality(both, PW_STR("image/png")), 100);
}

Test(headers, content_type)
{
    cr_expect(pw_header_is_json(PW_STR("application/json")));
    cr_expect(pw_header_is_json(PW_STR("APPLICATION/JSON; charset=\"UTF-8\"")));
    cr_expect_not(pw_header_is_json(PW_STR("application/json; charset=latin1")));
    cr_expect_not(pw_header_is_json(PW_STR("text/json")));
    cr_expect_not(pw_header_is_json(PW_STR("")));
    cr_expect(pw_header_is_identity((struct pw_str){NULL, 0}));
    cr_expect(pw_header_is_identity(PW_STR("identity")));
    cr_expect_not(pw_header_is_identity(PW_STR("gzip")));
}

Test(headers, bearer)
{
    struct pw_str token = {NULL, 0};
    cr_expect(pw_header_bearer(PW_STR("bearer  abc"), &token));
    cr_expect(pw_str_equal(token, PW_STR("abc")));
    cr_expect_not(pw_header_bearer(PW_STR("Basic abc"), &token));
    cr_expect_not(pw_header_bearer(PW_STR("Bearer "), &token));
    cr_expect_not(pw_header_bearer((struct pw_str){NULL, 0}, &token));
}

Test(headers, prefer)
{
    uint32_t seconds = 77;
    cr_expect(pw_header_prefer_wait(PW_STR("wait=10"), &seconds) && seconds == 10);
    cr_expect(pw_header_prefer_wait(PW_STR("respond-async, Wait=\"3\""), &seconds) && seconds == 3);
    cr_expect_not(pw_header_prefer_wait(PW_STR("wait"), &seconds));
    cr_expect_not(pw_header_prefer_wait(PW_STR("wait=x"), &seconds));
    cr_expect_not(pw_header_prefer_wait((struct pw_str){NULL, 0}, &seconds));
    cr_expect_eq(seconds, 3);
}

Test(headers, positions)
{
    struct pw_min_position positions[PW_POSITIONS_MAX];
    uint32_t count = 0;
    cr_expect(pw_header_positions(PW_STR("3:10452:9f3a01c2, 4:1"), positions, &count));
    cr_expect_eq(count, 2);
    cr_expect(positions[0].has_head && !positions[1].has_head);
    cr_expect_eq(positions[0].position.offset, 10452);
    cr_expect_not(pw_header_positions(PW_STR("3"), positions, &count));
    cr_expect_not(pw_header_positions(PW_STR("3:1,"), positions, &count));
    cr_expect_not(pw_header_positions(PW_STR(""), positions, &count));
}

Test(headers, cursors_are_of_one_query)
{
    struct pw_query_after after = {.order_at_us = 1234567890123456, .key = {{1, 2, 255}}};
    struct pw_query_after got = {0};
    char text[PW_CURSOR_TEXT_BYTES + 1];
    pw_cursor_format(&after, 3, text);
    cr_expect(pw_cursor_parse(pw_str_of(text), 3, &got));
    cr_expect(got.order_at_us == after.order_at_us && pw_id_equal(&got.key, &after.key));
    cr_expect_not(pw_cursor_parse(pw_str_of(text), 2, &got));
    cr_expect_not(pw_cursor_parse(PW_STR("abc"), 3, &got));
    after.order_at_us = -1;
    pw_cursor_format(&after, 3, text);
    cr_expect_not(pw_cursor_parse(pw_str_of(text), 3, &got), "no moment is below 0");
}

Test(problem, body_has_all_and_leaks_nothing)
{
    struct pw_arena arena;
    pw_arena_init(&arena, 65536);
    struct pw_violations violations = {.items = {{"/a\"b", "must be <x>"}}, .count = 1};
    struct pw_str body =
        pw_problem_body(&arena, PW_ERR_SLOT_FULL, "30 of 30 \"held\"", "abc", NULL);
    cr_expect(pw_str_equal(
                  body, PW_STR("{\"type\":\"/problems/slot-full\",\"title\":\"Every seat of this "
                               "slot is taken\",\"status\":409,\"detail\":\"30 of 30 "
                               "\\\"held\\\"\",\"instance\":\"abc\"}")),
              "%.*s", (int)body.len, body.ptr);
    body = pw_problem_body(&arena, PW_ERR_INTERNAL, "stack and secrets", "abc", NULL);
    cr_expect(memmem(body.ptr, body.len, "secrets", 7) == NULL);
    body = pw_problem_body(&arena, PW_ERR_INVALID, NULL, "abc", &violations);
    cr_expect(memmem(body.ptr, body.len, "\"errors\":[{\"pointer\":\"/a\\\"b\"", 27) != NULL,
              "%.*s", (int)body.len, body.ptr);
    pw_arena_close(&arena);
}

Test(problem, every_code_has_a_status)
{
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        uint32_t status = pw_problem_status((enum pw_code)code);
        cr_expect(status >= 400 && status < 600, "%d", code);
        cr_expect_eq(pw_problem_retry_after((enum pw_code)code) > 0,
                     status == 429 || status == 503);
    }
}

/* --- The statements of queries --- */

static const struct pw_query_info *query_named(const char *name)
{
    for (uint32_t i = 0; i < pw_query_count; i++) {
        if (strcmp(pw_queries[i].name, name) == 0) {
            return &pw_queries[i];
        }
    }
    cr_assert_fail("no query %s", name);
    return NULL;
}

static uint32_t marks_in(struct pw_str sql)
{
    uint32_t count = 0;
    for (size_t i = 0; i < sql.len; i++) {
        count += sql.ptr[i] == '?';
    }
    return count;
}

Test(query, every_shape_binds_what_it_asks)
{
    struct pw_arena arena;
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t count = 0;
    pw_arena_init(&arena, 1 << 20);
    for (uint32_t i = 0; i < pw_query_count; i++) {
        for (uint32_t roles = 1; roles < (1u << PW_ROLE_COUNT); roles++) {
            struct pw_query_ask ask = {.info = &pw_queries[i], .actor_roles = roles, .limit = 5};
            if ((roles & pw_queries[i].roles) == 0) {
                continue;
            }
            ask.has_after = ask.info->is_list;
            for (uint32_t f = 0; f < PW_QUERY_FILTERS_MAX && ask.info->filters[f].name; f++) {
                ask.filter_bits |= 1u << f;
            }
            struct pw_str sql = pw_query_compose(&ask, &arena, binds, &count);
            cr_assert(sql.ptr != NULL);
            cr_expect_eq(marks_in(sql), count, "%s: %s", ask.info->name, sql.ptr);
            pw_arena_reset(&arena);
        }
    }
    pw_arena_close(&arena);
}

Test(query, students_see_their_own_and_admins_all)
{
    struct pw_arena arena;
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t count = 0;
    pw_arena_init(&arena, 1 << 20);
    struct pw_query_ask ask = {.info = query_named("reservations"), .limit = 5};
    ask.actor_roles = PW_ROLE(STUDENT);
    struct pw_str sql = pw_query_compose(&ask, &arena, binds, &count);
    cr_expect(strstr(sql.ptr, "t.student_id = ?") != NULL);
    ask.actor_roles = PW_ROLE(STUDENT) | PW_ROLE(TEACHER);
    sql = pw_query_compose(&ask, &arena, binds, &count);
    cr_expect(strstr(sql.ptr, "t.student_id = ? OR EXISTS") != NULL);
    cr_expect(strstr(sql.ptr, "LEAST(") != NULL, "as current as the older of two read models");
    ask.actor_roles = PW_ROLE(STUDENT) | PW_ROLE(ADMIN);
    sql = pw_query_compose(&ask, &arena, binds, &count);
    cr_expect(strstr(sql.ptr, "t.student_id = ?") == NULL);
    pw_arena_close(&arena);
}

Test(query, sessions_are_ones_own_but_for_an_admin)
{
    struct pw_arena arena;
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t count = 0;
    pw_arena_init(&arena, 1 << 20);
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        struct pw_query_ask ask = {
            .info = query_named("sessions"), .limit = 5, .actor_roles = UINT32_C(1) << role};
        if ((ask.actor_roles & PW_EVERYONE) != 0) {
            struct pw_str sql = pw_query_compose(&ask, &arena, binds, &count);
            cr_expect_eq(strstr(sql.ptr, "AND (t.user_id = ?)") == NULL, role == PW_ROLE_ADMIN,
                         "%s", pw_role_name((enum pw_role)role));
        }
    }
    pw_arena_close(&arena);
}

Test(query, people_are_found_by_role_and_by_the_tag_of_their_address)
{
    static const struct pw_hash tag = {{7, 7}};
    struct pw_arena arena;
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t count = 0;
    pw_arena_init(&arena, 1 << 20);
    struct pw_query_ask ask = {.info = query_named("users"),
                               .actor_roles = PW_ROLE(ADMIN),
                               .limit = 5,
                               .filter_bits = 1 | 4,
                               .filter_numbers = {PW_ROLE_ANALYST},
                               .email = PW_STR("ann@graz.example"),
                               .email_tag = tag};
    struct pw_str sql = pw_query_compose(&ask, &arena, binds, &count);
    cr_expect(strstr(sql.ptr, "t.roles IN (64,65,66,") != NULL, "%s", sql.ptr);
    cr_expect(strstr(sql.ptr, "126,127) AND f.email_tag = ?") != NULL, "%s", sql.ptr);
    cr_expect(strstr(sql.ptr, "graz") == NULL);
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += binds[i].kind == PW_BIND_HASH && pw_hash_equal(&binds[i].hash, &tag);
    }
    cr_expect_eq(found, 1);
    pw_arena_close(&arena);
}

/* A page of sums goes on after the last group, and counts what the asking person may see. */
Test(query, sums_are_grouped_in_the_order_of_their_pages)
{
    static const struct {
        const char *name;
        const char *wanted;
    } rows[] = {
        {"day_fill",
         "e.owner_id = ?)) AND t.day_us > ? GROUP BY t.day_us ORDER BY t.day_us LIMIT ?"},
        {"exam_fill",
         "e.owner_id = ?)) AND t.exam_id > ? GROUP BY t.exam_id ORDER BY t.exam_id LIMIT ?"},
        {"slot_fill",
         "(t.starts_at_us > ? OR t.slot_id > ?) ORDER BY t.starts_at_us, t.slot_id LIMIT"},
    };
    struct pw_arena arena;
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    uint32_t count = 0;
    pw_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_query_ask ask = {.info = query_named(rows[i].name),
                                   .actor_roles = PW_ROLE(TEACHER),
                                   .limit = 5,
                                   .has_after = true,
                                   .after = {.order_at_us = 86400000000}};
        struct pw_str sql = pw_query_compose(&ask, &arena, binds, &count);
        cr_expect(strstr(sql.ptr, rows[i].wanted) != NULL, "%s: %s", rows[i].name, sql.ptr);
        cr_expect(strstr(sql.ptr, "LEAST(") != NULL, "%s", rows[i].name);
        cr_expect(strstr(sql.ptr, "ORDER BY r.c") != NULL, "%s", rows[i].name);
    }
    pw_arena_close(&arena);
}

/* A query's roles are those of its scopes; a filter or a column has a kind that the doors know. */
Test(query, table_fits_together)
{
    for (uint32_t i = 0; i < pw_query_count; i++) {
        const struct pw_query_info *info = &pw_queries[i];
        uint32_t roles = 0;
        for (uint32_t s = 0; s < PW_QUERY_SCOPES_MAX; s++) {
            roles |= info->scopes[s].roles;
        }
        cr_expect_eq(roles, info->roles, "%s", info->name);
        bool has_key = info->key_column != NULL;
        const char *first = has_key ? info->key_column : info->order_column;
        cr_expect_eq(info->columns[0].kind == PW_ANSWER_ID, has_key, "%s", info->name);
        cr_expect_str_eq(info->columns[0].sql, first, "%s", info->name);
        cr_expect(has_key || info->is_list, "%s: a thing has a key", info->name);
        cr_expect(info->grouped_by == NULL || strcmp(info->grouped_by, first) == 0, "%s",
                  info->name);
        bool ordered = info->order_column == NULL;
        for (uint32_t c = 0; c < info->column_count; c++) {
            ordered = ordered || strcmp(info->columns[c].sql, info->order_column) == 0;
        }
        cr_expect(ordered, "%s: the order is among the columns", info->name);
        for (uint32_t c = 0; c < info->column_count; c++) {
            cr_expect_eq(info->columns[c].sealed_as != NULL,
                         info->columns[c].kind == PW_ANSWER_SEALED, "%s", info->columns[c].name);
        }
    }
}
