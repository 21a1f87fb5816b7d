/* api/config_check.c: whether values fit their settings, and the files that they name. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/config_internal.h"
#include "api/cors.h"
#include "api/peers.h"
#include "commands/memory.h"

bool pw_address_split(struct pw_str address, char *ret_host, size_t host_room, char *ret_port,
                      size_t port_room)
{
    const char *colon = NULL;
    for (size_t i = 0; i < address.len; i++) {
        colon = address.ptr[i] == ':' ? address.ptr + i : colon;
    }
    if (colon == NULL || colon == address.ptr) {
        return false;
    }
    struct pw_str host = {address.ptr, (size_t)(colon - address.ptr)};
    struct pw_str port = {colon + 1, address.len - host.len - 1};
    if (host.ptr[0] == '[') {
        if (host.len < 3 || host.ptr[host.len - 1] != ']') {
            return false;
        }
        host = (struct pw_str){host.ptr + 1, host.len - 2};
    } else if (memchr(host.ptr, ':', host.len) != NULL) {
        return false;
    }
    if (host.len >= host_room || port.len == 0 || port.len > 5 || port.len >= port_room) {
        return false;
    }
    long number = 0;
    for (size_t i = 0; i < port.len; i++) {
        if (!isdigit((unsigned char)port.ptr[i])) {
            return false;
        }
        number = 10 * number + (port.ptr[i] - '0');
    }
    if (number > 65535) {
        return false;
    }
    memcpy(ret_host, host.ptr, host.len);
    ret_host[host.len] = '\0';
    memcpy(ret_port, port.ptr, port.len);
    ret_port[port.len] = '\0';
    return true;
}

static bool is_address(struct pw_str text)
{
    char host[256];
    char port[8];
    return pw_address_split(text, host, sizeof host, port, sizeof port);
}

static bool are_nodes(const char *value)
{
    while (*value != '\0') {
        size_t len = strcspn(value, ",");
        const char *equals = memchr(value, '=', len);
        if (equals == NULL || equals == value || equals - value > 64) {
            return false;
        }
        if (!is_address((struct pw_str){equals + 1, len - (size_t)(equals + 1 - value)})) {
            return false;
        }
        value += len + (value[len] == ',');
    }
    return true;
}

static enum pw_code check_count(const struct config_info *info, const char *value,
                                struct pw_err *err)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end != '\0' || errno != 0 || number < info->min ||
        number > info->max) {
        return pw_fail(err, PW_ERR_USAGE, "must be a whole number from %lld to %lld",
                       (long long)info->min, (long long)info->max);
    }
    return PW_OK;
}

/* The words are those of the doc, so that they stand in one place. */
static bool is_word_of(const char *doc, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = doc; len > 0 && (at = strstr(at, value)) != NULL; at++) {
        bool begins = at == doc || at[-1] == ' ';
        bool ends = at[len] == '\0' || at[len] == ',' || at[len] == ' ';
        if (begins && ends && strcmp(value, "or") != 0) {
            return true;
        }
    }
    return false;
}

enum pw_code config_value_check(const struct config_info *info, const char *value,
                                struct pw_err *err)
{
    size_t len = strlen(value);
    if (info->type == TYPE_COUNT) {
        return check_count(info, value, err);
    }
    if (info->type == TYPE_WORD) {
        return is_word_of(info->doc, value) ? PW_OK
                                            : pw_fail(err, PW_ERR_USAGE, "must be %s", info->doc);
    }
    if (len < (size_t)info->min || len > (size_t)info->max) {
        return pw_fail(err, PW_ERR_USAGE, "must have %lld to %lld bytes", (long long)info->min,
                       (long long)info->max);
    }
    if (info->type == TYPE_ADDRESS && !is_address(pw_str_of(value))) {
        return pw_fail(err, PW_ERR_USAGE, "must be host:port");
    }
    if (info->type == TYPE_NODES && !are_nodes(value)) {
        return pw_fail(err, PW_ERR_USAGE, "must be id=host:port,...");
    }
    if (info->type == TYPE_NETWORKS) {
        struct pw_networks networks;
        return pw_networks_parse(value, &networks, err);
    }
    if (info->type == TYPE_ORIGINS) {
        struct pw_cors cors;
        return pw_cors_parse(value, &cors, err);
    }
    return PW_OK;
}

static const char *const part_names[] = {"commands", "projections", "queries"};

/* The part that a list's next entry names, or NULL; *list goes on behind it. */
static const char *next_part(const char **list)
{
    size_t len = strcspn(*list, ",");
    const char *found = NULL;
    for (size_t i = 0; i < PW_COUNT(part_names); i++) {
        if (strlen(part_names[i]) == len && memcmp(part_names[i], *list, len) == 0) {
            found = part_names[i];
        }
    }
    *list += len + ((*list)[len] == ',');
    return found;
}

bool pw_config_runs(const struct pw_config *config, const char *part)
{
    bool runs = false;
    for (const char *at = pw_config_text(config, PW_CONFIG_RUN); *at != '\0';) {
        const char *name = next_part(&at);
        runs = runs || (name != NULL && strcmp(name, part) == 0);
    }
    return runs;
}

