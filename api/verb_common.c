/* api/verb_common.c: what verbs share. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "api/verbs.h"

extern char **environ;

int pw_verb_fail(enum pw_code code, const char *detail)
{
    const struct pw_error_info *info = pw_error_info(code);
    fprintf(stderr, "proctorwise: %s%s%s\n", info->title, detail[0] != '\0' ? ": " : "", detail);
    switch (code) {
    case PW_ERR_USAGE:
    case PW_ERR_SETTING_WRONG: return PW_EXIT_USAGE;
    case PW_ERR_LEDGER_DOWN:
    case PW_ERR_READ_MODEL_DOWN:
    case PW_ERR_NO_LEADER: return PW_EXIT_UNREACHABLE;
    default: return PW_EXIT_WRONG;
    }
}

int pw_verb_load(struct pw_config *config, int argc, char **argv, const struct pw_flag *flags,
                 size_t flag_count)
{
    struct pw_err err = {0};
    enum pw_code code = pw_config_load(config, argc, argv, environ, flags, flag_count, &err);
    return code == PW_OK ? PW_EXIT_GOOD : pw_verb_fail(code, err.detail);
}

bool pw_verb_needs(const struct pw_verb_text *text, const char *name)
{
    if (text->text == NULL) {
        fprintf(stderr, "proctorwise: --%s is needed; see --help\n", name);
    }
    return text->text != NULL;
}

bool pw_verb_id(const struct pw_verb_text *text, const char *name, struct pw_id *ret_id)
{
    bool good = text->text == NULL || pw_id_parse(pw_str_of(text->text), ret_id);
    if (!good) {
        fprintf(stderr, "proctorwise: --%s must be a UUID\n", name);
    }
    return good;
}

bool pw_verb_needs_id(const struct pw_verb_text *text, const char *name)
{
    struct pw_id id;
    return pw_verb_needs(text, name) && pw_verb_id(text, name, &id);
}

bool pw_verb_at(const struct pw_verb_text *text, const char *name, int64_t *ret_at_us)
{
    bool good = text->text == NULL || pw_at_parse(pw_str_of(text->text), ret_at_us);
    if (!good) {
        fprintf(stderr, "proctorwise: --%s must be a moment such as 2027-02-01T09:00:00+01:00\n",
                name);
    }
    return good;
}

bool pw_verb_number(const struct pw_verb_text *text, int64_t max, int64_t *ret_number)
{
    char *end = NULL;
    if (text->text == NULL) {
        return true;
    }
    errno = 0;
    long long number = strtoll(text->text, &end, 10);
    if (errno != 0 || end == text->text || *end != '\0' || number < 0 || number > max) {
        fprintf(stderr, "proctorwise: %s is not a number that fits here\n", text->text);
        return false;
    }
    *ret_number = number;
    return true;
}

bool pw_verb_projections(const char *const *names, size_t name_count,
                         const struct pw_projection **ret_projections, uint32_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < name_count; i++) {
        uint32_t at = 0;
        while (at < pw_projection_count && strcmp(pw_projections[at]->name, names[i]) != 0) {
            at++;
        }
        if (at == pw_projection_count) {
            fprintf(stderr, "proctorwise: there is no read model %s; see docs/read-models.md\n",
                    names[i]);
            return false;
        }
        ret_projections[(*ret_count)++] = pw_projections[at];
    }
    for (uint32_t i = 0; name_count == 0 && i < pw_projection_count; i++) {
        ret_projections[(*ret_count)++] = pw_projections[i];
    }
    return true;
}

/* As much of a line as fits; false where that is not all. */
static bool read_line(char *ret_text, size_t room)
{
    if (fgets(ret_text, (int)room, stdin) == NULL) {
        return false;
    }
    size_t len = strcspn(ret_text, "\r\n");
    bool is_whole = ret_text[len] != '\0';
    ret_text[len] = '\0';
    return is_whole;
}

bool pw_verb_ask_secret(const char *question, char *ret_text, size_t room)
{
    struct termios before;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        fputs("proctorwise: nobody can be asked for a password: there is no terminal\n", stderr);
        return false;
    }
    struct termios silent = before;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    /* In this order: what is typed once the question stands there is not shown, and not thrown away. */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fputs(question, stderr);
    bool is_read = read_line(ret_text, room);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return is_read;
}

enum pw_code pw_key_read(const char *path, uint8_t ret_secret_key[64], struct pw_hash *ret_public,
                         struct pw_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    uint8_t seed[32];
    enum pw_code code = pw_file_read(path, 4096, &text, &bytes, err);
    if (code != PW_OK) {
        return code;
    }
    json_t *key = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *curve = json_string_value(json_object_get(key, "crv"));
    const char *d = json_string_value(json_object_get(key, "d"));
    if (curve == NULL || strcmp(curve, "Ed25519") != 0 || d == NULL ||
        !pw_base64url_parse(pw_str_of(d), seed, sizeof seed)) {
        code =
            pw_fail(err, PW_ERR_USAGE, "%s is not an Ed25519 key as admin keygen writes it", path);
    } else {
        crypto_sign_seed_keypair(ret_public->bytes, ret_secret_key, seed);
    }
    json_decref(key);
    sodium_memzero(seed, sizeof seed);
    pw_secret_free(text, bytes);
    return code;
}
