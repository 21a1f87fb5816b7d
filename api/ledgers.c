/* api/ledgers.c: the one place that knows which adapters there are. */
#include <stdio.h>
#include <stdlib.h>

#include "api/node.h"
#include "eventstore/file.h"
#include "eventstore/kafka.h"
#include "eventstore/key_adapters.h"

#define OPEN_TIMEOUT_MS 5000

static bool is_file(const struct pw_config *config)
{
    return strcmp(pw_config_text(config, PW_CONFIG_LEDGER_KIND), "file") == 0;
}

static struct pw_kafka_config kafka_of(const struct pw_config *config, bool reads_only)
{
    return (struct pw_kafka_config){
        .topic = pw_config_text(config, PW_CONFIG_LEDGER_TOPIC),
        .settings = config->kafka,
        .setting_count = config->kafka_count,
        .reads_only = reads_only,
    };
}

enum pw_code pw_node_open_ledger(const struct pw_config *config, bool reads_only,
                                 struct pw_ledger_wake wake, struct pw_ledger *ret_ledger,
                                 struct pw_err *err)
{
    if (is_file(config)) {
        struct pw_file_config file = {.dir = pw_config_text(config, PW_CONFIG_LEDGER_DIR),
                                      .reads_only = reads_only};
        return pw_file_open(&file, wake, ret_ledger, err);
    }
    struct pw_kafka_config kafka = kafka_of(config, reads_only);
    return pw_kafka_open(&kafka, wake, OPEN_TIMEOUT_MS, ret_ledger, err);
}

enum pw_code pw_node_open_to_read(const struct pw_config *config, const char *dir,
                                  struct pw_ledger *ret_ledger, struct pw_err *err)
{
    struct pw_ledger_wake no_wake = {NULL, NULL};
    if (dir == NULL) {
        return pw_node_open_ledger(config, true, no_wake, ret_ledger, err);
    }
    struct pw_file_config file = {.dir = dir, .reads_only = true};
    return pw_file_open(&file, no_wake, ret_ledger, err);
}

enum pw_code pw_node_create_ledger(const struct pw_config *config,
                                   const struct pw_ledger_plan *plan, bool *ret_created,
                                   struct pw_id *ret_ledger_id, struct pw_err *err)
{
    if (is_file(config)) {
        struct pw_file_config file = {.dir = pw_config_text(config, PW_CONFIG_LEDGER_DIR)};
        return pw_file_create(&file, plan, ret_created, ret_ledger_id, err);
    }
    struct pw_kafka_config kafka = kafka_of(config, false);
    return pw_kafka_create(&kafka, plan, ret_created, ret_ledger_id, err);
}

/* --- Keys --- */

#define NAME_BYTES 4096 /* A topic or a directory. */

bool pw_node_has_keys(const struct pw_config *config)
{
    return pw_config_text(config, PW_CONFIG_KEYS_MASTER_FILES)[0] != '\0';
}

enum pw_code pw_node_load_masters(const struct pw_config *config, struct pw_masters **ret_masters,
                                  struct pw_err *err)
{
    const char *name = pw_config_name(PW_CONFIG_KEYS_MASTER_FILES);
    struct pw_config_files *files = NULL;
    struct pw_err why = {0};
    enum pw_code code = pw_config_files(config, PW_CONFIG_KEYS_MASTER_FILES, &files, err);
    if (code != PW_OK) {
        return code;
    }
    if (files->count == 0) {
        code = pw_fail(err, PW_ERR_SETTING_WRONG, "%s is not set", name);
    } else if (pw_masters_load(files->paths, files->count, ret_masters, &why) != PW_OK) {
        code = pw_fail(err, why.code, "%s: %s", name, why.detail);
    }
    free(files);
    return code;
}

/* A name of the ledger's and `.keys`; of a directory, without the slashes at its end. */
static void keys_name(const struct pw_config *config, char ret_name[NAME_BYTES])
{
    const char *base =
        pw_config_text(config, is_file(config) ? PW_CONFIG_LEDGER_DIR : PW_CONFIG_LEDGER_TOPIC);
    size_t len = strlen(base);
    while (len > 1 && base[len - 1] == '/') {
        len--;
    }
    snprintf(ret_name, NAME_BYTES, "%.*s.keys", (int)len, base);
}

enum pw_code pw_node_open_keys(const struct pw_config *config, bool reads_only,
                               struct pw_key_log *ret_log, struct pw_err *err)
{
    char name[NAME_BYTES];
    keys_name(config, name);
    if (is_file(config)) {
        return pw_key_file_open(name, ret_log, err);
    }
    struct pw_kafka_config kafka = kafka_of(config, reads_only);
    kafka.topic = name;
    return pw_key_kafka_open(&kafka, OPEN_TIMEOUT_MS, ret_log, err);
}

enum pw_code pw_node_create_keys(const struct pw_config *config, bool *ret_created,
                                 struct pw_err *err)
{
    char name[NAME_BYTES];
    keys_name(config, name);
    if (is_file(config)) {
        return pw_key_file_create(name, ret_created, err);
    }
    struct pw_kafka_config kafka = kafka_of(config, false);
    kafka.topic = name;
    return pw_key_kafka_create(&kafka, pw_config_count(config, PW_CONFIG_LEDGER_REPLICATION_FACTOR),
                               ret_created, err);
}
