/* api/tests/config.c: which origin wins, and what is refused. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/config.h"

static char path[64];

static void write_file(const char *text)
{
    snprintf(path, sizeof path, "/tmp/pw-config-%d-XXXXXX", (int)getpid());
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static enum pw_code load(struct pw_config *config, const char *file, char **environment,
                         struct pw_err *err, const char *flag, const char *value)
{
    char *argv[4] = {"--config", path};
    int argc = 2;
    write_file(file);
    if (flag != NULL) {
        argv[argc++] = (char *)(uintptr_t)flag;
    }
    if (value != NULL) {
        argv[argc++] = (char *)(uintptr_t)value;
    }
    enum pw_code code = pw_config_load(config, argc, argv, environment, NULL, 0, err);
    unlink(path);
    return code;
}

Test(config, a_list_of_files_is_cut_at_its_commas)
{
    static const struct {
        const char *text;
        size_t count; /* SIZE_MAX: it is none. */
        const char *last;
    } rows[] = {
        {"", 0, NULL},
        {"/a", 1, "/a"},
        {"/a,b c", 2, "b c"},
        {"/a,", 1, "/a"},
        {",/a", SIZE_MAX, NULL},
        {"/a,,/b", SIZE_MAX, NULL},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", 16, "16"},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", SIZE_MAX, NULL},
    };
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char *argv[] = {"--tokens.key_files", (char *)(uintptr_t)rows[i].text};
        struct pw_config config;
        struct pw_config_files *files = NULL;
        struct pw_err err = {0};
        cr_assert_eq(pw_config_load(&config, 2, argv, NULL, NULL, 0, &err), PW_OK, "%s",
                     err.detail);
        enum pw_code code = pw_config_files(&config, PW_CONFIG_TOKENS_KEY_FILES, &files, &err);
        cr_expect_eq(code, rows[i].count == SIZE_MAX ? PW_ERR_SETTING_WRONG : PW_OK, "%s",
                     rows[i].text);
        if (code == PW_OK) {
            cr_expect_eq(files->count, rows[i].count, "%s", rows[i].text);
            cr_expect(files->count == 0 ||
                      strcmp(files->paths[files->count - 1], rows[i].last) == 0);
        }
        free(files);
        pw_config_close(&config);
    }
}

Test(config, flags_over_environment_over_file_over_defaults)
{
    struct pw_config config;
    char *environment[] = {"PW_LEDGER_TOPIC=env", "PW_GALERA_USER=env", "HOME=/", NULL};
    static const char file[] = "# A comment\n ledger.topic = file \ngalera.user=file\n\n"
                               "galera.database = file";
    cr_assert_eq(load(&config, file, environment, NULL, "--ledger.topic=flag", NULL), PW_OK);
    cr_expect_str_eq(pw_config_text(&config, PW_CONFIG_LEDGER_TOPIC), "flag");
    cr_expect_str_eq(pw_config_text(&config, PW_CONFIG_GALERA_USER), "env");
    cr_expect_str_eq(pw_config_text(&config, PW_CONFIG_GALERA_DATABASE), "file");
    cr_expect_eq(pw_config_count(&config, PW_CONFIG_LEDGER_PARTITIONS), 16);
    cr_expect_eq(config.origins[PW_CONFIG_LEDGER_TOPIC], PW_ORIGIN_FLAG);
    cr_expect_eq(config.origins[PW_CONFIG_GALERA_USER], PW_ORIGIN_ENVIRONMENT);
    cr_expect_neq(pw_config_text(&config, PW_CONFIG_CLUSTER_NODE_ID)[0], '\0');
    pw_config_close(&config);
}

