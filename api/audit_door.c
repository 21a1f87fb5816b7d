/* api/audit_door.c: what an auditor asks of the ledger, from HTTP to a scan of it and back, piece by piece.
 *
 * First the log is asked how far it goes, and the node must have read so far: the record that it then stands on is where the answer
 * ends, and its Pw-Position. Then the scan has turns (api/auditor.h): the first one before anything is answered, so that what goes wrong
 * there has a status of its own; each further one once the piece before it is sent, so that who does not read makes nobody work. */
#include <stdio.h>
#include <stdlib.h>

#include "api/audit_json.h"
#include "api/audit_lines.h"
#include "api/audit_wish.h"
#include "api/auditor.h"
#include "api/door.h"
#include "api/headers.h"
#include "api/log.h"
#include "api/problem.h"
#include "api/read_index.h"
#include "commands/memory.h"

#define PIECE_BYTES     (64 * 1024)        /* A piece is not begun anew below that, */
#define PIECE_BYTES_MAX (32 * 1024 * 1024) /* and one record's lines take no more. */

/* Outlives its request by as long as it takes to close the ledger. */
struct inquiry {
    struct pw_audit_turns turns; /* First: the auditor gives it back. */
    struct pw_read_index_job read;
    struct pw_service *service;
    struct pw_http_request *request;
    const struct pw_route *route;
    const struct pw_audit_info *info;
    struct pw_actor actor;
    struct pw_audit_wish wish;
    bool has_entered;

    struct pw_buffer piece;
    bool has_turned; /* A turn is over, or under way, whose piece was not given yet. */
    bool has_begun;  /* Its first line is written, */
    bool has_ended;  /* and its last one. */
    char position[PW_POSITION_TEXT_BYTES_MAX]; /* Of a state, */
    struct pw_err refused;                     /* or why there is none. */
    enum pw_code code;
    uint64_t told_count; /* Records. */
};

/* --- What is asked for --- */

static bool read_request(struct inquiry *inquiry)
{
    struct pw_http_request *request = inquiry->request;
    struct pw_violations violations = {.count = 0};
    struct pw_str form = inquiry->info->is_stream ? PW_STR(PW_NDJSON) : PW_STR("application/json");
    if (!pw_header_accepts(request->headers[PW_HEADER_ACCEPT], form)) {
        pw_door_problem(request, PW_ERR_NOT_ACCEPTABLE, NULL, NULL);
        return false;
    }
    pw_audit_wish_read(&inquiry->wish, inquiry->info, inquiry->turns.plan.partition, request,
                       &violations);
    if (violations.count > 0) {
        pw_door_problem(request, PW_ERR_INVALID, NULL, &violations);
    }
    return violations.count == 0;
}

/* --- Lines, on a thread of the auditor's --- */

static enum pw_audit_go go_of(const struct inquiry *inquiry)
{
    return inquiry->piece.bytes < PIECE_BYTES ? PW_AUDIT_ON : PW_AUDIT_PAUSE;
}

static void add_begin(struct inquiry *inquiry, const struct pw_chain *chain)
{
    json_t *begin = json_pack("{s:o, s:i, s:i, s:o}", "ledger_id",
                              pw_audit_json_id(&chain->ledger_id), "partition",
                              (int)chain->partition, "partition_count", (int)chain->partition_count,
                              "tenant_id", pw_audit_json_id(&inquiry->actor.tenant_id));
    inquiry->has_begun = true;
    pw_audit_add_line(&inquiry->piece, json_pack("{s:o}", "begin", begin));
}

static enum pw_audit_go take_record(void *self, const struct pw_chain *chain,
                                    const struct pw_record *record, const void *value,
                                    size_t value_bytes)
{
    struct inquiry *inquiry = self;
    const struct pw_audit_wish *wish = &inquiry->wish;
    if (!inquiry->has_begun) {
        add_begin(inquiry, chain);
    }
    if (chain->head_offset < wish->filter.from || (int64_t)chain->height < wish->from_height) {
        return PW_AUDIT_ON;
    }
    pw_audit_add_record(&inquiry->piece, chain, record, value, value_bytes,
                        &inquiry->actor.tenant_id);
    inquiry->told_count++;
    return inquiry->told_count == (uint64_t)wish->limit ? PW_AUDIT_ENOUGH : go_of(inquiry);
}

