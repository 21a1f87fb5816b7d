/* api/config_print.c: the settings as a person or a machine reads them. */
#include <jansson.h>

#include "api/config_internal.h"

static json_t *entry(const char *value, enum pw_config_origin origin, bool is_secret)
{
    return json_pack("{s:s, s:s}", "value", is_secret ? "***" : value, "origin",
                     config_origin_name(origin));
}

static void print_json(const struct pw_config *config, FILE *out)
{
    json_t *all = json_object();
    for (enum pw_config_key key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        json_object_set_new(all, pw_config_infos[key].name,
                            entry(config->values[key], config->origins[key], false));
    }
    for (size_t i = 0; i < config->kafka_count; i++) {
        char name[256];
        snprintf(name, sizeof name, "kafka.%s", config->kafka_names[i]);
        json_object_set_new(all, name,
                            entry(config->kafka_values[i], config->kafka_origins[i],
                                  config_kafka_is_secret(config->kafka_names[i])));
    }
    json_dumpf(all, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(all);
}

void pw_config_print(const struct pw_config *config, bool as_json, FILE *out)
{
    if (as_json) {
        print_json(config, out);
        return;
    }
    for (enum pw_config_key key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        fprintf(out, "%s = %s  # %s\n", pw_config_infos[key].name, config->values[key],
                config_origin_name(config->origins[key]));
    }
    for (size_t i = 0; i < config->kafka_count; i++) {
        bool is_secret = config_kafka_is_secret(config->kafka_names[i]);
        fprintf(out, "kafka.%s = %s  # %s\n", config->kafka_names[i],
                is_secret ? "***" : config->kafka_values[i],
                config_origin_name(config->kafka_origins[i]));
    }
}

void pw_config_help(FILE *out)
{
    fprintf(out, "Settings, as --name VALUE, as PW_NAME in the environment, or in the file that\n"
                 "--config names (" PW_CONFIG_FILE_DEFAULT "):\n");
    for (enum pw_config_key key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        const struct config_info *info = &pw_config_infos[key];
        fprintf(out, "  --%s  [%s]\n      %s\n", info->name, info->fallback, info->doc);
    }
    fprintf(out, "  --kafka.NAME\n      NAME of librdkafka, such as bootstrap.servers\n");
}
