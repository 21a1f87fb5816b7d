/* api/audit_as_of.c: `audit as-of`: how things stood at a position of the ledger, or at a moment. */
#include <jansson.h>
#include <stdio.h>

#include "api/audit.h"
#include "api/audit_question.h"
#include "api/verbs.h"

struct question {
    struct pw_audit audit;
    const struct pw_fold *fold; /* Of the tenant's partition. */
    struct pw_audit_question asked;
    bool as_json;
};

/* --- Reading up to there --- */

static bool wants(void *self, const struct pw_fold *fold, int64_t offset, const void *value,
                  size_t value_bytes)
{
    struct question *question = self;
    return pw_audit_question_wants(&question->asked, &fold->chain, offset, value, value_bytes);
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct question *question = self;
    (void)index;
    (void)after;
    pw_audit_question_event(&question->asked, &question->fold->chain, record, event);
}

/* --- In words --- */

static void print_value(json_t *value)
{
    if (json_is_string(value)) {
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    } else if (json_is_null(value)) {
        fputs("none", stdout);
    } else {
        json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    }
}

static void print_text(json_t *json)
{
    const char *name;
    json_t *value;
    json_object_foreach(json, name, value)
    {
        printf("%s: ", name);
        for (size_t i = 0; i < json_array_size(value); i++) {
            fputs(i > 0 ? ", " : "", stdout);
            print_value(json_array_get(value, i));
        }
        if (json_is_array(value) && json_array_size(value) == 0) {
            fputs("none", stdout);
        } else if (!json_is_array(value)) {
            print_value(value);
        }
        putchar('\n');
    }
}

static int print(const struct question *question, json_t *json)
{
    if (question->as_json) {
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        print_text(json);
    }
    json_decref(json);
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? PW_EXIT_GOOD : PW_EXIT_WRONG;
}

/* --- The question --- */

static int read_and_answer(struct question *question)
{
    struct pw_err err = {0};
    json_t *json = NULL;
    uint32_t p = pw_partition_of(&question->asked.tenant_id, question->audit.partition_count);
    if (question->asked.has_at && question->asked.at.position.partition != p) {
        fprintf(stderr,
                "proctorwise: --at is of partition %u; the tenant's records lie in partition %u\n",
                question->asked.at.position.partition, p);
        return PW_EXIT_USAGE;
    }
    question->fold = &question->audit.folds[p];
    struct pw_audit_reader reader = {
        .self = question,
        .observer = {.self = question, .event = on_event},
        .wants = wants,
    };
    enum pw_code code = pw_audit_read(&question->audit, p, p, &reader, &err);
    if (code == PW_OK) {
        code = pw_audit_question_answer(&question->asked, question->fold, &json, &err);
    }
    return code == PW_OK ? print(question, json) : pw_verb_fail(code, err.detail);
}

static int ask(const struct pw_config *config, struct question *question, const char *dir)
{
    struct pw_err err = {0};
    enum pw_code code = pw_audit_open(&question->audit, config, dir, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    int result = read_and_answer(question);
    pw_audit_close(&question->audit);
    return result;
}

static bool read_position(const struct pw_verb_text *text, struct question *question)
{
    question->asked.has_at = text->text != NULL;
    bool good = !question->asked.has_at ||
                pw_position_parse(pw_str_of(text->text), &question->asked.at.position,
                                  &question->asked.at.has_head);
    if (!good) {
        fputs("proctorwise: --at must be a position such as 3:10452:9f3a01c2\n", stderr);
    }
    return good;
}

static bool is_one_place(const struct pw_verb_text *at, const struct pw_verb_text *moment)
{
    bool good = at->text == NULL || moment->text == NULL;
    if (!good) {
        fputs("proctorwise: --at and --time are two places; see --help\n", stderr);
    }
    return good;
}

int pw_verb_audit_as_of(int argc, char **argv)
{
    struct pw_config config;
    struct question question = {.asked = {.until_us = INT64_MAX}};
    struct pw_verb_text tenant = {0};
    struct pw_verb_text stream = {0};
    struct pw_verb_text at = {0};
    struct pw_verb_text moment = {0};
    struct pw_verb_text in = {0};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", tenant), PW_FLAG_TEXT("stream", stream),
        PW_FLAG_TEXT("at", at),         PW_FLAG_TEXT("time", moment),
        PW_FLAG_TEXT("in", in),         PW_FLAG_SWITCH("json", question.as_json),
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool good = pw_verb_needs(&tenant, "tenant") &&
                    pw_verb_id(&tenant, "tenant", &question.asked.tenant_id) &&
                    pw_verb_id(&stream, "stream", &question.asked.stream_id) &&
                    is_one_place(&at, &moment) && read_position(&at, &question) &&
                    pw_verb_at(&moment, "time", &question.asked.until_us);
        result = good ? ask(&config, &question, in.text) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
