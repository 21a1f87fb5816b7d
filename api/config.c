/* api/config.c: flags over environment over file over defaults, all by one table. */
#include "api/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/config_internal.h"

const struct config_info pw_config_infos[PW_CONFIG_KEY_COUNT] = {
#define PW_CONFIG(UPPER, name, type, fallback, min, max, doc)                                      \
    [PW_CONFIG_##UPPER] = {name, TYPE_##type, fallback, min, max, doc},
#include "api/config.def"
#undef PW_CONFIG
};

static const char *const origin_names[] = {
    [PW_ORIGIN_DEFAULT] = "default",
    [PW_ORIGIN_FILE] = "file",
    [PW_ORIGIN_ENVIRONMENT] = "environment",
    [PW_ORIGIN_FLAG] = "flag",
};

const char *config_origin_name(enum pw_config_origin origin)
{
    return origin_names[origin];
}

static char *copy_text(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL) {
        fputs("proctorwise: out of memory\n", stderr);
        abort();
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

/* Levenshtein's distance, for names of up to 63 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    size_t b_len = strnlen(b, 63);
    for (size_t j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0' && i < 63; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < b_len; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j + 1] + 1 < best ? row[j + 1] + 1 : best;
            diagonal = row[j + 1];
            row[j + 1] = best;
        }
    }
    return row[b_len];
}

static const char *nearest_name(const char *name)
{
    size_t best = 0;
    for (size_t key = 1; key < PW_CONFIG_KEY_COUNT; key++) {
        if (distance(name, pw_config_infos[key].name) <
            distance(name, pw_config_infos[best].name)) {
            best = key;
        }
    }
    return pw_config_infos[best].name;
}

bool config_kafka_is_secret(const char *name)
{
    static const char *const words[] = {"password", "secret", ".key.pem", "sasl.oauthbearer.config",
                                        "key.pem"};
    for (size_t i = 0; i < PW_COUNT(words); i++) {
        if (strstr(name, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static enum pw_code set_kafka(struct pw_config *config, const char *name, const char *value,
                              enum pw_config_origin origin, struct pw_err *err)
{
    if (origin != PW_ORIGIN_FILE && config_kafka_is_secret(name)) {
        return pw_fail(err, PW_ERR_USAGE,
                       "%s: kafka.%s holds a secret: set it in the configuration file only",
                       config_origin_name(origin), name);
    }
    size_t i = 0;
    while (i < config->kafka_count && strcmp(config->kafka_names[i], name) != 0) {
        i++;
    }
    if (i == PW_KAFKA_SETTINGS_MAX) {
        return pw_fail(err, PW_ERR_USAGE, "more than %d kafka settings", PW_KAFKA_SETTINGS_MAX);
    }
    if (i == config->kafka_count) {
        config->kafka_names[i] = copy_text(name, strlen(name));
        config->kafka_count++;
    }
    free(config->kafka_values[i]);
    config->kafka_values[i] = copy_text(value, strlen(value));
    config->kafka_origins[i] = origin;
    config->kafka[i] = (struct pw_kafka_setting){config->kafka_names[i], config->kafka_values[i]};
    return PW_OK;
}

/* Origins come in rising order, so that whoever sets last wins. */
static enum pw_code set_value(struct pw_config *config, const char *name, const char *value,
                              enum pw_config_origin origin, struct pw_err *err)
{
    if (strncmp(name, "kafka.", 6) == 0 && name[6] != '\0') {
        return set_kafka(config, name + 6, value, origin, err);
    }
    for (size_t key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        const struct config_info *info = &pw_config_infos[key];
        if (strcmp(info->name, name) == 0) {
            struct pw_err why = {0};
            if (config_value_check(info, value, &why) != PW_OK) {
                return pw_fail(err, PW_ERR_USAGE, "%s: %s: %s", config_origin_name(origin), name,
                               why.detail);
            }
            free(config->values[key]);
            config->values[key] = copy_text(value, strlen(value));
            config->origins[key] = origin;
            return PW_OK;
        }
    }
    return pw_fail(err, PW_ERR_USAGE, "%s: there is no setting %s; did you mean %s?",
                   config_origin_name(origin), name, nearest_name(name));
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

static enum pw_code read_line(struct pw_config *config, char *line, const char *path, int number,
                              struct pw_err *err)
{
    char *name = trim(line);
    if (*name == '\0' || *name == '#') {
        return PW_OK;
    }
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        return pw_fail(err, PW_ERR_USAGE, "%s, line %d: not of the form name = value", path,
                       number);
    }
    *equals = '\0';
    struct pw_err why = {0};
    if (set_value(config, trim(name), trim(equals + 1), PW_ORIGIN_FILE, &why) != PW_OK) {
        return pw_fail(err, PW_ERR_USAGE, "%s, line %d: %s", path, number, why.detail);
    }
    return PW_OK;
}

static enum pw_code load_file(struct pw_config *config, const char *path, bool must_exist,
                              struct pw_err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        if (errno == ENOENT && !must_exist) {
            return PW_OK;
        }
        return pw_fail(err, PW_ERR_USAGE, "%s: %s", path, strerror(errno));
    }
    config->file = copy_text(path, strlen(path));
    char *line = NULL;
    size_t room = 0;
    int number = 0;
    enum pw_code code = PW_OK;
    ssize_t bytes;
    while (code == PW_OK && (bytes = getline(&line, &room, file)) >= 0) {
        number++;
        code = strlen(line) == (size_t)bytes
                   ? read_line(config, line, path, number, err)
                   : pw_fail(err, PW_ERR_USAGE, "%s, line %d: has a NUL", path, number);
    }
    free(line);
    fclose(file);
    return code;
}

/* PW_LEDGER_TOPIC is ledger.topic and PW_LEDGER_SECRET_FILE is ledger.secret_file: names are
 * compared with dots as underscores. librdkafka's names have dots throughout. */
static enum pw_code load_variable(struct pw_config *config, const char *variable,
                                  struct pw_err *err)
{
    const char *equals = strchr(variable, '=');
    char name[128] = "";
    if (equals == NULL || equals - variable >= (ptrdiff_t)sizeof name) {
        return PW_OK;
    }
    for (size_t i = 0; variable + 3 + i < equals; i++) {
        name[i] = (char)tolower((unsigned char)variable[3 + i]);
        name[i + 1] = '\0';
    }
    for (size_t key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        const char *known = pw_config_infos[key].name;
        size_t i = 0;
        while (known[i] != '\0' && name[i] == (known[i] == '.' ? '_' : known[i])) {
            i++;
        }
        if (known[i] == '\0' && name[i] == '\0') {
            return set_value(config, known, equals + 1, PW_ORIGIN_ENVIRONMENT, err);
        }
    }
    for (char *at = name; *at != '\0'; at++) {
        *at = *at == '_' ? '.' : *at;
    }
    return set_value(config, name, equals + 1, PW_ORIGIN_ENVIRONMENT, err);
}

static enum pw_code load_environment(struct pw_config *config, char **environment,
                                     struct pw_err *err)
{
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++) {
        bool is_setting =
            strncmp(environment[i], "PW_", 3) == 0 && strncmp(environment[i], "PW_TEST_", 8) != 0;
        if (is_setting) {
            enum pw_code code = load_variable(config, environment[i], err);
            if (code != PW_OK) {
                return code;
            }
        }
    }
    return PW_OK;
}

