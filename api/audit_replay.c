/* api/audit_replay.c: `audit replay`: the events of the ledger, in its order. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/audit.h"
#include "api/audit_filter.h"
#include "api/audit_lines.h"
#include "api/verbs.h"

struct replay {
    struct pw_audit audit;
    struct pw_audit_filter filter;
    bool as_json;
    const struct pw_fold *fold; /* The one that is being read. */
    int64_t offset;
};

static void print_json_line(json_t *line)
{
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(line);
}

static struct pw_audit_place place_of(const struct replay *replay)
{
    return (struct pw_audit_place){replay->fold->chain.partition, replay->offset};
}

static void print_place(const struct replay *replay, int64_t decided_at_us)
{
    char moment[PW_AT_TEXT_BYTES_MAX];
    size_t len = pw_at_format(decided_at_us, moment);
    printf("%u:%lld %.*s ", replay->fold->chain.partition, (long long)replay->offset, (int)len,
           moment);
}

static void print_event_text(const struct replay *replay, const struct pw_record *record,
                             const struct pw_raw_event *raw, const struct pw_event *event)
{
    char stream[PW_ID_TEXT_BYTES + 1];
    char actor[PW_ID_TEXT_BYTES + 1];
    char *payload = NULL;
    json_t *json = pw_audit_payload(event);
    pw_id_format(&raw->stream_id, stream);
    pw_id_format(&record->commit.actor_id, actor);
    payload = json_dumps(json, JSON_COMPACT);
    print_place(replay, record->decided_at_us);
    printf("%.*s %s#%u by %s %s %s\n", (int)raw->event_type.len, raw->event_type.ptr, stream,
           raw->stream_version, pw_role_name(record->commit.role), actor, payload);
    free(payload);
    json_decref(json);
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct replay *replay = self;
    (void)after;
    if (!pw_audit_filter_event(&replay->filter, replay->offset, record, event)) {
        return;
    }
    if (replay->as_json) {
        struct pw_audit_place place = place_of(replay);
        print_json_line(pw_audit_line_event(&place, record, index, event));
    } else {
        print_event_text(replay, record, &record->events[index], event);
    }
}

static void print_answer(const struct replay *replay, const struct pw_record *record,
                         const struct pw_answer *answer)
{
    if (!replay->as_json) {
        char actor[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&answer->actor_id, actor);
        print_place(replay, answer->decided_at_us);
        printf("%.*s %.*s for %s %.*s\n", (int)answer->command_name.len, answer->command_name.ptr,
               answer->problem_name.ptr != NULL ? (int)answer->problem_name.len : 15,
               answer->problem_name.ptr != NULL ? answer->problem_name.ptr : "changes-nothing",
               actor, (int)answer->detail.len, answer->detail.ptr);
        return;
    }
    struct pw_audit_place place = place_of(replay);
    print_json_line(pw_audit_line_answer(&place, record, answer));
}

/* What rides along on a commit was decided before it, and so stands before its events. */
static void on_accepted(void *self, const struct pw_chain *chain, const struct pw_record *record)
{
    struct replay *replay = self;
    replay->offset = chain->head_offset;
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        if (pw_audit_filter_answer(&replay->filter, replay->offset, record, answer)) {
            print_answer(replay, record, answer);
        }
    }
}

static bool wants(void *self, const struct pw_fold *fold, int64_t offset, const void *value,
                  size_t value_bytes)
{
    const struct replay *replay = self;
    (void)value;
    (void)value_bytes;
    return !pw_audit_filter_is_over(&replay->filter, offset, fold->chain.decided_at_us);
}

/* One partition after the other, so that the lines of each stand together and a run repeats
 * itself. */
