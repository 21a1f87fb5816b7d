/* api/admin_users_import.c: `admin users import`: a roster is checked as a whole, then sent, and every row's end is reported. */
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/csv.h"
#include "api/roster_send.h"
#include "api/verbs.h"

#define IN_FLIGHT       32
#define TOKEN_BYTES_MAX 4096
#define LINE_BYTES_MAX  65536 /* Of the report. */

struct import {
    struct pw_verb_text file;
    struct pw_verb_text tenant;
    struct pw_verb_text url;
    struct pw_verb_text token_file;
    struct pw_verb_text in_flight_text;
    int64_t in_flight;
    bool checks_only;
    bool grants;
    bool as_json;
    bool shows_progress;
    const struct pw_roster *roster;
    struct pw_plan *plan;
};

/* Set by a signal. */
static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* The first one asks for an orderly end; a second one is the system's own. */
static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* --- The report --- */

static void print_json_row(const struct pw_roster_row *row, const char *id, const char *result,
                           const char *detail)
{
    json_t *line = json_pack("{s:i, s:s, s:s, s:s, s:s}", "row", (int)row->line, "email",
                             row->email, "id", id, "result", result, "detail", detail);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static void print_row(const struct import *import, const struct pw_roster_row *row, const char *id,
                      const char *result, const char *detail)
{
    if (import->as_json) {
        print_json_row(row, id, result, detail);
        return;
    }
    struct pw_arena arena;
    struct pw_text line;
    pw_arena_init(&arena, LINE_BYTES_MAX);
    pw_text_init(&line, &arena, 256);
    pw_text_addf(&line, "%u,", row->line);
    pw_csv_add(&line, pw_str_of(row->email));
    pw_text_addf(&line, ",%s,%s,", id, result);
    pw_csv_add(&line, pw_str_of(detail));
    puts(pw_text_c(&line));
    pw_arena_close(&arena);
}

static void print_header(const struct import *import)
{
    if (!import->as_json) {
        puts("row,email,id,result,detail");
    }
}

static void show_progress(const struct import *import)
{
    uint32_t count = pw_roster_count(import->roster);
    fprintf(stderr, "\r%u of %u", count - pw_plan_count(import->plan, PW_PLAN_PLANNED), count);
}

static void on_turn(void *self)
{
    struct import *import = self;
    struct pw_plan_report report;
    while (pw_plan_report(import->plan, &report)) {
        print_row(import, pw_roster_row(import->roster, report.row), report.id,
                  pw_plan_result_name(report.result), report.detail);
    }
    fflush(stdout); /* What was done is told, whatever happens next. */
    if (import->shows_progress) {
        show_progress(import);
    }
}

static void tell_end(const struct import *import)
{
    const char *reason = pw_plan_reason(import->plan);
    if (import->shows_progress) {
        fputs("\r\033[K", stderr);
    }
    for (int result = PW_PLAN_CREATED; result < PW_PLAN_RESULT_COUNT; result++) {
        uint32_t count = pw_plan_count(import->plan, (enum pw_plan_result)result);
        if (count > 0 || result == PW_PLAN_CREATED) {
            fprintf(stderr, "%s%u %s", result > PW_PLAN_CREATED ? ", " : "", count,
                    pw_plan_result_name((enum pw_plan_result)result));
        }
    }
    fputc('\n', stderr);
    if (reason != NULL) {
        fprintf(stderr, "proctorwise: it ended before all was sent: %s\n", reason);
    }
    if (pw_plan_count(import->plan, PW_PLAN_UNKNOWN) > 0 ||
        pw_plan_count(import->plan, PW_PLAN_NOT_SENT) > 0) {
        fputs("proctorwise: not all is done; it is safe to repeat the import\n", stderr);
    }
}

static int exit_code(const struct pw_plan *plan)
{
    uint32_t good = pw_plan_count(plan, PW_PLAN_CREATED) + pw_plan_count(plan, PW_PLAN_EXISTS);
    uint32_t all = good;
    for (int result = PW_PLAN_REFUSED; result < PW_PLAN_RESULT_COUNT; result++) {
        all += pw_plan_count(plan, (enum pw_plan_result)result);
    }
    return pw_plan_is_unreachable(plan) ? PW_EXIT_UNREACHABLE
           : good == all                ? PW_EXIT_GOOD
                                        : PW_EXIT_WRONG;
}

/* --- Sending --- */

static int send_roster(struct import *import, const struct pw_roster_target *target)
{
    struct pw_plan_options options = {
        .in_flight = target->in_flight, .grants = import->grants, .make_key = pw_verb_make_key};
    struct pw_roster_watch watch = {.stop = &stopped, .told = on_turn, .self = import};
    struct pw_err err = {0};
    import->plan = pw_plan_new(import->roster, &options);
    import->shows_progress = isatty(STDERR_FILENO) != 0;
    watch_signals();
    print_header(import);
    enum pw_code code = pw_roster_send(import->plan, target, &watch, &err);
    int result = code == PW_OK ? exit_code(import->plan) : pw_verb_fail(code, err.detail);
    tell_end(import);
    pw_plan_free(import->plan);
    return result;
}

/* An admin's token, for the public API; else the cluster key, for the admin listener. */
static enum pw_code read_bearer(const struct pw_config *config, const struct import *import,
                                char **ret_bearer, size_t *ret_bytes, struct pw_err *err)
{
    if (import->token_file.text == NULL) {
        return pw_config_read_file(config, PW_CONFIG_CLUSTER_KEY_FILE, 32, 256, ret_bearer,
                                   ret_bytes, err);
    }
    enum pw_code code =
        pw_file_read(import->token_file.text, TOKEN_BYTES_MAX, ret_bearer, ret_bytes, err);
    if (code != PW_OK) {
        return code;
    }
    (*ret_bearer)[strcspn(*ret_bearer, "\r\n")] = '\0';
    if (strspn(*ret_bearer, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") !=
            strlen(*ret_bearer) ||
        **ret_bearer == '\0') {
        pw_secret_free(*ret_bearer, *ret_bytes);
        return pw_fail(err, PW_ERR_USAGE, "%s does not hold a token", import->token_file.text);
    }
    return PW_OK;
}

static bool format_url(const struct pw_config *config, const struct import *import, char *url,
                       size_t room)
{
    bool is_public = import->token_file.text != NULL;
    const char *listen =
        pw_config_text(config, is_public ? PW_CONFIG_HTTP_LISTEN : PW_CONFIG_ADMIN_LISTEN);
    const char *given = import->url.text;
    size_t len = strlen(given != NULL ? given : listen);
    while (len > 0 && given != NULL && given[len - 1] == '/') {
        len--;
    }
    int bytes = snprintf(url, room, "%s%.*s/%s/tenants/%s/users", given != NULL ? "" : "http://",
                         (int)len, given != NULL ? given : listen, is_public ? "v1" : "internal",
                         import->tenant.text);
    return bytes > 0 && (size_t)bytes < room;
}

static int import_roster(const struct pw_config *config, struct import *import)
{
    char url[768];
    char *bearer = NULL;
    size_t bytes = 0;
    struct pw_err err = {0};
    if (!format_url(config, import, url, sizeof url)) {
        fputs("proctorwise: --url is too long\n", stderr);
        return PW_EXIT_USAGE;
    }
    enum pw_code code = read_bearer(config, import, &bearer, &bytes, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    struct pw_roster_target target = {.users_url = url,
                                      .bearer = bearer,
                                      .is_internal = import->token_file.text == NULL,
                                      .in_flight = (uint32_t)import->in_flight};
    int result = send_roster(import, &target);
    pw_secret_free(bearer, bytes);
    return result;
}

/* --- Checking --- */

static int tell_faults(const struct import *import)
{
    uint32_t count = pw_roster_count(import->roster);
    print_header(import);
    for (uint32_t i = 0; i < count; i++) {
        const struct pw_roster_row *row = pw_roster_row(import->roster, i);
        if (row->fault != NULL) {
            print_row(import, row, "", "bad", row->fault);
        }
    }
    fprintf(stderr, "proctorwise: %u of %u rows are not good; nothing was sent\n",
            pw_roster_fault_count(import->roster), count);
    return PW_EXIT_WRONG;
}

static int check_and_import(const struct pw_config *config, struct import *import)
{
    if (pw_roster_fault_count(import->roster) > 0) {
        return tell_faults(import);
    }
    if (import->checks_only) {
        fprintf(stderr, "%u rows, all good; nothing was sent\n", pw_roster_count(import->roster));
        return PW_EXIT_GOOD;
    }
    return import_roster(config, import);
}

static int read_and_import(const struct pw_config *config, struct import *import)
{
    char *text = NULL;
    size_t bytes = 0;
    struct pw_roster *roster = NULL;
    struct pw_err err = {0};
    if (pw_file_read(import->file.text, PW_ROSTER_BYTES_MAX, &text, &bytes, &err) != PW_OK) {
        fprintf(stderr, "proctorwise: %s\n", err.detail);
        return PW_EXIT_USAGE;
    }
    enum pw_code code = pw_roster_read(text, bytes, &roster, &err);
    pw_secret_free(text, bytes);
    if (code != PW_OK) {
        fprintf(stderr, "proctorwise: %s: %s\n", import->file.text, err.detail);
        return PW_EXIT_WRONG;
    }
    import->roster = roster;
    int result = check_and_import(config, import);
    pw_roster_free(roster);
    return result;
}

static bool is_complete(struct import *import)
{
    if (import->file.text == NULL) {
        fputs("proctorwise: name the file; see --help\n", stderr);
        return false;
    }
    if (!import->checks_only && !pw_verb_needs_id(&import->tenant, "tenant")) {
        return false;
    }
    if (!pw_verb_number(&import->in_flight_text, PW_PLAN_IN_FLIGHT_MAX, &import->in_flight)) {
        return false;
    }
    if (import->in_flight == 0) {
        fputs("proctorwise: --in-flight must be 1 at least\n", stderr);
    }
    return import->in_flight > 0;
}

int pw_verb_admin_users_import(int argc, char **argv)
{
    struct pw_config config;
    struct import import = {.in_flight = IN_FLIGHT};
    struct pw_flag flags[] = {PW_FLAG_TEXT(PW_FLAG_WORDS, import.file),
                              PW_FLAG_TEXT("tenant", import.tenant),
                              PW_FLAG_TEXT("url", import.url),
                              PW_FLAG_TEXT("token-file", import.token_file),
                              PW_FLAG_TEXT("in-flight", import.in_flight_text),
                              PW_FLAG_SWITCH("check", import.checks_only),
                              PW_FLAG_SWITCH("grant", import.grants),
                              PW_FLAG_SWITCH("json", import.as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = is_complete(&import) ? read_and_import(&config, &import) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
