/* bench_upserts: the limit that a projection worker is measured against: the same rows, upserted by
 * array binding and nothing else, one table a thread, each through a node of its own.
 *
 *   bench_upserts --nodes HOST:PORT,... --user NAME --password-file FILE --database NAME TABLE ...
 *
 * Each table's rows are read in the order of the ledger, its copy `bench_<table>` is made empty, and
 * the rows go there, 1,000 a message and transaction. Prints the rows and the seconds that the last
 * thread took. */
#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_A_MESSAGE 1000
#define COLUMNS_MAX    32
#define TABLES_MAX     8

struct column {
    char name[65];
    bool is_integer;
    int64_t *integers;
    char **pointers;
    unsigned long *lengths;
    char *indicators; /* Of each row: whether it has NULL there. */
};

struct copy {
    const char *table;
    char host[64];
    unsigned port;
    MYSQL *link;
    struct column columns[COLUMNS_MAX];
    uint32_t column_count;
    uint64_t row_count;
    pthread_t thread;
};

static char nodes[2000];
static const char *user;
static const char *database;
static char password[256];

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_upserts: %s\n", what);
        exit(1);
    }
}

static void *memory(size_t count, size_t size)
{
    void *got = calloc(count + 1, size);
    must(got != NULL, "memory");
    return got;
}

static void run(struct copy *copy, const char *format)
{
    char sql[400];
    snprintf(sql, sizeof sql, format, copy->table, copy->table);
    must(mysql_query(copy->link, sql) == 0, mysql_error(copy->link));
}

static void connect_to(struct copy *copy)
{
    copy->link = mysql_init(NULL);
    must(mysql_real_connect(copy->link, copy->host, user, password, database, copy->port, NULL,
                            0) != NULL,
         mysql_error(copy->link));
}

/* Takes the table's rows into column-wise arrays. */
static void rows_read(struct copy *copy)
{
    run(copy, "SELECT * FROM %s ORDER BY record_offset");
    MYSQL_RES *result = mysql_store_result(copy->link);
    must(result != NULL, mysql_error(copy->link));
    copy->row_count = mysql_num_rows(result);
    copy->column_count = mysql_num_fields(result);
    must(copy->column_count <= COLUMNS_MAX, "too many columns");
    MYSQL_FIELD *fields = mysql_fetch_fields(result);
    for (uint32_t i = 0; i < copy->column_count; i++) {
        struct column *column = &copy->columns[i];
        snprintf(column->name, sizeof column->name, "%s", fields[i].name);
        column->is_integer = IS_NUM(fields[i].type);
        column->integers = memory(copy->row_count, sizeof(int64_t));
        column->pointers = memory(copy->row_count, sizeof(char *));
        column->lengths = memory(copy->row_count, sizeof(unsigned long));
        column->indicators = memory(copy->row_count, 1);
    }
    for (uint64_t row = 0; row < copy->row_count; row++) {
        MYSQL_ROW cells = mysql_fetch_row(result);
        unsigned long *lengths = mysql_fetch_lengths(result);
        for (uint32_t i = 0; i < copy->column_count; i++) {
            struct column *column = &copy->columns[i];
            if (cells[i] == NULL) {
                column->indicators[row] = STMT_INDICATOR_NULL;
                continue;
            }
            if (column->is_integer) {
                column->integers[row] = strtoll(cells[i], NULL, 10);
                continue;
            }
            column->pointers[row] = memory(lengths[i], 1);
            memcpy(column->pointers[row], cells[i], lengths[i]);
            column->lengths[row] = lengths[i];
        }
    }
    mysql_free_result(result);
}

static MYSQL_STMT *upsert_prepare(struct copy *copy)
{
    char sql[4000];
    size_t at = (size_t)snprintf(sql, sizeof sql, "INSERT INTO bench_%s VALUES (?", copy->table);
    for (uint32_t i = 1; i < copy->column_count; i++) {
        at += (size_t)snprintf(sql + at, sizeof sql - at, ", ?");
    }
    at += (size_t)snprintf(sql + at, sizeof sql - at, ") ON DUPLICATE KEY UPDATE ");
    for (uint32_t i = 0; i < copy->column_count; i++) {
        const char *name = copy->columns[i].name;
        at += (size_t)snprintf(sql + at, sizeof sql - at, "%s%s = VALUES(%s)", i == 0 ? "" : ", ",
                               name, name);
    }
    MYSQL_STMT *statement = mysql_stmt_init(copy->link);
    must(mysql_stmt_prepare(statement, sql, at) == 0, mysql_stmt_error(statement));
    return statement;
}

