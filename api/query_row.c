/* api/query_row.c: the columns of a row as JSON; what is sealed is opened on the way. */
#include "api/log.h"
#include "api/query.h"
#include "api/sealing.h"

/* Where more values than this do not open, it is the keys that are gone, not a person's key. Each was looked for, which takes its
 * time. */
#define LOST_MAX 16

static void write_roles(struct pw_text *text, int64_t roles)
{
    const char *joint = "[";
    for (int role = 0; role < PW_ROLE_COUNT; role++) {
        if ((roles >> role & 1) != 0) {
            pw_text_addf(text, "%s\"%s\"", joint, pw_role_name((enum pw_role)role));
            joint = ",";
        }
    }
    pw_text_add_c(text, joint[0] == '[' ? "[]" : "]");
}

/* A value that does not open is null, so that one lost key hides nobody else. */
static enum pw_code lost(const struct pw_query_ask *ask, const struct pw_query_column *column,
                         const struct pw_id *user_id, struct pw_query_opener *opener,
                         const struct pw_err *err)
{
    char user[PW_ID_TEXT_BYTES + 1];
    pw_id_format(user_id, user);
    pw_log(PW_LOG_ERROR, "queries", ask->partition, NULL,
           "%s of %s does not open: lost, unless they were erased just now: %s", column->sealed_as,
           user, err->detail);
    return ++opener->lost_count > LOST_MAX ? PW_ERR_INTERNAL : PW_OK;
}

/* bytes: what the table says of sealed columns (api/query_table.h). */
static enum pw_code write_sealed(struct pw_text *text, const struct pw_query_ask *ask,
                                 const struct pw_query_column *column, struct pw_str bytes,
                                 struct pw_query_opener *opener)
{
    struct pw_id user_id;
    struct pw_id key_id;
    char associated[PW_SEALING_BYTES_MAX];
    uint8_t plain[PW_SEALED_BYTES_MAX];
    size_t plain_bytes = 0;
    struct pw_err err = {0};
    if (bytes.len <= sizeof user_id + sizeof key_id) {
        pw_text_add_c(text, "null");
        return PW_OK;
    }
    memcpy(&user_id, bytes.ptr, sizeof user_id);
    memcpy(&key_id, bytes.ptr + sizeof user_id, sizeof key_id);
    struct pw_str sealed = {bytes.ptr + sizeof user_id + sizeof key_id,
                            bytes.len - sizeof user_id - sizeof key_id};
    if (opener->vault == NULL) {
        return pw_fail(&opener->err, PW_ERR_SETTING_WRONG, "keys.master_files is not set here");
    }
    enum pw_code code =
        sealed.len > sizeof plain
            ? pw_fail(&err, PW_ERR_LEDGER_DAMAGED, "it is too long")
            : pw_vault_unseal(opener->vault, &ask->tenant_id, &key_id,
                              pw_sealing_associated(&user_id, column->sealed_as, associated),
                              sealed, plain, &plain_bytes, &err);
    if (code == PW_OK) {
        pw_text_add_json(text, (struct pw_str){(const char *)plain, plain_bytes});
    } else if (code == PW_ERR_NOT_FOUND || code == PW_ERR_LEDGER_DAMAGED) {
        pw_text_add_c(text, "null");
        code = lost(ask, column, &user_id, opener, &err);
    }
    opener->err = code == PW_OK ? opener->err : err;
    return code;
}

static enum pw_code write_column(struct pw_text *text, const struct pw_query_ask *ask,
                                 const struct pw_query_column *column, const struct pw_query *query,
                                 uint32_t at, struct pw_query_opener *opener)
{
    if (pw_query_is_null(query, at)) {
        pw_text_add_c(text, "null");
        return PW_OK;
    }
    struct pw_id id;
    struct pw_str bytes;
    char hex[65];
    switch (column->kind) {
    case PW_ANSWER_ID:
        id = pw_query_id(query, at);
        pw_text_add_json_id(text, &id);
        break;
    case PW_ANSWER_TEXT: pw_text_add_json(text, pw_query_text(query, at)); break;
    case PW_ANSWER_COUNT: pw_text_addf(text, "%lld", (long long)pw_query_integer(query, at)); break;
    case PW_ANSWER_FLAG:
        pw_text_add_c(text, pw_query_integer(query, at) != 0 ? "true" : "false");
        break;
    case PW_ANSWER_AT: pw_text_add_json_at(text, pw_query_integer(query, at)); break;
    case PW_ANSWER_HASH:
        bytes = pw_query_text(query, at);
        pw_hex_format(bytes.ptr, bytes.len == 32 ? 32 : 0, hex);
        pw_text_add_json(text, pw_str_of(hex));
        break;
    case PW_ANSWER_WORD:
        pw_text_add_json(text, pw_str_of(column->words[pw_query_integer(query, at)]));
        break;
    case PW_ANSWER_ROLES: write_roles(text, pw_query_integer(query, at)); break;
    case PW_ANSWER_SEALED: return write_sealed(text, ask, column, pw_query_text(query, at), opener);
    }
    return PW_OK;
}

enum pw_code pw_query_write_row(struct pw_text *text, struct pw_query_ask *ask,
                                const struct pw_query *query, struct pw_query_opener *opener)
{
    const struct pw_query_info *info = ask->info;
    enum pw_code code = PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < info->column_count; i++) {
        const struct pw_query_column *column = &info->columns[i];
        uint32_t at = PW_QUERY_POSITION_COLUMNS + i;
        pw_text_addf(text, "%s\"%s\":", i == 0 ? "{" : ",", column->name);
        code = write_column(text, ask, column, query, at, opener);
        if (strcmp(column->name, "version") == 0) {
            ask->version = (uint32_t)pw_query_integer(query, at);
        }
        if (info->order_column != NULL && strcmp(column->sql, info->order_column) == 0) {
            ask->next_after.order_at_us = pw_query_integer(query, at);
        }
    }
    ask->next_after.key = pw_query_id(query, PW_QUERY_POSITION_COLUMNS);
    pw_text_add_c(text, "}");
    return code;
}