static void add_answers(struct inquiry *inquiry, const struct pw_audit_place *place,
                        const struct pw_record *record)
{
    for (uint32_t i = 0; i < record->answer_count; i++) {
        const struct pw_answer *answer = &record->answers[i];
        if (pw_audit_filter_answer(&inquiry->wish.filter, place->offset, record, answer)) {
            pw_audit_add_line(&inquiry->piece, pw_audit_line_answer(place, record, answer));
        }
    }
}

/* False: an event that this program does not know. */
static bool add_events(struct inquiry *inquiry, const struct pw_audit_place *place,
                       const struct pw_record *record)
{
    struct pw_event event;
    struct pw_err err = {0};
    for (uint32_t i = 0; i < record->event_count; i++) {
        inquiry->code = pw_raw_event_read(&record->events[i], &event, &err);
        if (inquiry->code != PW_OK) {
            return false;
        }
        if (pw_audit_filter_event(&inquiry->wish.filter, place->offset, record, &event)) {
            pw_audit_add_line(&inquiry->piece, pw_audit_line_event(place, record, i, &event));
        }
    }
    return true;
}

/* What rides along on a commit was decided before it, and so stands before its events. */
static enum pw_audit_go take_events(void *self, const struct pw_chain *chain,
                                    const struct pw_record *record, const void *value,
                                    size_t value_bytes)
{
    struct inquiry *inquiry = self;
    struct pw_audit_place place = {chain->partition, chain->head_offset};
    bool is_own = pw_audit_is_of(record, &inquiry->actor.tenant_id);
    bool is_commit = record->kind == PW_RECORD_COMMIT;
    (void)value;
    (void)value_bytes;
    if (is_own && record->kind != PW_RECORD_GENESIS) {
        add_answers(inquiry, &place, record);
    }
    if (is_own && is_commit && !add_events(inquiry, &place, record)) {
        return PW_AUDIT_ENOUGH;
    }
    return go_of(inquiry);
}

static bool wants_events(void *self, const struct pw_chain *chain, int64_t offset,
                         const void *value, size_t value_bytes)
{
    const struct inquiry *inquiry = self;
    (void)value;
    (void)value_bytes;
    return !pw_audit_filter_is_over(&inquiry->wish.filter, offset, chain->decided_at_us);
}

static bool wants_state(void *self, const struct pw_chain *chain, int64_t offset, const void *value,
                        size_t value_bytes)
{
    struct inquiry *inquiry = self;
    return pw_audit_question_wants(&inquiry->wish.question, chain, offset, value, value_bytes);
}

static enum pw_audit_go take_state(void *self, const struct pw_chain *chain,
                                   const struct pw_record *record, const void *value,
                                   size_t value_bytes)
{
    struct inquiry *inquiry = self;
    (void)value;
    (void)value_bytes;
    pw_audit_question_record(&inquiry->wish.question, chain, record);
    return PW_AUDIT_ON;
}

static void on_event(void *self, const struct pw_record *record, uint32_t index,
                     const struct pw_event *event, const struct pw_tenant *after)
{
    struct inquiry *inquiry = self;
    (void)index;
    (void)after;
    pw_audit_question_event(&inquiry->wish.question, &inquiry->turns.scan.fold.chain, record,
                            event);
}

/* To look through a whole tenant may take a while: what a loop sends is made here. */
static void write_state(void *self, const struct pw_fold *fold)
{
    struct inquiry *inquiry = self;
    json_t *json = NULL;
    if (pw_audit_question_answer(&inquiry->wish.question, fold, &json, &inquiry->refused) ==
        PW_OK) {
        snprintf(inquiry->position, sizeof inquiry->position, "%s",
                 json_string_value(json_object_get(json, "position")));
        pw_audit_add_line(&inquiry->piece, json);
    }
}

