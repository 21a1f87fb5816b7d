/* api/tests/query_people.c: people and sessions, asked for on a real cluster of three nodes, with the keys of a running node on a
 * simulated log. PW_TEST_GALERA and PW_TEST_GALERA_PASSWORD_FILE say where the cluster is. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/query.h"
#include "api/sealing.h"
#include "api/tests/vault_rig.h"
#include "commands/tests/people.h"
#include "eventstore/key_adapters.h"
#include "projections/batch.h"
#include "projections/galera_storage.h"
#include "projections/migrate.h"
#include "projections/tests/cluster.h"

#define IN_2000      INT64_C(946684800000000)
#define IN_2100      INT64_C(4102444800000000)
#define EVE          20 /* Her key is lost. */
#define TRACE        "0af7651916cd43dd8448eb211c80319c"
#define UUID(digits) "70000000-0000-0000-0000-0000000000" digits

static struct pw_key_sim *sim;
static struct pw_masters *masters;
static struct node node;
static struct test_cluster cluster;
static struct pw_query_pool *pool;
static struct pw_id key_of[256];

static enum pw_code open_sim(bool reads_only, struct pw_key_log *ret_log, struct pw_err *err)
{
    (void)reads_only;
    (void)err;
    *ret_log = pw_key_sim_open(sim);
    return PW_OK;
}

/* --- What stands in the tables --- */

#define SEALED_ROOM 64
static uint8_t sealed_texts[SEALED_ROOM][PW_SEALED_BYTES_MAX];
static uint32_t sealed_count;

static struct pw_str sealed(uint8_t user, const char *field, const char *plain)
{
    char associated[PW_SEALING_BYTES_MAX];
    const struct pw_id user_id = ID(user);
    uint8_t *bytes = sealed_texts[sealed_count++];
    GOOD(pw_vault_seal(node.vault, &world_tenant_id, &key_of[user],
                       pw_sealing_associated(&user_id, field, associated), pw_str_of(plain), bytes,
                       &err));
    return (struct pw_str){(const char *)bytes, strlen(plain) + PW_PAYLOAD_EXTRA_BYTES};
}

static struct pw_hash tag(const char *email)
{
    struct pw_hash hash;
    GOOD(pw_sealing_email_tag(node.vault, &world_tenant_id, &key_of[200], pw_str_of(email), &hash,
                              &err));
    return hash;
}

static struct pw_event registered(uint8_t user, uint32_t roles, const char *email, const char *name)
{
    GOOD(pw_vault_create(node.vault, &world_tenant_id, PW_KEY_PERSONAL, &key_of[user], &err));
    return (struct pw_event){EVENT(USER_REGISTERED, user, 1),
                             .user_registered = {.key_id = key_of[user],
                                                 .email = sealed(user, "user.email", email),
                                                 .email_tag = tag(email),
                                                 .name = sealed(user, "user.name", name),
                                                 .roles = roles}};
}

static struct pw_event opened(uint8_t session, uint8_t user, const char *label, int64_t expires_at)
{
    return (struct pw_event){EVENT(SESSION_OPENED, session, 1),
                             .session_opened = {.user_id = ID(user),
                                                .label = label[0] != '\0'
                                                             ? sealed(user, "session.label", label)
                                                             : PW_STR(""),
                                                .expires_at = expires_at,
                                                .ends_at = IN_2100}};
}

static void write_projection(struct pw_storage *storage, const struct pw_projection *projection,
                             const struct pw_event *events, uint32_t count)
{
    static const struct pw_stored_position from = {.record_offset = -1};
    const struct pw_stored_position to = {.record_offset = 7, .head = {{0xab}}, .writer_epoch = 1};
    struct pw_batch *batch = pw_batch_new();
    struct pw_state *state = pw_state_new();
    struct pw_err err = {0};
    bool hit = false;
    for (uint32_t i = 0; i < count; i++) {
        struct pw_rows rows = {0};
        cr_assert_eq(pw_state_evolve(state, &world_tenant_id, &events[i], NULL, &err), PW_OK, "%s",
                     err.detail);
        cr_assert_eq(
            projection->rows(&events[i], pw_state_tenant(state, &world_tenant_id), &rows, &err),
            PW_OK);
        for (uint32_t j = 0; j < rows.count; j++) {
            struct pw_batch_row row = {world_tenant_id, rows.rows[j], NINE + i, i};
            pw_batch_put(batch, &row);
        }
    }
    cr_assert_eq(storage->begin(storage->self, &err), PW_STORED, "%s", err.detail);
    for (uint32_t i = 0; i < projection->table_count; i++) {
        uint32_t row_count = 0;
        const struct pw_batch_row *const *rows =
            pw_batch_rows(batch, projection->tables[i], &row_count);
        cr_assert_gt(row_count, 0);
        cr_assert_eq(
            storage->upsert(storage->self, 1, projection->tables[i], rows, row_count, &err),
            PW_STORED, "%s", err.detail);
    }
    storage->create_position(storage->self, projection->name, 1, 0, &world_tenant_id, 1, &err);
    storage->move_position(storage->self, projection->name, 1, 0, &from, &to, &hit, &err);
    cr_assert(hit, "%s", err.detail);
    cr_assert_eq(storage->commit(storage->self, &err), PW_STORED, "%s", err.detail);
    pw_state_free(state);
    pw_batch_free(batch);
}