static enum pw_code check_parts(const struct pw_config *config, struct pw_err *err)
{
    const char *at = pw_config_text(config, PW_CONFIG_RUN);
    bool is_last = false;
    while (!is_last) {
        const char *entry = at;
        is_last = strchr(at, ',') == NULL;
        if (next_part(&at) == NULL) {
            return pw_fail(err, PW_ERR_USAGE,
                           "run: %.*s is no part, must be commands, projections or queries",
                           (int)strcspn(entry, ","), entry);
        }
    }
    return PW_OK;
}

/* A node that the others do not know would lead what none of them finds. */
static enum pw_code check_cluster(const struct pw_config *config, struct pw_err *err)
{
    struct pw_ranks ranks;
    const char *node_id = config->values[PW_CONFIG_CLUSTER_NODE_ID];
    enum pw_code code = pw_peers_ranks(config->values[PW_CONFIG_CLUSTER_NODES], &ranks, err);
    if (code != PW_OK || ranks.count == 0) {
        return code;
    }
    if (pw_ranks_add(&ranks, pw_str_of(node_id))) {
        return pw_fail(err, PW_ERR_USAGE, "cluster.nodes does not name this node, %s", node_id);
    }
    if (config->values[PW_CONFIG_CLUSTER_KEY_FILE][0] == '\0') {
        return pw_fail(err, PW_ERR_USAGE, "cluster.nodes needs cluster.key_file");
    }
    return PW_OK;
}

enum pw_code pw_config_check(const struct pw_config *config, struct pw_err *err)
{
    for (enum pw_config_key key = 0; key < PW_CONFIG_KEY_COUNT; key++) {
        const char *path = config->values[key];
        if (pw_config_infos[key].type == TYPE_FILE && path[0] != '\0' && access(path, R_OK) != 0) {
            return pw_fail(err, PW_ERR_USAGE, "%s: %s: %s", pw_config_infos[key].name, path,
                           strerror(errno));
        }
    }
    bool has_cert = config->values[PW_CONFIG_TLS_CERT_FILE][0] != '\0';
    bool has_key = config->values[PW_CONFIG_TLS_KEY_FILE][0] != '\0';
    if (has_cert != has_key) {
        return pw_fail(err, PW_ERR_USAGE, "tls.cert_file and tls.key_file go together");
    }
    enum pw_code code = check_parts(config, err);
    return code != PW_OK ? code : check_cluster(config, err);
}

enum pw_code pw_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                          struct pw_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s", path, strerror(errno));
    }
    char *data = malloc(bytes_max + 2);
    size_t bytes = 0;
    ssize_t got = data == NULL ? -1 : 1;
    while (got > 0 && bytes <= bytes_max) {
        got = read(fd, data + bytes, bytes_max + 1 - bytes);
        bytes += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    if (got < 0 || bytes > bytes_max) {
        pw_secret_free(data, data == NULL ? 0 : bytes);
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s cannot be read, or is too large", path);
    }
    data[bytes] = '\0';
    *ret_data = data;
    *ret_bytes = bytes;
    return PW_OK;
}

enum pw_code pw_config_files(const struct pw_config *config, enum pw_config_key key,
                             struct pw_config_files **ret_files, struct pw_err *err)
{
    const char *text = pw_config_text(config, key);
    size_t bytes = strlen(text) + 1;
    struct pw_config_files *files = pw_memory_new(1, sizeof *files + bytes);
    memcpy(files->text, text, bytes);
    for (char *at = files->text; *at != '\0';) {
        size_t len = strcspn(at, ",");
        bool goes_on = at[len] == ',';
        if (files->count == PW_CONFIG_FILES_MAX || len == 0) {
            free(files);
            return pw_fail(err, PW_ERR_SETTING_WRONG, "%s must name 1 to %d files",
                           pw_config_name(key), PW_CONFIG_FILES_MAX);
        }
        files->paths[files->count++] = at;
        at[len] = '\0';
        at += len + goes_on;
    }
    *ret_files = files;
    return PW_OK;
}

enum pw_code pw_config_read_file(const struct pw_config *config, enum pw_config_key key,
                                 size_t bytes_min, size_t bytes_max, char **ret_data,
                                 size_t *ret_bytes, struct pw_err *err)
{
    const char *path = pw_config_text(config, key);
    const char *name = pw_config_name(key);
    if (path[0] == '\0') {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s is not set", name);
    }
    char *data = NULL;
    size_t bytes = 0;
    struct pw_err why = {0};
    if (pw_file_read(path, bytes_max + 2, &data, &bytes, &why) != PW_OK) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s", name, why.detail);
    }
    /* A line end is what an editor adds; it is no part of a secret. */
    while (bytes > 0 && (data[bytes - 1] == '\n' || data[bytes - 1] == '\r')) {
        data[--bytes] = '\0';
    }
    if (bytes < bytes_min || bytes > bytes_max) {
        pw_secret_free(data, bytes);
        return pw_fail(err, PW_ERR_SETTING_WRONG, "%s: %s must hold %zu to %zu bytes", name, path,
                       bytes_min, bytes_max);
    }
    *ret_data = data;
    *ret_bytes = bytes;
    return PW_OK;
}

void pw_secret_free(char *data, size_t bytes)
{
    if (data != NULL) {
        sodium_memzero(data, bytes);
        free(data);
    }
}