/* One argument, cut into name and value; *ret_value is NULL where there was no `=`. */
static bool cut_flag(const char *argument, char *ret_name, size_t room, const char **ret_value)
{
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        return false;
    }
    const char *equals = strchr(argument, '=');
    size_t len = equals != NULL ? (size_t)(equals - argument) - 2 : strlen(argument) - 2;
    if (len >= room) {
        return false;
    }
    memcpy(ret_name, argument + 2, len);
    ret_name[len] = '\0';
    *ret_value = equals != NULL ? equals + 1 : NULL;
    return true;
}

static const struct pw_flag *flag_of(const struct pw_flag *flags, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(flags[i].name, name) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

static enum pw_code take_switch(const struct pw_flag *flag, const char *value, struct pw_err *err)
{
    if (value != NULL) {
        return pw_fail(err, PW_ERR_USAGE, "--%s takes no value", flag->name);
    }
    *flag->is_set = true;
    return PW_OK;
}

static enum pw_code take_text(const struct pw_flag *flag, const char *value, struct pw_err *err)
{
    if (*flag->text_count == flag->text_max) {
        return pw_fail(err, PW_ERR_USAGE, "%s%s is given too often",
                       flag->name[0] != '\0' ? "--" : "",
                       flag->name[0] != '\0' ? flag->name : value);
    }
    flag->texts[(*flag->text_count)++] = value;
    return PW_OK;
}

/* Walks the arguments. Settings are only applied when `config` is given: the first walk finds
 * --config, which must be read before them. */
static enum pw_code walk_flags(struct pw_config *config, int argc, char **argv,
                               const struct pw_flag *flags, size_t flag_count, const char **file,
                               struct pw_err *err)
{
    for (int i = 0; i < argc; i++) {
        char name[128];
        const char *value;
        const struct pw_flag *words = flag_of(flags, flag_count, PW_FLAG_WORDS);
        bool is_flag = cut_flag(argv[i], name, sizeof name, &value);
        if (!is_flag && (words == NULL || argv[i][0] == '-')) {
            return pw_fail(err, PW_ERR_USAGE, "unexpected argument %s", argv[i]);
        }
        const struct pw_flag *flag = is_flag ? flag_of(flags, flag_count, name) : words;
        enum pw_code code = PW_OK;
        if (!is_flag) {
            code = config == NULL ? take_text(words, argv[i], err) : PW_OK;
        } else if (flag != NULL && flag->is_set != NULL) {
            code = config == NULL ? take_switch(flag, value, err) : PW_OK;
        } else {
            if (value == NULL && i + 1 == argc) {
                return pw_fail(err, PW_ERR_USAGE, "--%s needs a value", name);
            }
            value = value != NULL ? value : argv[++i];
            if (strcmp(name, "config") == 0) {
                *file = value;
            } else if (flag != NULL) {
                code = config == NULL ? take_text(flag, value, err) : PW_OK;
            } else if (config != NULL) {
                code = set_value(config, name, value, PW_ORIGIN_FLAG, err);
            }
        }
        if (code != PW_OK) {
            return code;
        }
    }
    return PW_OK;
}

static void set_defaults(struct pw_config *config)
{
    for (size_t key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        const char *text = pw_config_infos[key].fallback;
        config->values[key] = copy_text(text, strlen(text));
    }
    char host[65] = "";
    if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
        free(config->values[PW_CONFIG_CLUSTER_NODE_ID]);
        config->values[PW_CONFIG_CLUSTER_NODE_ID] = copy_text(host, strlen(host));
    }
}