static struct pw_galera_options cluster_options(void)
{
    return (struct pw_galera_options){.nodes = cluster.nodes,
                                      .user = "proctorwise",
                                      .database = cluster.database,
                                      .password_file = cluster.password_file,
                                      .timeout_s = 30};
}

static void fill(void)
{
    struct pw_galera_options options = cluster_options();
    struct pw_storage storage;
    GOOD(pw_galera_storage_open(&options, &storage, &err));
    GOOD(pw_vault_create(node.vault, &world_tenant_id, PW_KEY_EQUALITY, &key_of[200], &err));
    struct pw_event events[] = {
        CREATED,
        EQUALITY_CHOSEN,
        registered(14, PW_ROLE(ADMIN) | PW_ROLE(TEACHER), "Ada@Graz.Example", "Ada \"A\" Planted"),
        registered(10, PW_ROLE(STUDENT), "ann@graz.example", "Änn Planted"),
        registered(11, PW_ROLE(STUDENT), "bob@graz.example", "Bob Planted"),
        registered(EVE, PW_ROLE(GRADER), "eve@graz.example", "Eve Planted"),
        PREFERS(10, 2),
        opened(60, 10, "Planted telephone", IN_2100),
        opened(61, 10, "", IN_2100),
        opened(62, 10, "", IN_2000),
        opened(63, 14, "Planted desk", IN_2100),
        opened(64, 14, "", IN_2100),
        ENDED(64, 2, 14, "revoked"),
        REFRESHED(61, 2, 10, NINE + 5, IN_2100 + 5),
        {EVENT(USER_KEY_DESTROYED, 11, 2), .user_key_destroyed = {key_of[11]}},
    };
    events[1].tenant_equality_key_chosen.key_id = key_of[200];
    write_projection(&storage, &pw_users_projection, events, PW_COUNT(events));
    write_projection(&storage, &pw_sessions_projection, events, PW_COUNT(events));
    pw_vault_forget(node.vault, &key_of[EVE]);
    storage.close(storage.self);
}

static void open_pool(struct pw_vault *vault)
{
    struct pw_galera_options options = cluster_options();
    GOOD(pw_query_pool_new(&options, 1, vault, &pool, &err));
}

static void open_all(void)
{
    cr_assert(sodium_init() >= 0);
    cluster = test_cluster_open();
    sim = pw_key_sim_new();
    masters = rig_masters();
    node_open(&node, open_sim, masters);
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    GOOD(pw_migrate(galera, NULL, &err));
    pw_galera_free(galera);
    fill();
    open_pool(node.vault);
}

static void close_all(void)
{
    pw_query_pool_free(pool);
    node_close(&node);
    pw_key_sim_free(sim);
    pw_masters_free(masters);
    test_cluster_close(&cluster);
}

/* --- Asking --- */

struct waiting {
    struct pw_query_ask ask; /* First. */
    pthread_mutex_t lock;
    pthread_cond_t came;
    bool done;
};

static void on_done(struct pw_query_ask *ask)
{
    struct waiting *waiting = (struct waiting *)ask;
    pthread_mutex_lock(&waiting->lock);
    waiting->done = true;
    pthread_cond_signal(&waiting->came);
    pthread_mutex_unlock(&waiting->lock);
}