Test(config, kafka_settings_go_through)
{
    struct pw_config config;
    char *environment[] = {"PW_KAFKA_BOOTSTRAP_SERVERS=b:1", NULL};
    cr_assert_eq(load(&config, "kafka.bootstrap.servers = a:1\nkafka.sasl.password = x\n",
                      environment, NULL, "--kafka.client.id", "me"),
                 PW_OK);
    cr_assert_eq(config.kafka_count, 3);
    cr_expect_str_eq(config.kafka[0].name, "bootstrap.servers");
    cr_expect_str_eq(config.kafka[0].value, "b:1");
    cr_expect_str_eq(config.kafka[2].value, "me");
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    pw_config_print(&config, false, out);
    pw_config_print(&config, true, out);
    fclose(out);
    cr_expect(strstr(text, "kafka.sasl.password = ***") != NULL);
    cr_expect(strstr(text, "= x") == NULL);
    free(text);
    pw_config_close(&config);
}

static const struct row {
    const char *name;
    const char *file;
    const char *variable;
    const char *flag;
    const char *value;
    const char *said; /* Part of the message. */
} rows[] = {
    {"unknown in the file", "ledger.topik = x", NULL, NULL, NULL, "did you mean ledger.topic?"},
    {"unknown variable", "", "PW_LEDGER_TOPIK=x", NULL, NULL, "environment"},
    {"unknown flag", "", NULL, "--http.lisen=1:2", NULL, "did you mean http.listen?"},
    {"no assignment", "hello", NULL, NULL, NULL, "line 1"},
    {"flag without value", "", NULL, "--ledger.topic", NULL, "needs a value"},
    {"no flag at all", "", NULL, "ledger.topic", NULL, "unexpected argument"},
    {"not a number", "", NULL, "--http.threads=many", NULL, "whole number"},
    {"a negative number", "", NULL, "--http.threads=-1", NULL, "whole number"},
    {"too many", "", NULL, "--http.threads=65", NULL, "from 1 to 64"},
    {"not an address", "", NULL, "--http.listen=8080", NULL, "host:port"},
    {"no such port", "", NULL, "--http.listen=h:70000", NULL, "host:port"},
    {"not nodes", "", NULL, "--cluster.nodes=a:1", NULL, "id=host:port"},
    {"not a network", "", NULL, "--http.trusted_proxies=10.0.0.1/8", NULL, "is no network"},
    {"not an origin", "", NULL, "--http.cors_origins=https://a.example/", NULL, "is no origin"},
    {"a body of nothing", "", NULL, "--http.body_bytes_max=0", NULL, "from 1024 to"},
    {"not a level", "", NULL, "--log.level=loud", NULL, "debug, info"},
    {"empty topic", "", NULL, "--ledger.topic=", NULL, "bytes"},
    {"a secret as a flag", "", NULL, "--kafka.sasl.password=x", NULL, "file only"},
    {"a secret as a variable", "", "PW_KAFKA_SASL_PASSWORD=x", NULL, NULL, "file only"},
};

Test(config, refuses)
{
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        struct pw_config config;
        struct pw_err err = {0};
        char *environment[] = {(char *)(uintptr_t)rows[i].variable, NULL};
        cr_expect_eq(load(&config, rows[i].file, environment, &err, rows[i].flag, rows[i].value),
                     PW_ERR_USAGE, "%s", rows[i].name);
        cr_expect(strstr(err.detail, rows[i].said) != NULL, "%s: %s", rows[i].name, err.detail);
        pw_config_close(&config);
    }
}

Test(config, accepts)
{
    static const char *const flags[] = {"--http.listen=[::1]:80",
                                        "--log.level=warning",
                                        "--cluster.nodes=a=h:1,b=[::1]:2",
                                        "--http.threads=64",
                                        "--tls.cert_file=",
                                        "--http.trusted_proxies=10.0.0.0/8, ::1",
                                        "--http.cors_origins=https://a.example",
                                        "--limits.token_per_second=0"};
    for (size_t i = 0; i < PW_COUNT(flags); i++) {
        struct pw_config config;
        struct pw_err err = {0};
        cr_expect_eq(load(&config, "", NULL, &err, flags[i], NULL), PW_OK, "%s", err.detail);
        pw_config_close(&config);
    }
}

