/* api/query_stream.c: a list whose rows are numbered, as a stream of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html
 *
 * Each turn asks the read model for what comes after the number that was sent last, which any node can, so a client goes on wherever it
 * connects again. It listens to the bell from before its first question until its connection ends: so nothing that comes meanwhile is missed,
 * and nothing is asked while nothing comes. */
#include "api/bell.h"
#include "api/door.h"
#include "api/headers.h"

#include <time.h>

#define LIMIT       100                  /* Of one piece. */
#define PATIENCE_US (300 * PW_US_PER_MS) /* At once, with a read model that is behind. */
#define SILENCE_US                                                                                 \
    (PW_BELL_QUIET_TICKS * PW_BELL_TICK_US) /* Nobody is left longer without a word. */
#define RETRY_TEXT "retry: 3000\n\n"
#define STILL_HERE ": still here\n\n"
#define NUMBER_MAX UINT32_MAX

enum turn {
    TURN_OPEN,  /* Nothing was sent yet. */
    TURN_LOOK,  /* To be asked. */
    TURN_ASKED, /* The read model is asked, or has answered. */
    TURN_WAIT,  /* Until the bell rings. */
    TURN_REST   /* It was said that there is nothing: to wait again. */
};

struct stream {
    struct pw_query_ask ask; /* First: done gets the ask, and finds the stream by it. */
    struct pw_bell_listener listener;
    struct pw_service *service;
    struct pw_http_request *request;
    const struct pw_route *route;
    enum turn turn;
    bool is_placed;       /* It is known what comes next: after which number. */
    int64_t said_boot_us; /* When something was sent last. */
};

static int64_t boot_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static void on_ring(struct pw_bell_listener *listener)
{
    struct stream *stream =
        (struct stream *)(void *)((char *)listener - offsetof(struct stream, listener));
    pw_http_complete(stream->request);
}

static void on_done(struct pw_query_ask *ask)
{
    pw_http_complete(((struct stream *)ask)->request);
}

static enum pw_http_piece say(struct stream *stream, struct pw_str text, enum turn next)
{
    stream->request->answer_body = text;
    stream->said_boot_us = boot_us();
    stream->turn = next;
    return PW_PIECE_NEXT;
}

/* What this node knows to be confirmed is to be in the answer: so an empty one says that nothing has come. Of what a snapshot stands for the
 * bell was not told. */
static void set_position(struct stream *stream)
{
    struct pw_query_ask *ask = &stream->ask;
    struct pw_partition_status status;
    pw_service_status(stream->service, ask->partition, &status);
    int64_t told = pw_bell_told(stream->service->bell, ask->partition);
    int64_t offset = told > status.position.offset ? told : status.position.offset;
    ask->has_min_position = offset >= 0;
    ask->min_position =
        (struct pw_min_position){.position = {.partition = ask->partition, .offset = offset}};
}

/* Where nobody said after which number: after the newest there is. */
static void form_ask(struct stream *stream)
{
    struct pw_query_ask *ask = &stream->ask;
    ask->as_events = stream->is_placed;
    ask->has_after = stream->is_placed;
    ask->limit = stream->is_placed ? LIMIT : 1;
    ask->give_up_boot_us = boot_us() + PATIENCE_US;
    ask->arena = &stream->request->piece_arena;
    ask->body = (struct pw_str){NULL, 0};
    set_position(stream);
}

static enum pw_http_piece wait_for_bell(struct stream *stream, bool soon);

static enum pw_http_piece ask(struct stream *stream)
{
    form_ask(stream);
    stream->turn = TURN_ASKED;
    enum pw_code code = pw_query_submit(stream->service->queries, &stream->ask);
    return code == PW_OK               ? PW_PIECE_LATER
           : code == PW_ERR_QUEUE_FULL ? wait_for_bell(stream, true)
                                       : PW_PIECE_END;
}

static enum pw_http_piece wait_for_bell(struct stream *stream, bool soon)
{
    struct pw_bell *bell = stream->service->bell;
    if (pw_bell_wait(bell, &stream->listener, soon)) {
        stream->turn = TURN_WAIT;
        return PW_PIECE_LATER;
    }
    return pw_bell_has_stopped(bell) ? PW_PIECE_END : ask(stream);
}

/* A client whose token is good no more comes again with another one, or not at all. */
static bool is_admitted(const struct stream *stream)
{
    return pw_door_still_admits(stream->service, stream->request, stream->route);
}

static enum pw_http_piece look(struct stream *stream)
{
    return is_admitted(stream) ? ask(stream) : PW_PIECE_END;
}

/* What could not be answered is asked again soon: the read model is behind, or down. */
static enum pw_http_piece take_answer(struct stream *stream)
{
    struct pw_query_ask *ask = &stream->ask;
    if (ask->code != PW_OK) {
        return ask->code == PW_ERR_STOPPING ? PW_PIECE_END : wait_for_bell(stream, true);
    }
    bool was_placed = stream->is_placed;
    stream->is_placed = true;
    if (!was_placed || ask->body.len > 0) {
        ask->after = ask->next_after; /* 0, where there is none yet. */
    }
    return was_placed && ask->body.len > 0 ? say(stream, ask->body, TURN_LOOK)
                                           : wait_for_bell(stream, false);
}