struct question {
    const char *query;
    uint8_t actor;
    uint32_t roles;
    uint8_t key;       /* 0: none. */
    const char *email; /* NULL: any. */
    int64_t role;      /* PW_ROLE_COUNT: any. */
    int64_t state;     /* 0: any. */
    uint8_t of;        /* Of this person; 0: anybody. */
    const char *body;  /* Of many items, their ids. */
    enum pw_code code;
    bool elsewhere; /* Of a tenant that keeps no accounts. */
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

static void set_filters(struct pw_query_ask *ask, const struct question *question)
{
    for (uint32_t i = 0; i < PW_QUERY_FILTERS_MAX && ask->info->filters[i].name != NULL; i++) {
        bool is_set = false;
        switch (ask->info->filters[i].kind) {
        case PW_ANSWER_ROLES:
            is_set = question->role != PW_ROLE_COUNT;
            ask->filter_numbers[i] = question->role;
            break;
        case PW_ANSWER_SEALED:
            is_set = question->email != NULL;
            ask->email = is_set ? pw_str_of(question->email) : PW_STR("");
            break;
        case PW_ANSWER_WORD:
            is_set = question->state != 0;
            ask->filter_numbers[i] = question->state;
            break;
        default:
            is_set = question->of != 0;
            ask->filter_ids[i] = (struct pw_id)ID(question->of);
            break;
        }
        ask->filter_bits |= is_set ? UINT32_C(1) << i : 0;
    }
}

/* The answer's body, in the arena. */
static struct pw_str answer_to(const struct question *question, struct pw_arena *arena,
                               enum pw_code *ret_code)
{
    struct waiting waiting = {
        .ask = {.info = query_named(question->query),
                .trace_id = TRACE,
                .arena = arena,
                .tenant_id = question->elsewhere ? (struct pw_id)OTHER_TENANT : world_tenant_id,
                .actor_id = ID(question->actor),
                .actor_roles = question->roles,
                .key = ID(question->key),
                .limit = 50,
                .done = on_done}};
    pthread_mutex_init(&waiting.lock, NULL);
    pthread_cond_init(&waiting.came, NULL);
    set_filters(&waiting.ask, question);
    cr_assert_eq(pw_query_submit(pool, &waiting.ask), PW_OK);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.done) {
        pthread_cond_wait(&waiting.came, &waiting.lock);
    }
    pthread_mutex_unlock(&waiting.lock);
    *ret_code = waiting.ask.code;
    cr_expect(waiting.ask.code != PW_OK || waiting.ask.position.offset == 7);
    return waiting.ask.body;
}

/* `a,b` of {"id":"...a",...},{"id":"...b",...}: the last two digits of each. */
static const char *ids_of(struct pw_str body, char *text)
{
    static const char mark[] = "{\"id\":\"" UUID("");
    size_t at = 0;
    for (size_t i = 0; i + sizeof mark + 2 < body.len; i++) {
        if (memcmp(body.ptr + i, mark, sizeof mark - 1) == 0) {
            at += (size_t)sprintf(text + at, "%s%.2s", at > 0 ? "," : "",
                                  body.ptr + i + sizeof mark - 1);
        }
    }
    text[at] = '\0';
    return text;
}

#define ADMIN   .actor = 14, .roles = PW_ROLE(ADMIN), .role = PW_ROLE_COUNT
#define STUDENT .actor = 10, .roles = PW_ROLE(STUDENT), .role = PW_ROLE_COUNT
#define ANN_SHOWN                                                                                  \
    "{\"id\":\"" UUID(                                                                             \
        "0a") "\",\"state\":\"active\",\"roles\":[\"student\"],"                                   \
              "\"email\":\"ann@graz.example\",\"name\":\"Änn Planted\",\"has_password\":false,"   \
              "\"language\":\"en-GB\",\"time_zone\":\"Europe/London\",\"version\":2,"              \
              "\"changed_at\":\"2027-01-15T08:00:00.000006Z\"}"

