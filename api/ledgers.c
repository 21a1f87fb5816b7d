/* api/ledgers.c: the one place that knows which adapters there are. */
#include "api/node.h"
#include "eventstore/file.h"
#include "eventstore/kafka.h"

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