/* --- The plan --- */

static void plan(struct inquiry *inquiry)
{
    struct pw_audit_scan_plan *plan = &inquiry->turns.plan;
    struct pw_audit_range range = pw_audit_wish_range(&inquiry->wish, inquiry->info);
    plan->reader = inquiry;
    plan->start =
        pw_audit_marks_before(pw_auditor_marks(inquiry->service->auditor), plan->partition, &range);
    switch ((enum pw_audit_number)inquiry->route->number) {
    case PW_AUDIT_RECORDS: plan->record = take_record; break;
    case PW_AUDIT_EVENTS:
        plan->record = take_events;
        plan->wants = wants_events;
        break;
    case PW_AUDIT_STATE:
        plan->start.offset = -1; /* What changed a stream last is told by its events alone. */
        plan->over = write_state;
        plan->record = take_state;
        plan->wants = wants_state;
        plan->observer = (struct pw_fold_observer){.self = inquiry, .event = on_event};
        break;
    case PW_AUDIT_COUNT: break;
    }
}

/* --- Answers in lines --- */

static json_t *end_of_records(const struct inquiry *inquiry)
{
    const struct pw_audit_scan *scan = &inquiry->turns.scan;
    const struct pw_chain *chain = &scan->fold.chain;
    struct pw_position position = pw_audit_position(chain);
    return json_pack("{s:o, s:I, s:I, s:o, s:o}", "position", pw_audit_position_json(&position),
                     "offset", (json_int_t)chain->head_offset, "height", (json_int_t)chain->height,
                     "hash", pw_audit_json_hash(&chain->head), "next",
                     scan->is_at_end ? json_null() : json_integer(chain->next_offset));
}

static void add_end(struct inquiry *inquiry)
{
    json_t *end = NULL;
    if (inquiry->route->number == PW_AUDIT_RECORDS) {
        if (!inquiry->has_begun) {
            add_begin(inquiry, &inquiry->turns.scan.fold.chain);
        }
        end = end_of_records(inquiry);
    } else {
        end = json_pack("{s:o}", "position", pw_audit_position_json(&inquiry->turns.plan.end));
    }
    inquiry->has_ended = true;
    pw_audit_add_line(&inquiry->piece, json_pack("{s:o}", "end", end));
}

static void add_progress(struct inquiry *inquiry)
{
    json_t *progress =
        json_pack("{s:I, s:I}", "offset", (json_int_t)inquiry->turns.scan.fold.chain.next_offset,
                  "of", (json_int_t)inquiry->turns.plan.end.offset);
    pw_audit_add_line(&inquiry->piece, json_pack("{s:o}", "progress", progress));
}

static void add_problem(struct inquiry *inquiry, enum pw_code code)
{
    json_t *problem = json_pack("{s:o, s:s, s:s}", "type",
                                json_sprintf("/problems/%s", pw_error_info(code)->name), "title",
                                pw_error_info(code)->title, "instance", inquiry->request->trace_id);
    inquiry->code = code;
    pw_audit_add_line(&inquiry->piece, json_pack("{s:o}", "problem", problem));
}

/* Whether who asked may still be told. */
static enum pw_code may_go_on(struct inquiry *inquiry)
{
    struct pw_actor actor = inquiry->actor;
    if (atomic_load_explicit(&inquiry->service->stopping, memory_order_relaxed)) {
        return PW_ERR_STOPPING;
    }
    if (!pw_door_may_act(inquiry->service, &actor)) {
        return PW_ERR_UNAUTHENTICATED;
    }
    return (actor.roles & inquiry->info->roles) != 0 ? PW_OK : PW_ERR_FORBIDDEN;
}