static void message_send(struct copy *copy, MYSQL_STMT *statement, uint64_t from, unsigned count)
{
    MYSQL_BIND binds[COLUMNS_MAX] = {{0}};
    for (uint32_t i = 0; i < copy->column_count; i++) {
        struct column *column = &copy->columns[i];
        binds[i].buffer_type = column->is_integer ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
        binds[i].buffer = column->is_integer ? (void *)(column->integers + from)
                                             : (void *)(column->pointers + from);
        binds[i].length = column->lengths + from;
        binds[i].u.indicator = column->indicators + from;
    }
    mysql_stmt_attr_set(statement, STMT_ATTR_ARRAY_SIZE, &count);
    must(mysql_stmt_bind_param(statement, binds) == 0 && mysql_stmt_execute(statement) == 0,
         mysql_stmt_error(statement));
}

static void *copy_run(void *self)
{
    struct copy *copy = self;
    MYSQL_STMT *statement = upsert_prepare(copy);
    for (uint64_t row = 0; row < copy->row_count; row += ROWS_A_MESSAGE) {
        uint64_t left = copy->row_count - row;
        run(copy, "BEGIN");
        message_send(copy, statement, row, left < ROWS_A_MESSAGE ? (unsigned)left : ROWS_A_MESSAGE);
        run(copy, "COMMIT");
    }
    mysql_stmt_close(statement);
    return NULL;
}

/* The n-th node of the list, modulo their number. */
static void node_of(uint32_t number, struct copy *copy)
{
    char list[sizeof nodes];
    uint32_t count = 1;
    for (const char *at = nodes; *at != '\0'; at++) {
        count += *at == ',';
    }
    memcpy(list, nodes, sizeof list);
    char *entry = strtok(list, ",");
    for (uint32_t i = 0; i < number % count; i++) {
        entry = strtok(NULL, ",");
    }
    char *colon = strrchr(entry, ':');
    must(colon != NULL, "--nodes HOST:PORT,...");
    *colon = '\0';
    snprintf(copy->host, sizeof copy->host, "%s", entry);
    copy->port = (unsigned)atoi(colon + 1);
}

static void password_read(const char *path)
{
    FILE *file = fopen(path, "r");
    must(file != NULL && fgets(password, sizeof password, file) != NULL, path);
    password[strcspn(password, "\n")] = '\0';
    fclose(file);
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct copy copies[TABLES_MAX];
    uint32_t table_count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--nodes") == 0 && i + 1 < argc) {
            snprintf(nodes, sizeof nodes, "%s", argv[++i]);
        } else if (strcmp(argv[i], "--user") == 0 && i + 1 < argc) {
            user = argv[++i];
        } else if (strcmp(argv[i], "--password-file") == 0 && i + 1 < argc) {
            password_read(argv[++i]);
        } else if (strcmp(argv[i], "--database") == 0 && i + 1 < argc) {
            database = argv[++i];
        } else {
            must(table_count < TABLES_MAX, "too many tables");
            copies[table_count++].table = argv[i];
        }
    }
    must(nodes[0] != '\0' && user != NULL && database != NULL && table_count > 0,
         "--nodes, --user, --password-file, --database and a table are needed");
    uint64_t rows = 0;
    for (uint32_t i = 0; i < table_count; i++) {
        node_of(i, &copies[i]);
        connect_to(&copies[i]);
        rows_read(&copies[i]);
        run(&copies[i], "DROP TABLE IF EXISTS bench_%s");
        run(&copies[i], "CREATE TABLE bench_%s LIKE %s");
        rows += copies[i].row_count;
    }
    double begun_s = now_s();
    for (uint32_t i = 0; i < table_count; i++) {
        must(pthread_create(&copies[i].thread, NULL, copy_run, &copies[i]) == 0, "thread");
    }
    for (uint32_t i = 0; i < table_count; i++) {
        pthread_join(copies[i].thread, NULL);
    }
    double seconds = now_s() - begun_s;
    for (uint32_t i = 0; i < table_count; i++) {
        run(&copies[i], "DROP TABLE bench_%s");
        mysql_close(copies[i].link);
    }
    printf("{\"rows\": %llu, \"seconds\": %.3f}\n", (unsigned long long)rows, seconds);
    return 0;
}