enum pw_code pw_config_load(struct pw_config *config, int argc, char **argv, char **environment,
                            const struct pw_flag *flags, size_t flag_count, struct pw_err *err)
{
    *config = (struct pw_config){0};
    set_defaults(config);
    const char *file = NULL;
    enum pw_code code = walk_flags(NULL, argc, argv, flags, flag_count, &file, err);
    if (code == PW_OK) {
        code = load_file(config, file != NULL ? file : PW_CONFIG_FILE_DEFAULT, file != NULL, err);
    }
    if (code == PW_OK) {
        code = load_environment(config, environment, err);
    }
    if (code == PW_OK) {
        code = walk_flags(config, argc, argv, flags, flag_count, &file, err);
    }
    return code;
}

void pw_config_close(struct pw_config *config)
{
    for (size_t key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        free(config->values[key]);
    }
    for (size_t i = 0; i < config->kafka_count; i++) {
        free(config->kafka_names[i]);
        free(config->kafka_values[i]);
    }
    free(config->file);
    *config = (struct pw_config){0};
}

const char *pw_config_text(const struct pw_config *config, enum pw_config_key key)
{
    return config->values[key];
}

uint32_t pw_config_count(const struct pw_config *config, enum pw_config_key key)
{
    assert(pw_config_infos[key].type == TYPE_COUNT);
    return (uint32_t)strtoul(config->values[key], NULL, 10);
}

const char *pw_config_name(enum pw_config_key key)
{
    return pw_config_infos[key].name;
}
