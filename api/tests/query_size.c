/* api/tests/query_size.c: what a page of a list costs in a tenant that has much, on a real cluster: counted by the rows that the database
 * reads for it, which no busy machine changes. PW_TEST_GALERA and PW_TEST_GALERA_PASSWORD_FILE say where the cluster is. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "api/query.h"
#include "projections/migrate.h"
#include "projections/tests/cluster.h"

/* Two years of days with 8 slots each, of 50 exams and 10 teachers; 20 reservations a slot, 2 in a hundred of them no-shows. */
#define SLOTS        "5840"
#define SEATS        "116799" /* The last of them, from 0. */
#define TENANT       "REPEAT(CHAR(1), 16)"
#define ID(kind, n)  "CONCAT(CHAR(" kind "), UNHEX(LPAD(HEX(" n "), 30, '0')))"
#define STARTS(slot) "(1800000000000000 + (" slot ") * 10800000000)"

static struct test_cluster cluster;
static struct pw_galera *galera;

static struct pw_id id_of(uint8_t kind, uint32_t number)
{
    struct pw_id id = {{[0] = kind}};
    for (int i = 0; i < 4; i++) {
        id.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    }
    return id;
}

static void fill(void)
{
    RUN(galera, "INSERT INTO exams (generation, tenant_id, exam_id, owner_id, draft_title, "
                "draft_duration_minutes, draft_lead_time_minutes, draft_buffer_minutes, "
                "published_number, version, changed_at_us, record_offset) "
                "SELECT 1, " TENANT ", " ID("2", "seq") ", " ID(
                    "3", "seq MOD 10") ", 'x', 60, 0, 0, 1, 1, 1, 1 FROM seq_0_to_49");
    RUN(galera, "INSERT INTO slots (generation, tenant_id, slot_id, exam_id, exam_version, "
                "starts_at_us, ends_at_us, lead_time_minutes, buffer_minutes, capacity, "
                "taken_count, version, state, attended_count, no_show_count, changed_at_us, "
                "record_offset) "
                "SELECT 1, " TENANT
                ", " ID("4", "seq") ", " ID("2", "seq MOD 50") ", 1, " STARTS("seq") ", " STARTS(
                    "seq + 1") ", 0, 0, 30, 20, 1, "
                               "IF(seq MOD 1000 = 0, 3, 1), 15, 5, 1, 1 FROM seq_0_to_" SLOTS);
    RUN(galera,
        "INSERT INTO reservations (generation, tenant_id, reservation_id, slot_id, "
        "exam_id, student_id, state, starts_at_us, ends_at_us, free_again_at_us, version, "
        "changed_at_us, record_offset) "
        "SELECT 1, " TENANT
        ", " ID("5", "seq") ", " ID("4", "seq DIV 20") ", " ID("2", "seq DIV 20 MOD 50") ", " ID(
            "6",
            "seq MOD 5000") ", "
                            "IF(seq MOD 50 = 7, 11, 10), " STARTS("seq DIV 20") ", " STARTS(
                                "seq DIV 20 + 1") ", " STARTS("seq DIV 20 + 1") ", 2, 1, 1 "
                                                                                "FROM "
                                                                                "seq_0_to_" SEATS);
    RUN(galera, "INSERT INTO reservation_steps (generation, tenant_id, reservation_id, version, "
                "event, state, slot_id, starts_at_us, ends_at_us, changed_at_us, record_offset) "
                "SELECT 1, " TENANT
                ", " ID("5", "seq DIV 2") ", 1 + seq MOD 2, 'reservation_reserved', 1, " TENANT
                                          ", 1, 2, 1, 1 "
                                          "FROM seq_0_to_" SEATS);
    RUN(galera, "INSERT INTO pw_positions SELECT name, 1, 0, " TENANT ", 1, 7, REPEAT('x', 32), 1 "
                "FROM pw_projections");
    (void)test_integer(galera, "ANALYZE TABLE exams, slots, reservations, reservation_steps");
}

/* How many rows this connection has read so far, indexes included. */
static int64_t rows_read(void)
{
    return test_integer(galera, "SELECT CAST(SUM(variable_value) AS SIGNED) FROM "
                                "information_schema.session_status WHERE variable_name LIKE "
                                "'Handler_read%'");
}

struct question {
    const char *query;
    uint32_t roles;
    const char *filters[3]; /* By their names; */
    int64_t numbers[3];     /* what they are set to; an id: that of this number. */
    uint32_t items;         /* Of the page. */
    int64_t reads_max;
};

#define ADMIN   PW_ROLE(ADMIN)
#define TEACHER PW_ROLE(TEACHER) /* Number 3, of 5 exams. */
#define DAY_US  INT64_C(86400000000)
#define BEGIN   INT64_C(1800000000000000)
#define NO_SHOW 11