static const struct question questions[] = {
    {"user", ADMIN, .key = 10, .body = ANN_SHOWN},
    {"me", STUDENT, .key = 10, .body = ANN_SHOWN},
    {"me", STUDENT, .key = 14,
     .code = PW_ERR_NOT_FOUND}, /* The key is the door's, the scope is not. */
    {"user", ADMIN, .key = 14,
     .body = "{\"id\":\"" UUID(
         "0e") "\",\"state\":\"active\",\"roles\":[\"teacher\",\"admin\"],"
               "\"email\":\"Ada@Graz.Example\",\"name\":\"Ada \\\"A\\\" Planted\","
               "\"has_password\":false,\"language\":null,\"time_zone\":null,\"version\":1,"
               "\"changed_at\":\"2027-01-15T08:00:00.000002Z\"}"},
    /* Erased, and lost: the state tells them apart. */
    {"user", ADMIN, .key = 11,
     .body = "{\"id\":\"" UUID(
         "0b") "\",\"state\":\"erased\",\"roles\":[\"student\"],"
               "\"email\":null,\"name\":null,\"has_password\":false,\"language\":null,"
               "\"time_zone\":null,\"version\":2,\"changed_at\":\"2027-01-15T08:00:00.000014Z\"}"},
    {"user", ADMIN, .key = EVE,
     .body = "{\"id\":\"" UUID(
         "14") "\",\"state\":\"active\",\"roles\":[\"grader\"],"
               "\"email\":null,\"name\":null,\"has_password\":false,\"language\":null,"
               "\"time_zone\":null,\"version\":1,\"changed_at\":\"2027-01-15T08:00:00.000005Z\"}"},
    {"user", ADMIN, .key = 99, .code = PW_ERR_NOT_FOUND},
    {"users", ADMIN, .body = "0a,0b,0e,14"},
    {"users", .actor = 14, .roles = PW_ROLE(ADMIN), .role = PW_ROLE_STUDENT, .body = "0a,0b"},
    {"users", .actor = 14, .roles = PW_ROLE(ADMIN), .role = PW_ROLE_TEACHER, .body = "0e"},
    {"users", .actor = 14, .roles = PW_ROLE(ADMIN), .role = PW_ROLE_PROCTOR, .body = ""},
    {"users", ADMIN, .state = PW_USER_ERASED, .body = "0b"},
    {"users", ADMIN, .email = "ada@graz.example", .body = "0e"},
    {"users", ADMIN, .email = "ANN@graz.example", .body = "0a"},
    {"users", ADMIN, .email = "bob@graz.example", .body = ""}, /* He was forgotten. */
    {"users", ADMIN, .email = "eve@graz.example", .body = "14"},
    {"users", ADMIN, .email = "ann@graz.exampl", .body = ""},
    {"users", ADMIN, .elsewhere = true, .body = ""},
    {"users", ADMIN, .elsewhere = true, .email = "ann@graz.example", .body = ""},
    {"user", ADMIN, .elsewhere = true, .key = 10, .code = PW_ERR_NOT_FOUND},
    {"sessions", ADMIN, .elsewhere = true, .body = ""},
    /* One that was ended and one that has expired are not shown. */
    {"sessions", STUDENT, .body = "3c,3d"},
    {"sessions", ADMIN, .body = "3c,3d,3f"},
    {"sessions", ADMIN, .of = 14, .body = "3f"},
    {"sessions", .actor = 11, .roles = PW_ROLE(STUDENT), .role = PW_ROLE_COUNT, .body = ""},
};

static void check(const struct question *question, size_t number)
{
    struct pw_arena arena;
    char ids[512];
    enum pw_code code = PW_OK;
    pw_arena_init(&arena, 1 << 20);
    struct pw_str body = answer_to(question, &arena, &code);
    cr_expect_eq(code, question->code, "question %zu", number);
    if (code == PW_OK && query_named(question->query)->is_list) {
        cr_expect_str_eq(ids_of(body, ids), question->body, "question %zu: %.*s", number,
                         (int)body.len, body.ptr);
    } else if (code == PW_OK) {
        cr_expect(pw_str_equal(body, pw_str_of(question->body)), "question %zu: %.*s", number,
                  (int)body.len, body.ptr);
    }
    pw_arena_close(&arena);
}

static void check_labels(void)
{
    static const struct question own = {"sessions", STUDENT};
    static const char wanted[] = "[{\"id\":\"" UUID("3c") "\",\"user_id\":\"" UUID(
        "0a") "\","
              "\"label\":\"Planted telephone\",\"opened_at\":\"2027-01-15T08:00:00.000007Z\","
              "\"refreshed_at\":null,\"expires_at\":\"2100-01-01T00:00:00Z\","
              "\"ends_at\":\"2100-01-01T00:00:00Z\",\"version\":1},"
              "{\"id\":\"" UUID("3d") "\",\"user_id\":\"" UUID(
                  "0a") "\",\"label\":null,"
                        "\"opened_at\":\"2027-01-15T08:00:00.000008Z\","
                        "\"refreshed_at\":\"2027-01-15T08:00:00.000005Z\","
                        "\"expires_at\":\"2100-01-01T00:00:00.000005Z\",\"ends_at\":\"2100-01-"
                        "01T00:00:00Z\","
                        "\"version\":2}]";
    struct pw_arena arena;
    enum pw_code code = PW_OK;
    pw_arena_init(&arena, 1 << 20);
    struct pw_str body = answer_to(&own, &arena, &code);
    cr_expect(pw_str_equal(body, PW_STR(wanted)), "%.*s", (int)body.len, body.ptr);
    pw_arena_close(&arena);
}