/* Why the scan ended before its end, as it is answered. */
static enum pw_code outcome(struct inquiry *inquiry)
{
    const struct pw_audit_scan *scan = &inquiry->turns.scan;
    enum pw_code code = inquiry->turns.job.code;
    code = code != PW_OK ? code : scan->code;
    code = code != PW_OK ? code : inquiry->code;
    code = code == PW_OK && inquiry->piece.full ? PW_ERR_INTERNAL : code;
    if (code != PW_OK && code != PW_ERR_STOPPING) {
        pw_log(PW_LOG_WARNING, "audits", inquiry->turns.plan.partition, inquiry->request->trace_id,
               "%s: the ledger cannot be read on: %s: %s", inquiry->info->name,
               pw_error_info(code)->name, scan->err.detail);
    }
    return code == PW_OK || pw_route_answers(inquiry->route, code) ? code : PW_ERR_INTERNAL;
}

/* The lines of a turn, and why there are no more, or that there will be. */
static enum pw_http_piece give_piece(struct inquiry *inquiry)
{
    struct pw_buffer *piece = &inquiry->piece;
    enum pw_code code = outcome(inquiry);
    code = code != PW_OK ? code : may_go_on(inquiry);
    if (code != PW_OK) {
        pw_buffer_clear(piece);
        add_problem(inquiry, code);
    } else if (inquiry->turns.scan.is_over) {
        add_end(inquiry);
    } else if (piece->bytes == 0) {
        add_progress(inquiry);
    }
    inquiry->has_turned = false;
    inquiry->request->answer_body = (struct pw_str){(const char *)piece->data, piece->bytes};
    return PW_PIECE_NEXT;
}

static enum pw_code begin_turn(struct inquiry *inquiry)
{
    pw_buffer_clear(&inquiry->piece);
    inquiry->has_turned = true;
    return pw_auditor_turn(&inquiry->turns);
}

static enum pw_http_piece more_lines(struct pw_http_request *request)
{
    struct inquiry *inquiry = request->state;
    if (inquiry->has_turned) {
        return give_piece(inquiry);
    }
    if (inquiry->has_ended) {
        return PW_PIECE_END;
    }
    return inquiry->code == PW_OK && begin_turn(inquiry) == PW_OK ? PW_PIECE_LATER
                                                                  : PW_PIECE_BROKEN;
}

static void answer_lines(struct inquiry *inquiry)
{
    struct pw_http_request *request = inquiry->request;
    pw_door_position(request, &inquiry->turns.plan.end);
    pw_http_header(
        request, "Content-Disposition",
        pw_text_format(&request->arena, "attachment; filename=\"%s.ndjson\"", inquiry->info->name));
    pw_door_private(request);
    pw_http_stream(request, 200, PW_NDJSON, more_lines);
}

/* --- A state --- */

static void answer_state(struct inquiry *inquiry)
{
    struct pw_http_request *request = inquiry->request;
    enum pw_code code = inquiry->refused.code;
    if (code != PW_OK) {
        code = code == PW_ERR_NO_SUCH_TENANT ? PW_ERR_NOT_FOUND : code;
        pw_door_problem(request, code, inquiry->refused.detail, NULL);
        return;
    }
    pw_http_header(request, "Pw-Position",
                   pw_text_format(&request->arena, "%s", inquiry->position));
    pw_door_private(request);
    pw_http_answer(request, 200, "application/json",
                   (struct pw_str){(const char *)inquiry->piece.data, inquiry->piece.bytes});
}

/* --- From turn to turn --- */

static void on_turn(struct pw_http_request *request);

static void next_turn(struct inquiry *inquiry)
{
    enum pw_code code = begin_turn(inquiry);
    if (code == PW_OK) {
        pw_http_wait(inquiry->request, on_turn);
    } else {
        pw_door_problem(inquiry->request, code, NULL, NULL);
    }
}

