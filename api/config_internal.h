/* api/config_internal.h: what the pages of the configuration share. Nobody else includes it. */
#ifndef PW_API_CONFIG_INTERNAL_H
#define PW_API_CONFIG_INTERNAL_H

#include "api/config.h"

enum config_type {
    TYPE_TEXT,
    TYPE_COUNT,
    TYPE_ADDRESS,
    TYPE_FILE,
    TYPE_NODES,
    TYPE_NETWORKS,
    TYPE_ORIGINS,
    TYPE_WORD
};

struct config_info {
    const char *name;
    enum config_type type;
    const char *fallback;
    int64_t min;
    int64_t max;
    const char *doc;
};

extern const struct config_info pw_config_infos[PW_CONFIG_KEY_COUNT];

const char *config_origin_name(enum pw_config_origin origin);
bool config_kafka_is_secret(const char *name);

/* Whether one value fits its setting; the detail says what it must be. */
enum pw_code config_value_check(const struct config_info *info, const char *value,
                                struct pw_err *err);

#endif
