/* api/config.h: the settings, from one table (api/config.def).
 *
 * Contract  Flags (`--ledger.topic=X`, `--ledger.topic X`) win over the environment
 *           (`PW_LEDGER_TOPIC`), that over the file (`ledger.topic = X`, `#` begins a comment
 *           line), that over the defaults. An unknown name, in any of them, is an error that tells
 *           the nearest known one. `kafka.<name>` (`PW_KAFKA_BOOTSTRAP_SERVERS` for
 *           `kafka.bootstrap.servers`) is kept for librdkafka as it is; one that holds a secret is
 *           taken from the file only. PW_TEST_... are no settings.
 * Owner     pw_config_load fills the caller's struct; pw_config_close gives its memory back. Texts
 *           live until then.
 * Threads   Read-only after loading.
 * Errors    USAGE, with the origin and name of what is wrong. */
#ifndef PW_API_CONFIG_H
#define PW_API_CONFIG_H

#include <stdio.h>

#include "eventstore/kafka.h"
#include "schemas/errors.h"

#define PW_CONFIG_FILE_DEFAULT "/etc/proctorwise/proctorwise.conf"
#define PW_KAFKA_SETTINGS_MAX  64

enum pw_config_key {
#define PW_CONFIG(UPPER, ...) PW_CONFIG_##UPPER,
#include "api/config.def"
#undef PW_CONFIG
    PW_CONFIG_KEY_COUNT
};

enum pw_config_origin { PW_ORIGIN_DEFAULT, PW_ORIGIN_FILE, PW_ORIGIN_ENVIRONMENT, PW_ORIGIN_FLAG };

struct pw_config {
    char *values[PW_CONFIG_KEY_COUNT];
    enum pw_config_origin origins[PW_CONFIG_KEY_COUNT];
    char *kafka_names[PW_KAFKA_SETTINGS_MAX];
    char *kafka_values[PW_KAFKA_SETTINGS_MAX];
    enum pw_config_origin kafka_origins[PW_KAFKA_SETTINGS_MAX];
    struct pw_kafka_setting
        kafka[PW_KAFKA_SETTINGS_MAX]; /* The same, as eventstore/kafka.h takes it. */
    size_t kafka_count;
    char *file; /* Where the file's values came from; NULL for none. */
};

/* Flags that belong to a verb, not to the table. Text: the flag takes a value (*text is set,
 * repeats up to text_max); otherwise it is a switch. PW_FLAG_WORDS takes what is no flag: names, in
 * any number up to text_max. */
#define PW_FLAG_WORDS ""
struct pw_flag {
    const char *name; /* `json` for `--json` */
    bool *is_set;
    const char **texts;
    size_t *text_count;
    size_t text_max;
};

/* Reads everything. argv[0] is the first argument after the verb; what is neither flag nor setting
 * is an error. `environment` is environ. A file that --config names must exist; the default one may
 * be missing. */
enum pw_code pw_config_load(struct pw_config *config, int argc, char **argv, char **environment,
                            const struct pw_flag *flags, size_t flag_count, struct pw_err *err);
void pw_config_close(struct pw_config *config);

/* The effective value; an empty text where it is not set. */
const char *pw_config_text(const struct pw_config *config, enum pw_config_key key);
uint32_t pw_config_count(const struct pw_config *config, enum pw_config_key key);
const char *pw_config_name(enum pw_config_key key);

/* Checks what one value alone cannot show: files can be read, TLS files come together. */
enum pw_code pw_config_check(const struct pw_config *config, struct pw_err *err);

/* Whether the node runs a part: `commands`, `projections` or `queries`. */
bool pw_config_runs(const struct pw_config *config, const char *part);

/* The content of the file that a FILE setting names, without a line end at its end. Free it with
 * pw_secret_free. SETTING_WRONG when it is not set, cannot be read, or is not of bytes_min to
 * bytes_max bytes. */
enum pw_code pw_config_read_file(const struct pw_config *config, enum pw_config_key key,
                                 size_t bytes_min, size_t bytes_max, char **ret_data,
                                 size_t *ret_bytes, struct pw_err *err);

/* The files that a TEXT setting names, separated by commas; none where it is not set. SETTING_WRONG
 * where there are more than PW_CONFIG_FILES_MAX, or a name is empty. Free them with free(). */
#define PW_CONFIG_FILES_MAX 16
struct pw_config_files {
    size_t count;
    const char *paths[PW_CONFIG_FILES_MAX];
    char text[]; /* What they point to. */
};
enum pw_code pw_config_files(const struct pw_config *config, enum pw_config_key key,
                             struct pw_config_files **ret_files, struct pw_err *err);

enum pw_code pw_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                          struct pw_err *err);
void pw_secret_free(char *data, size_t bytes);

/* Splits `host:port` (IPv6 as `[::1]:8080`) into buffers of the caller. False: it is neither. */
bool pw_address_split(struct pw_str address, char *ret_host, size_t host_room, char *ret_port,
                      size_t port_room);

/* Prints effective values with their origins; secrets are masked. */
void pw_config_print(const struct pw_config *config, bool as_json, FILE *out);

/* Prints every setting with default and meaning, for --help. */
void pw_config_help(FILE *out);

#endif
