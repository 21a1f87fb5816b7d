/* api/audit_as_of.c: `audit as-of`: how things stood at a position of the ledger, or at a moment. */
#include <jansson.h>
#include <stdio.h>

#include "api/audit.h"
#include "api/audit_json.h"
#include "api/audit_state.h"
#include "api/headers.h"
#include "api/verbs.h"

/* What changed a stream last. */
struct change {
    const struct pw_event_info *event; /* NULL: nothing yet. */
    uint32_t version;
    int64_t at_us;
    struct pw_position position;
};

struct question {
    struct pw_audit audit;
    const struct pw_fold *fold; /* Of the tenant's partition. */
    struct pw_id tenant_id;
    struct pw_id stream_id; /* Nil: the tenant as a whole. */
    bool has_at;
    struct pw_min_position at;
    int64_t until_us; /* INT64_MAX: no time was given. */
    bool as_json;
    struct change last;
};

static struct pw_position position_of(const struct pw_chain *chain)
{
    struct pw_position position = {.partition = chain->partition, .offset = chain->head_offset};
    memcpy(position.head, chain->head.bytes, sizeof position.head);
    return position;
}

/* --- Reading up to there --- */

/* Whether the chain will accept a value that was decided after the moment. What cannot be told here is left to the fold. */
static bool is_later(const struct pw_chain *chain, const void *value, size_t value_bytes,
                     int64_t moment_us)
{
    struct pw_hash prev;
    if (!pw_record_prev(value, value_bytes, &prev) || !pw_hash_equal(&prev, &chain->head)) {
        return false;
    }
    struct pw_cursor cursor = pw_cursor_of((const uint8_t *)value + PW_RECORD_HEAD_BYTES,
                                           value_bytes - PW_RECORD_HEAD_BYTES);
    pw_read_array(&cursor); /* Every kind of record begins with kind, height, decided_at_us. */
    pw_read_uint(&cursor, INT64_MAX);
    pw_read_uint(&cursor, INT64_MAX);
    int64_t decided_at_us = (int64_t)pw_read_uint(&cursor, INT64_MAX);
    return !cursor.bad && decided_at_us > moment_us;
}

static bool wants(void *self, const struct pw_fold *fold, int64_t offset, const void *value,
                  size_t value_bytes)
{
    const struct question *question = self;
    if (question->has_at) {
        return offset <= question->at.position.offset;
    }
    return question->until_us == INT64_MAX ||
           !is_later(&fold->chain, value, value_bytes, question->until_us);
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct question *question = self;
    (void)index;
    (void)after;
    if (pw_id_equal(&event->stream_id, &question->stream_id) &&
        pw_id_equal(&record->commit.boundary_id, &question->tenant_id)) {
        question->last = (struct change){
            .event = pw_event_info(event->type),
            .version = event->stream_version,
            .at_us = record->decided_at_us,
            .position = position_of(&question->fold->chain),
        };
    }
}

/* Whether the fold stands where it was asked to. */
static enum pw_code check_place(const struct question *question, struct pw_err *err)
{
    const struct pw_chain *chain = &question->fold->chain;
    const struct pw_position *wanted = &question->at.position;
    struct pw_position found = position_of(chain);
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(&found, text);
    if (chain->stopped.code != PW_OK) {
        return pw_fail(err, chain->stopped.code, "%s", chain->stopped.detail);
    }
    if (question->has_at && found.offset != wanted->offset) {
        bool goes_on = question->audit.unwanted[chain->partition];
        return pw_fail(err, PW_ERR_POSITION_DIVERGED,
                       "no accepted record stands at partition %u, offset %lld; %s %s",
                       wanted->partition, (long long)wanted->offset,
                       goes_on ? "the last one before is" : "the ledger ends at", text);
    }
    if (question->has_at && question->at.has_head &&
        memcmp(found.head, wanted->head, sizeof found.head) != 0) {
        return pw_fail(err, PW_ERR_POSITION_DIVERGED, "there stands %s", text);
    }
    return PW_OK;
}

/* --- The answer --- */

static json_t *position_json(const struct pw_position *position)
{
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(position, text);
    return json_string(text);
}

static json_t *stream_head_json(const struct question *question)
{
    const struct change *last = &question->last;
    json_t *json = json_object();
    json_object_set_new(json, "stream_type",
                        json_string(pw_aggregate_name(last->event->aggregate)));
    json_object_set_new(json, "stream_id", pw_audit_json_id(&question->stream_id));
    json_object_set_new(json, "version", json_integer(last->version));
    json_object_set_new(json, "last_event", json_string(last->event->name));
    json_object_set_new(json, "changed_at", pw_audit_json_at(last->at_us));
    json_object_set_new(json, "changed_position", position_json(&last->position));
    return json;
}

/* Moves the members of an object, in their order. */
static void add_all(json_t *json, json_t *more)
{
    json_object_update(json, more);
    json_decref(more);
}

static enum pw_code answer(const struct question *question, json_t **ret_json, struct pw_err *err)
{
    const struct pw_chain *chain = &question->fold->chain;
    const struct pw_tenant *tenant = pw_state_tenant(question->fold->state, &question->tenant_id);
    struct pw_position position = position_of(chain);
    char text[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(&position, text);
    if (tenant == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "none by %s", text);
    }
    bool is_stream = !pw_id_is_nil(&question->stream_id);
    if (is_stream && question->last.event == NULL) {
        return pw_fail(err, PW_ERR_NOT_FOUND, "the stream has no event by %s", text);
    }
    json_t *json = json_object();
    json_object_set_new(json, "position", position_json(&position));
    json_object_set_new(json, "decided_at", pw_audit_json_at(chain->decided_at_us));
    json_object_set_new(json, "tenant_id", pw_audit_json_id(&question->tenant_id));
    if (is_stream) {
        add_all(json, stream_head_json(question));
        add_all(json, pw_audit_state_stream(tenant, question->last.event->aggregate,
                                            &question->stream_id));
    } else {
        add_all(json, pw_audit_state_tenant(tenant));
    }
    *ret_json = json;
    return PW_OK;
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
    uint32_t p = pw_partition_of(&question->tenant_id, question->audit.partition_count);
    if (question->has_at && question->at.position.partition != p) {
        fprintf(stderr,
                "proctorwise: --at is of partition %u; the tenant's records lie in partition %u\n",
                question->at.position.partition, p);
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
        code = check_place(question, &err);
    }
    if (code == PW_OK) {
        code = answer(question, &json, &err);
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
    question->has_at = text->text != NULL;
    bool good =
        !question->has_at ||
        pw_position_parse(pw_str_of(text->text), &question->at.position, &question->at.has_head);
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
    struct question question = {.until_us = INT64_MAX};
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
                    pw_verb_id(&tenant, "tenant", &question.tenant_id) &&
                    pw_verb_id(&stream, "stream", &question.stream_id) &&
                    is_one_place(&at, &moment) && read_position(&at, &question) &&
                    pw_verb_at(&moment, "time", &question.until_us);
        result = good ? ask(&config, &question, in.text) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