Test(config, parts_are_named)
{
    struct pw_config config;
    struct pw_err err = {0};
    cr_assert_eq(load(&config, "", NULL, NULL, NULL, NULL), PW_OK);
    cr_expect(pw_config_runs(&config, "commands") && pw_config_runs(&config, "projections") &&
              pw_config_runs(&config, "queries"));
    pw_config_close(&config);
    cr_assert_eq(load(&config, "run = queries,projections", NULL, NULL, NULL, NULL), PW_OK);
    cr_expect_eq(pw_config_check(&config, &err), PW_OK, "%s", err.detail);
    cr_expect(!pw_config_runs(&config, "commands") && pw_config_runs(&config, "queries"));
    pw_config_close(&config);
    static const char *const wrong[] = {"--run=command", "--run=commands,",
                                        "--run=commands, queries", "--run=,queries",
                                        "--run=commands;queries"};
    for (size_t i = 0; i < PW_COUNT(wrong); i++) {
        cr_assert_eq(load(&config, "", NULL, NULL, wrong[i], NULL), PW_OK);
        cr_expect_eq(pw_config_check(&config, &err), PW_ERR_USAGE, "%s", wrong[i]);
        cr_expect(strstr(err.detail, "must be commands, projections or queries") != NULL, "%s",
                  err.detail);
        pw_config_close(&config);
    }
}

Test(config, a_cluster_names_this_node)
{
    static const struct {
        const char *nodes;
        const char *id;
        const char *said; /* NULL: good. */
    } clusters[] = {
        {"b=h:1,c=h:2", "a", "does not name this node, a"},
        {"a=h:1,b=h:2,a=h:3", "a", "stands there twice"},
        {"a=h:1,b=h:2", "a", "needs cluster.key_file"},
        {"", "a", NULL},
    };
    for (size_t i = 0; i < PW_COUNT(clusters); i++) {
        struct pw_config config;
        struct pw_err err = {0};
        char file[200];
        snprintf(file, sizeof file, "cluster.nodes = %s\ncluster.node_id = %s\n", clusters[i].nodes,
                 clusters[i].id);
        cr_assert_eq(load(&config, file, NULL, &err, NULL, NULL), PW_OK, "%s", err.detail);
        enum pw_code code = pw_config_check(&config, &err);
        cr_expect_eq(code, clusters[i].said == NULL ? PW_OK : PW_ERR_USAGE, "%s", err.detail);
        cr_expect(clusters[i].said == NULL || strstr(err.detail, clusters[i].said) != NULL, "%s",
                  err.detail);
        pw_config_close(&config);
    }
}

Test(config, files_are_checked)
{
    struct pw_config config;
    struct pw_err err = {0};
    char *data = NULL;
    size_t bytes = 0;
    cr_assert_eq(load(&config, "", NULL, NULL, "--tls.cert_file=/dev/null", NULL), PW_OK);
    cr_expect_eq(pw_config_check(&config, &err), PW_ERR_USAGE);
    cr_expect(strstr(err.detail, "go together") != NULL);
    cr_expect_eq(
        pw_config_read_file(&config, PW_CONFIG_LEDGER_SECRET_FILE, 1, 9, &data, &bytes, &err),
        PW_ERR_SETTING_WRONG);
    pw_config_close(&config);
    write_file("12345678\n");
    char kept[64];
    snprintf(kept, sizeof kept, "%s", path);
    char flag[128];
    snprintf(flag, sizeof flag, "--ledger.secret_file=%s", kept);
    cr_assert_eq(load(&config, "", NULL, NULL, flag, NULL), PW_OK);
    cr_assert_eq(
        pw_config_read_file(&config, PW_CONFIG_LEDGER_SECRET_FILE, 8, 8, &data, &bytes, &err),
        PW_OK, "%s", err.detail);
    cr_expect_str_eq(data, "12345678");
    pw_secret_free(data, bytes);
    cr_expect_eq(
        pw_config_read_file(&config, PW_CONFIG_LEDGER_SECRET_FILE, 9, 20, &data, &bytes, &err),
        PW_ERR_SETTING_WRONG);
    unlink(kept);
    pw_config_close(&config);
}