/* A page has 50 items, and looks at the next one; each item is read a few times on its way. */
static const struct question questions[] = {
    {"slot_fill", ADMIN, .items = 50, .reads_max = 400},
    {"slot_fill", TEACHER, .items = 50, .reads_max = 2500},
    {"slot_fill", ADMIN, {"state"}, {3}, .items = 6, .reads_max = 100},
    {"exam_fill", ADMIN, {"exam_id"}, {7}, .items = 1, .reads_max = 300},
    {"exam_fill", ADMIN, {"state"}, {3}, .items = 1, .reads_max = 100},
    {"exam_fill", ADMIN, {"from", "to"}, {BEGIN, BEGIN + DAY_US}, .items = 8, .reads_max = 200},
    {"exam_fill", TEACHER, .items = 5, .reads_max = 1500},
    {"day_fill", ADMIN, .items = 50, .reads_max = 1200},
    {"day_fill", ADMIN, {"from"}, {BEGIN + 400 * DAY_US}, .items = 50, .reads_max = 1200},
    {"day_fill", ADMIN, {"state"}, {3}, .items = 6, .reads_max = 100},
    {"day_fill", ADMIN, {"exam_id"}, {7}, .items = 50, .reads_max = 1000},
    {"reservations", ADMIN, {"state"}, {NO_SHOW}, .items = 50, .reads_max = 400},
    {"reservations", ADMIN, {"exam_id"}, {7}, .items = 50, .reads_max = 400},
    {"reservations", ADMIN, {"state", "exam_id"}, {NO_SHOW, 7}, .items = 50, .reads_max = 3000},
    {"reservations", ADMIN, {"state", "from"}, {NO_SHOW, BEGIN + 400 * DAY_US}, 50, 400},
    {"reservations", ADMIN, {"state", "slot_id"}, {NO_SHOW, 7}, .items = 1, .reads_max = 100},
    {"reservations", ADMIN, {"state", "student_id"}, {NO_SHOW, 7}, .items = 24, .reads_max = 200},
    {"reservation_history", ADMIN, .items = 2, .reads_max = 30},
};

static const struct pw_query_info *query_named(const char *name)
{
    uint32_t i = 0;
    while (strcmp(pw_queries[i].name, name) != 0) {
        i++;
        cr_assert_lt(i, pw_query_count, "%s", name);
    }
    return &pw_queries[i];
}

static uint8_t kind_of(const char *filter)
{
    return strcmp(filter, "exam_id") == 0 ? 2 : strcmp(filter, "slot_id") == 0 ? 4 : 6;
}

static void set_filter(struct pw_query_ask *ask, const char *name, int64_t number)
{
    uint32_t i = 0;
    while (strcmp(ask->info->filters[i].name, name) != 0) {
        i++;
    }
    ask->filter_bits |= UINT32_C(1) << i;
    ask->filter_numbers[i] = number;
    ask->filter_ids[i] = id_of(kind_of(name), (uint32_t)number);
}

static struct pw_query_ask ask_of(const struct question *question)
{
    struct pw_query_ask ask = {.info = query_named(question->query),
                               .actor_roles = question->roles,
                               .actor_id = id_of(3, 3),
                               .param = id_of(5, 7),
                               .limit = 50};
    memset(ask.tenant_id.bytes, 1, sizeof ask.tenant_id.bytes);
    for (size_t i = 0; i < PW_COUNT(question->filters) && question->filters[i] != NULL; i++) {
        set_filter(&ask, question->filters[i], question->numbers[i]);
    }
    return ask;
}

static void bind(struct pw_query *query, const struct pw_query_bind *binds, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (binds[i].kind == PW_BIND_ID) {
            pw_query_bind_id(query, i, &binds[i].id);
        } else {
            pw_query_bind_integer(query, i, binds[i].integer);
        }
    }
}

/* One row more than the page tells that another page follows. */
static void check(const struct question *question, size_t number)
{
    struct pw_query_ask ask = ask_of(question);
    struct pw_query_bind binds[PW_QUERY_BINDS_MAX];
    struct pw_arena arena;
    struct pw_err err = {0};
    uint32_t bind_count = 0;
    uint32_t items = 0;
    pw_arena_init(&arena, 1 << 16);
    struct pw_query *query =
        pw_galera_prepare(galera, pw_query_compose(&ask, &arena, binds, &bind_count).ptr);
    bind(query, binds, bind_count);
    int64_t before = rows_read();
    int64_t of_looking = rows_read() - before;
    before = rows_read();
    test_sql_ok(pw_query_open(query, &err), &err, question->query);
    int64_t reads = rows_read() - before - of_looking;
    while (pw_query_next(query)) {
        items += !pw_query_is_null(query, PW_QUERY_POSITION_COLUMNS);
    }
    cr_expect_eq(items > 50 ? 50 : items, question->items, "question %zu, %s: %u items", number,
                 question->query, items);
    cr_expect_leq(reads, question->reads_max, "question %zu, %s: %lld rows read", number,
                  question->query, (long long)reads);
    pw_query_free(query);
    pw_arena_close(&arena);
}

Test(size, a_page_reads_little_however_much_there_is)
{
    struct pw_err err = {0};
    cluster = test_cluster_open();
    galera = test_cluster_handle(&cluster, 0);
    cr_assert_eq(pw_migrate(galera, NULL, &err), PW_OK, "%s", err.detail);
    fill();
    for (size_t i = 0; i < PW_COUNT(questions); i++) {
        check(&questions[i], i);
    }
    pw_galera_free(galera);
    test_cluster_close(&cluster);
}