/* Every column of every table: what is personal is in none. */
static void check_nothing_plain(void)
{
    struct pw_galera *galera = test_cluster_handle(&cluster, 0);
    struct pw_err err = {0};
    uint32_t columns = 0;
    struct pw_query *query =
        pw_galera_prepare(galera, "SELECT table_name, column_name FROM information_schema.columns "
                                  "WHERE table_schema = DATABASE()");
    test_sql_ok(pw_query_open(query, &err), &err, "the columns");
    while (pw_query_next(query)) {
        char sql[512];
        struct pw_str table = pw_query_text(query, 0);
        struct pw_str column = pw_query_text(query, 1);
        snprintf(sql, sizeof sql,
                 "SELECT COUNT(*) FROM %.*s WHERE HEX(%.*s) REGEXP "
                 "CONCAT(HEX('Planted'), '|', HEX('graz.example'), '|', HEX('Graz.Example'))",
                 (int)table.len, table.ptr, (int)column.len, column.ptr);
        cr_expect_eq(test_integer(galera, sql), 0, "%s", sql);
        columns++;
    }
    cr_expect_gt(columns, 60);
    pw_galera_free(galera);
}

/* What a node says that has no keys, or cannot look at them. */
static void check_with(struct pw_vault *vault, enum pw_code wanted)
{
    static const struct question questions_of_keys[] = {
        {"users", ADMIN}, {"users", ADMIN, .email = "ann@graz.example"}, {"sessions", STUDENT}};
    struct pw_query_pool *with_keys = pool;
    struct pw_arena arena;
    enum pw_code code = PW_OK;
    pw_arena_init(&arena, 1 << 20);
    open_pool(vault);
    for (size_t i = 0; i < PW_COUNT(questions_of_keys); i++) {
        answer_to(&questions_of_keys[i], &arena, &code);
        cr_expect_eq(code, wanted, "question %zu: %d", i, (int)code);
    }
    pw_query_pool_free(pool);
    pool = with_keys;
    pw_arena_close(&arena);
}

/* What is logged while `ask_all` runs. */
static void logged_by(void (*ask_all)(void), char *ret_text, size_t room)
{
    int file = memfd_create("log", MFD_CLOEXEC);
    int kept = dup(STDERR_FILENO);
    cr_assert(file >= 0 && kept >= 0 && dup2(file, STDERR_FILENO) >= 0);
    ask_all();
    cr_assert(dup2(kept, STDERR_FILENO) >= 0);
    ssize_t bytes = pread(file, ret_text, room - 1, 0);
    ret_text[bytes > 0 ? bytes : 0] = '\0';
    close(kept);
    close(file);
}

static void ask_for_what_is_lost(void)
{
    static const struct question eve = {"user", ADMIN, .key = EVE};
    struct pw_arena arena;
    enum pw_code code = PW_OK;
    pw_arena_init(&arena, 1 << 20);
    answer_to(&eve, &arena, &code);
    cr_expect_eq(code, PW_OK);
    pw_arena_close(&arena);
    check_with(NULL, PW_ERR_INTERNAL);
}

/* Whoever has the trace id of a request finds every line of it. */
static void check_log(void)
{
    static char text[65536];
    uint32_t lost = 0;
    uint32_t faults = 0;
    logged_by(ask_for_what_is_lost, text, sizeof text);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        bool is_lost = strstr(line, "does not open") != NULL;
        bool is_fault = strstr(line, "is not set here") != NULL;
        lost += is_lost;
        faults += is_fault;
        cr_expect((!is_lost && !is_fault) || strstr(line, "\"trace_id\":\"" TRACE "\"") != NULL,
                  "%s", line);
    }
    cr_expect_eq(lost, 2, "an address and a name");
    cr_expect_eq(faults, 3);
}

static void check_while_keys_are_out_of_reach(void)
{
    struct node late;
    pw_key_sim_set_down(sim, true);
    node_open(&late, open_sim, masters);
    check_with(late.vault, PW_ERR_KEYS_DOWN);
    node_close(&late);
    pw_key_sim_set_down(sim, false);
}

Test(people, are_shown_to_who_may_see_them)
{
    open_all();
    for (size_t i = 0; i < PW_COUNT(questions); i++) {
        check(&questions[i], i);
    }
    check_labels();
    check_nothing_plain();
    check_log();
    check_while_keys_are_out_of_reach();
    close_all();
}