static int read_all(struct replay *replay, uint32_t first, uint32_t last)
{
    struct pw_err err = {0};
    int result = PW_EXIT_GOOD;
    struct pw_audit_reader reader = {
        .self = replay,
        .observer = {.self = replay, .accepted = on_accepted, .event = on_event},
        .wants = wants,
    };
    for (uint32_t p = first; p <= last; p++) {
        replay->fold = &replay->audit.folds[p];
        enum pw_code code = pw_audit_read(&replay->audit, p, p, &reader, &err);
        if (code != PW_OK) {
            return pw_verb_fail(code, err.detail);
        }
        if (replay->fold->chain.stopped.code != PW_OK) {
            result =
                pw_verb_fail(replay->fold->chain.stopped.code, replay->fold->chain.stopped.detail);
        }
    }
    return fflush(stdout) == 0 && ferror(stdout) == 0 ? result : PW_EXIT_WRONG;
}

/* A tenant is one boundary, so all of its records lie in one partition. */
static int read_where_it_is(struct replay *replay, int64_t only)
{
    uint32_t count = replay->audit.partition_count;
    const struct pw_id *tenant_id = &replay->filter.tenant_id;
    if (!pw_id_is_nil(tenant_id)) {
        int64_t home = pw_partition_of(tenant_id, count);
        if (only >= 0 && only != home) {
            return PW_EXIT_GOOD; /* There is nothing of theirs. */
        }
        only = home;
    }
    return only >= 0 ? read_all(replay, (uint32_t)only, (uint32_t)only)
                     : read_all(replay, 0, count - 1);
}

static int replay_ledger(const struct pw_config *config, struct replay *replay, const char *dir,
                         const struct pw_verb_text *partition)
{
    struct pw_err err = {0};
    int64_t only = -1;
    enum pw_code code = pw_audit_open(&replay->audit, config, dir, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    bool good = pw_verb_number(partition, replay->audit.partition_count - 1, &only);
    int result = good ? read_where_it_is(replay, only) : PW_EXIT_USAGE;
    pw_audit_close(&replay->audit);
    return result;
}

/* What replay is asked for, as it stands on the command line. */
struct wish {
    struct pw_verb_text tenant;
    struct pw_verb_text stream;
    struct pw_verb_text exam;
    struct pw_verb_text student;
    struct pw_verb_text from;
    struct pw_verb_text to;
    struct pw_verb_text since;
    struct pw_verb_text until;
    struct pw_verb_text partition;
    struct pw_verb_text in;
};

static bool read_wish(const struct wish *wish, struct pw_audit_filter *filter)
{
    return pw_verb_id(&wish->tenant, "tenant", &filter->tenant_id) &&
           pw_verb_id(&wish->stream, "stream", &filter->stream_id) &&
           pw_verb_id(&wish->exam, "exam", &filter->exam_id) &&
           pw_verb_id(&wish->student, "student", &filter->person_id) &&
           pw_verb_number(&wish->from, INT64_MAX, &filter->from) &&
           pw_verb_number(&wish->to, INT64_MAX, &filter->to) &&
           pw_verb_at(&wish->since, "since", &filter->since_us) &&
           pw_verb_at(&wish->until, "until", &filter->until_us);
}

int pw_verb_audit_replay(int argc, char **argv)
{
    struct pw_config config;
    struct replay replay = {0};
    struct wish wish = {0};
    struct pw_flag flags[] = {
        PW_FLAG_TEXT("tenant", wish.tenant),
        PW_FLAG_TEXT("stream", wish.stream),
        PW_FLAG_TEXT("exam", wish.exam),
        PW_FLAG_TEXT("student", wish.student),
        PW_FLAG_TEXT("from", wish.from),
        PW_FLAG_TEXT("to", wish.to),
        PW_FLAG_TEXT("since", wish.since),
        PW_FLAG_TEXT("until", wish.until),
        PW_FLAG_TEXT("partition", wish.partition),
        PW_FLAG_TEXT("in", wish.in),
        PW_FLAG_SWITCH("json", replay.as_json),
        PW_FLAG_SWITCH("answers", replay.filter.with_answers),
        PW_FLAG_SWITCH("refused", replay.filter.refused_only),
    };
    pw_audit_filter_init(&replay.filter);
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = read_wish(&wish, &replay.filter)
                     ? replay_ledger(&config, &replay, wish.in.text, &wish.partition)
                     : PW_EXIT_USAGE;
    }
    pw_audit_filter_close(&replay.filter);
    pw_config_close(&config);
    return result;
}