/* Until something is answered. */
static void on_turn(struct pw_http_request *request)
{
    struct inquiry *inquiry = request->state;
    enum pw_code code = outcome(inquiry);
    code = code != PW_OK ? code : may_go_on(inquiry);
    if (code != PW_OK) {
        pw_door_problem(request, code, NULL, NULL);
    } else if (inquiry->info->is_stream) {
        answer_lines(inquiry);
    } else if (inquiry->turns.scan.is_over) {
        answer_state(inquiry);
    } else if (pw_http_is_gone(request)) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL); /* Nobody reads it. */
    } else {
        next_turn(inquiry);
    }
}

static void on_turn_done(struct pw_audit_turns *turns)
{
    pw_http_complete(((struct inquiry *)turns)->request);
}

/* --- How far it goes --- */

static void on_end_known(struct pw_http_request *request)
{
    struct inquiry *inquiry = request->state;
    struct pw_partition_status status;
    pw_service_status(inquiry->service, inquiry->turns.plan.partition, &status);
    if (!inquiry->read.is_current || status.position.offset < 0) {
        pw_door_problem(request, PW_ERR_LEDGER_DOWN, "this node has not read the ledger to its end",
                        NULL);
        return;
    }
    inquiry->turns.plan.end = status.position;
    if (request->method == PW_HTTP_HEAD && inquiry->info->is_stream) {
        answer_lines(inquiry);
        return;
    }
    plan(inquiry);
    next_turn(inquiry);
}

static void on_end_read(struct pw_read_index_job *job)
{
    pw_http_complete(((struct inquiry *)job->owner)->request);
}

/* --- Beginning and end --- */

static void inquiry_free(struct pw_audit_turns *turns)
{
    struct inquiry *inquiry = (struct inquiry *)turns;
    pw_audit_wish_close(&inquiry->wish);
    pw_buffer_close(&inquiry->piece);
    free(inquiry);
}

static void on_ended(struct pw_http_request *request)
{
    struct inquiry *inquiry = request->state;
    if (inquiry->has_entered) {
        pw_auditor_leave(&inquiry->turns);
    } else {
        inquiry_free(&inquiry->turns);
    }
}

static struct inquiry *inquiry_new(struct pw_service *service, struct pw_http_request *request,
                                   const struct pw_route *route, const struct pw_actor *actor)
{
    struct inquiry *inquiry = pw_memory_new(1, sizeof *inquiry);
    inquiry->service = service;
    inquiry->request = request;
    inquiry->route = route;
    inquiry->info = &pw_audits[route->number];
    inquiry->actor = *actor;
    inquiry->turns.done = on_turn_done;
    inquiry->turns.left = inquiry_free;
    inquiry->turns.plan.partition = pw_partition_of(&actor->tenant_id, service->partition_count);
    if (route->number == PW_AUDIT_STATE) {
        inquiry->turns.plan.folds = actor->tenant_id;
    }
    pw_buffer_init(&inquiry->piece, PIECE_BYTES_MAX);
    pw_audit_wish_init(&inquiry->wish, &actor->tenant_id);
    request->state = inquiry;
    request->ended = on_ended;
    return inquiry;
}

void pw_audit_door(struct pw_service *service, struct pw_http_request *request,
                   const struct pw_route *route, const struct pw_actor *actor)
{
    if (service->auditor == NULL) {
        pw_door_problem(request, PW_ERR_PART_NOT_RUN, NULL, NULL);
        return;
    }
    struct inquiry *inquiry = inquiry_new(service, request, route, actor);
    if (!read_request(inquiry)) {
        return;
    }
    enum pw_code code = pw_auditor_enter(service->auditor, &actor->tenant_id, &inquiry->turns);
    if (code != PW_OK) {
        pw_door_problem(request, code, NULL, NULL);
        return;
    }
    inquiry->has_entered = true;
    inquiry->read = (struct pw_read_index_job){
        .partition = inquiry->turns.plan.partition, .owner = inquiry, .done = on_end_read};
    pw_http_wait(request, on_end_known);
    pw_read_index_ask(service->read_index, &inquiry->read);
}