static enum pw_http_piece wake(struct stream *stream)
{
    bool has_news = pw_bell_news(stream->service->bell, &stream->listener);
    if (pw_bell_has_stopped(stream->service->bell)) {
        return PW_PIECE_END;
    }
    if (boot_us() - stream->said_boot_us >= SILENCE_US) { /* So that one that is gone is noticed. */
        return say(stream, PW_STR(STILL_HERE), has_news ? TURN_LOOK : TURN_REST);
    }
    return has_news ? look(stream) : wait_for_bell(stream, false);
}

static enum pw_http_piece more(struct pw_http_request *request)
{
    struct stream *stream = request->state;
    switch (stream->turn) {
    case TURN_OPEN: return say(stream, PW_STR(RETRY_TEXT), TURN_LOOK);
    case TURN_LOOK: return look(stream);
    case TURN_ASKED: return take_answer(stream);
    case TURN_WAIT: return wake(stream);
    case TURN_REST: break;
    }
    return is_admitted(stream) ? wait_for_bell(stream, false) : PW_PIECE_END;
}

static void on_ended(struct pw_http_request *request)
{
    struct stream *stream = request->state;
    pw_bell_leave(stream->service->bell, &stream->listener);
}

/* --- The request --- */

static bool parse_number(struct pw_str text, int64_t *ret_number)
{
    int64_t number = 0;
    for (size_t i = 0; i < text.len && number <= NUMBER_MAX; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
        number = 10 * number + (text.ptr[i] - '0');
    }
    *ret_number = number;
    return text.len > 0 && number <= NUMBER_MAX;
}

/* Last-Event-ID, which browsers send when they connect again, goes before what the address says for ever. */
static bool take_place(struct stream *stream)
{
    struct pw_http_request *request = stream->request;
    struct pw_violations violations = {0};
    struct pw_str last = request->headers[PW_HEADER_LAST_EVENT_ID];
    int64_t *number = &stream->ask.after.order_at_us;
    for (uint32_t i = 0; i < request->param_count; i++) {
        const struct pw_http_param *param = &request->params[i];
        if (!pw_str_equal(param->name, PW_STR("since"))) {
            pw_door_refuse_param(request, &violations, param->name,
                                 "there is no such query parameter of the stream");
        } else if (stream->is_placed || !parse_number(param->value, number)) {
            pw_door_refuse_param(request, &violations, param->name,
                                 "must be one number, of what was read last");
        } else {
            stream->is_placed = true;
        }
    }
    if (violations.count > 0) {
        pw_door_problem(request, PW_ERR_INVALID, NULL, &violations);
        return false;
    }
    if (last.ptr != NULL && !parse_number(last, number)) {
        pw_door_problem(request, PW_ERR_MALFORMED, "Last-Event-ID must be an id of this stream",
                        NULL);
        return false;
    }
    stream->is_placed = stream->is_placed || last.ptr != NULL;
    return true;
}

bool pw_query_stream_is_wanted(const struct pw_query_info *info,
                               const struct pw_http_request *request)
{
    struct pw_str accept = request->headers[PW_HEADER_ACCEPT];
    int events = accept.ptr != NULL ? pw_header_quality(accept, PW_STR("text/event-stream")) : 0;
    return info->is_flowing && !request->is_1_0 &&
           events > pw_header_quality(accept, PW_STR("application/json")) &&
           events > pw_header_quality(accept, PW_STR("text/csv"));
}

void pw_query_stream(struct pw_service *service, struct pw_http_request *request,
                     const struct pw_route *route, const struct pw_actor *actor)
{
    struct stream *stream = pw_arena_take(&request->arena, sizeof *stream);
    if (stream == NULL) {
        pw_door_problem(request, PW_ERR_QUEUE_FULL, NULL, NULL);
        return;
    }
    *stream = (struct stream){
        .service = service,
        .request = request,
        .route = route,
        .listener = {.tenant_id = actor->tenant_id, .student_id = actor->id, .ring = on_ring},
        .ask = {.info = &pw_queries[route->number],
                .trace_id = request->trace_id,
                .tenant_id = actor->tenant_id,
                .actor_id = actor->id,
                .actor_roles = actor->roles,
                .partition = pw_partition_of(&actor->tenant_id, service->partition_count),
                .position = {.offset = -1},
                .done = on_done}};
    if (!take_place(stream)) {
        return;
    }
    pw_bell_join(service->bell, &stream->listener);
    request->state = stream;
    request->ended = on_ended;
    pw_door_private(request);
    pw_http_header(request, "X-Accel-Buffering",
                   "no"); /* A proxy that gathers would hold it back. */
    pw_http_stream(request, 200, "text/event-stream", more);
}
