/* api/http.c: one request of the HTTP server, from its first line to its answer. */
#include "api/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "api/text.h"
#include "commands/memory.h"

const double pw_http_bucket_seconds[PW_HTTP_BUCKETS] = {
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 10};

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t http_boot_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t pw_http_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

void pw_http_random(struct pw_http_request *request, void *ret_data, size_t bytes)
{
    struct pw_http_loop *loop = request->loop;
    assert(bytes <= sizeof loop->random);
    if (loop->random_left < bytes) {
        if (getrandom(loop->random, sizeof loop->random, 0) != (ssize_t)sizeof loop->random) {
            abort(); /* Without randomness no id is unique. */
        }
        loop->random_left = sizeof loop->random;
    }
    loop->random_left -= bytes;
    memcpy(ret_data, loop->random + loop->random_left, bytes);
}

/* --- Requests --- */

static struct pw_http_request *request_take(struct pw_http_loop *loop)
{
    struct pw_http_request *request = loop->free_requests;
    struct pw_arena arena;
    struct pw_arena piece_arena;
    if (request != NULL) {
        loop->free_requests = request->next;
        loop->free_count--;
        arena = request->arena;
        piece_arena = request->piece_arena;
    } else {
        request = pw_memory_new(1, sizeof *request);
        pw_arena_init(&arena, ARENA_BYTES_MAX);
        pw_arena_init(&piece_arena, ARENA_BYTES_MAX);
    }
    *request = (struct pw_http_request){.loop = loop, .arena = arena, .piece_arena = piece_arena};
    return request;
}

void http_request_free(struct pw_http_request *request)
{
    pw_arena_close(&request->arena);
    pw_arena_close(&request->piece_arena);
    free(request);
}

static void request_give_back(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    if (request->is_secret) {
        pw_arena_forget(&request->arena);
        pw_arena_forget(&request->piece_arena);
    } else {
        pw_arena_reset(&request->arena);
        pw_arena_reset(&request->piece_arena);
    }
    if (loop->free_count == FREE_REQUESTS_MAX) {
        http_request_free(request);
        return;
    }
    request->next = loop->free_requests;
    loop->free_requests = request;
    loop->free_count++;
}

/* MHD asks here before it reads the headers, with the target as it was sent; what this gives is the
 * request's context from then on. */
void *http_on_target(void *self, const char *target, struct MHD_Connection *connection)
{
    struct pw_http_loop *loop = self;
    struct pw_http_request *request = request_take(loop);
    loop->call_count++;
    request->connection = connection;
    request->kept =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request->peer = &request->kept->peer;
    request->connection_bucket = &request->kept->bucket_full_at_ns;
    request->is_surplus = request->kept->is_surplus;
    request->begun_boot_us = http_boot_us();
    http_stage(loop, request->kept, PW_STAGE_HEAD);
    http_parse_target(request, target);
    return request;
}

static void count(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    size_t route = request->route < PW_HTTP_ROUTES_MAX ? request->route : 0;
    int64_t took_us = http_boot_us() - request->begun_boot_us;
    size_t bucket = 0;
    while (bucket < PW_HTTP_BUCKETS && (double)took_us > pw_http_bucket_seconds[bucket] * 1e6) {
        bucket++;
    }
    size_t class = request->status / 100 < 6 ? request->status / 100 : 5;
    atomic_fetch_add_explicit(&loop->by_status[route][class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&loop->buckets[route][bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&loop->microseconds[route], (uint64_t)took_us, memory_order_relaxed);
}

void http_on_end(void *self, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why)
{
    struct pw_http_request *request = *context;
    struct pw_http_loop *loop = self;
    (void)connection;
    (void)why;
    loop->call_count++;
    if (request != NULL) {
        if (request->status != 0) {
            count(request);
        }
        if (request->more != NULL) {
            atomic_fetch_sub_explicit(&loop->waiting, 1, memory_order_relaxed);
        }
        http_stage(loop, request->kept, PW_STAGE_IDLE);
        if (request->ended != NULL) {
            request->ended(request);
        }
        request_give_back(request);
        *context = NULL;
    }
}

static enum pw_http_method method_of(const char *method)
{
    static const struct {
        const char *name;
        enum pw_http_method method;
    } methods[] = {
        {"POST", PW_HTTP_POST},
        {"GET", PW_HTTP_GET},
        {"HEAD", PW_HTTP_HEAD},
        {"OPTIONS", PW_HTTP_OPTIONS},
    };
    for (size_t i = 0; i < PW_COUNT(methods); i++) {
        if (strcmp(method, methods[i].name) == 0) {
            return methods[i].method;
        }
    }
    return PW_HTTP_OTHER;
}

static void refuse_body(struct pw_http_request *request)
{
    request->fault = PW_ERR_TOO_LARGE;
    request->fault_detail = pw_text_format(&request->arena, "the body has more than %zu bytes",
                                           request->loop->server->options.body_bytes_max);
}

/* Takes a piece of the body; false when so much comes that the connection is to be closed. */
static bool take_body(struct pw_http_request *request, const char *data, size_t bytes)
{
    request->body_seen_bytes += bytes;
    if (request->phase != PHASE_READING) { /* Not admitted: it has its answer already. */
        return request->body_seen_bytes <= BODY_SPARED_MAX;
    }
    if (request->body_seen_bytes > request->loop->server->options.body_bytes_max) {
        if (request->fault != PW_ERR_TOO_LARGE) {
            refuse_body(request);
        }
        return request->body_seen_bytes <= BODY_SWALLOW_MAX;
    }
    if (request->body.len + bytes > request->body_room) {
        size_t room = 2 * request->body_room + bytes;
        char *bigger = pw_arena_take(&request->arena, room);
        if (bigger == NULL) {
            return false;
        }
        if (request->body.len > 0) {
            memcpy(bigger, request->body_buffer, request->body.len);
        }
        request->body_buffer = bigger;
        request->body_room = room;
    }
    memcpy(request->body_buffer + request->body.len, data, bytes);
    request->body = (struct pw_str){request->body_buffer, request->body.len + bytes};
    return true;
}

/* --- Answers --- */

void pw_http_header(struct pw_http_request *request, const char *name, const char *value)
{
    assert(request->header_count < PW_HTTP_HEADERS_MAX);
    if (value != NULL) {
        request->header_names[request->header_count] = name;
        request->header_values[request->header_count++] = value;
    }
}

void pw_http_answer(struct pw_http_request *request, uint32_t status, const char *content_type,
                    struct pw_str body)
{
    if (content_type != NULL) {
        pw_http_header(request, "Content-Type", content_type);
    }
    request->answer_body = body;
    request->status = status;
}

void pw_http_stream(struct pw_http_request *request, uint32_t status, const char *content_type,
                    enum pw_http_piece (*more)(struct pw_http_request *request))
{
    pw_http_answer(request, status, content_type, (struct pw_str){NULL, 0});
    request->more = more;
    atomic_fetch_add_explicit(&request->loop->waiting, 1, memory_order_relaxed);
}

void pw_http_wait(struct pw_http_request *request, void (*finish)(struct pw_http_request *))
{
    request->finish = finish;
    request->phase = PHASE_WAITING;
    atomic_fetch_add_explicit(&request->loop->waiting, 1, memory_order_relaxed);
}

void http_wake(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0 && errno != EAGAIN) {
        abort(); /* An eventfd that is open takes every write. */
    }
}

/* True where the loop is to be woken: whoever finds others there knows that somebody wakes it. */
static bool completed_push(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    struct pw_http_request *first = atomic_load_explicit(&loop->completed, memory_order_relaxed);
    do {
        request->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&loop->completed, &first, request,
                                                    memory_order_release, memory_order_relaxed));
    return first == NULL;
}

void pw_http_complete(struct pw_http_request *request)
{
    int wake_fd = request->loop->wake_fd; /* The request may be gone once it is pushed. */
    if (completed_push(request)) {
        http_wake(wake_fd);
    }
}

/* The loops that this thread is to wake. One stands here twice when it emptied its stack meanwhile. */
static _Thread_local struct {
    int wake_fds[RINGS_MAX];
    uint32_t count;
} rings;

void pw_http_complete_later(struct pw_http_request *request)
{
    int wake_fd = request->loop->wake_fd;
    if (!completed_push(request)) {
        return;
    }
    if (rings.count == RINGS_MAX) {
        pw_http_ring();
    }
    rings.wake_fds[rings.count++] = wake_fd;
}

void pw_http_ring(void)
{
    while (rings.count > 0) {
        http_wake(rings.wake_fds[--rings.count]);
    }
}

static enum MHD_Result queue_answer(struct pw_http_request *request)
{
    assert(request->status != 0);
    struct MHD_Response *response =
        request->more != NULL
            ? http_stream_response(request)
            : MHD_create_response_from_buffer(request->answer_body.len,
                                              (void *)(uintptr_t)request->answer_body.ptr,
                                              MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    for (uint32_t i = 0; i < request->header_count; i++) {
        MHD_add_response_header(response, request->header_names[i], request->header_values[i]);
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    /* After a malformed head nobody knows for sure where the next request begins. */
    if (request->fault == PW_ERR_MALFORMED || request->is_surplus ||
        atomic_load_explicit(&request->loop->server->draining, memory_order_relaxed)) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result queued = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    request->phase = PHASE_SENT;
    http_stage(request->loop, request->kept, PW_STAGE_SEND);
    return queued;
}

/* Whether the request says beforehand that its body is longer than that: the first where the client
 * waits for a word before it sends any (Expect), else the second. */
static bool announces_more(struct pw_http_request *request, size_t expected_bytes, size_t bytes)
{
    const char *length =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    const char *expect =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Expect");
    unsigned long long announced_bytes = length != NULL ? strtoull(length, NULL, 10) : 0;
    return announced_bytes > (expect != NULL ? expected_bytes : bytes);
}

/* A body that is too large is answered at once where the client waits for a word, or when it is not
 * worth reading: MHD then closes the connection. Any other is read and thrown away, since a client
 * that still sends might never see an answer. */
static bool is_too_large_at_once(struct pw_http_request *request)
{
    return announces_more(request, request->loop->server->options.body_bytes_max, BODY_SWALLOW_MAX);
}

/* The same for a request that is not admitted, only that far less is worth reading: a connection that
 * many share stays, as most commands are short, and nobody makes a node read for nothing. */
static bool is_body_spared(struct pw_http_request *request)
{
    return request->headers[PW_HEADER_TRANSFER_ENCODING].ptr == NULL &&
           !announces_more(request, 0, BODY_SPARED_MAX);
}

static bool is_admitted(struct pw_http_request *request)
{
    const struct pw_http_handler *handler = &request->loop->server->options.handler;
    return handler->admit == NULL || handler->admit(handler->self, request);
}

static enum MHD_Result handle(struct pw_http_loop *loop, struct pw_http_request *request)
{
    request->phase = PHASE_HANDLED;
    loop->server->options.handler.handle(loop->server->options.handler.self, request);
    if (request->phase == PHASE_WAITING) {
        http_stage(loop, request->kept, PW_STAGE_COUNT);
        MHD_suspend_connection(request->connection);
        return MHD_YES;
    }
    return queue_answer(request);
}

/* The head is there. */
static enum MHD_Result begin(struct pw_http_loop *loop, struct pw_http_request *request,
                             const char *method)
{
    request->method = method_of(method);
    http_stage(loop, request->kept, PW_STAGE_BODY);
    http_parse_headers(request);
    if (atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        return MHD_NO; /* What the handler would ask may be gone: the connection is closed. */
    }
    if (!is_admitted(request)) {
        request->phase = PHASE_HANDLED;
        return is_body_spared(request) ? MHD_YES : queue_answer(request);
    }
    if (is_too_large_at_once(request)) {
        refuse_body(request);
        return handle(loop, request);
    }
    return MHD_YES;
}

/* MHD calls this once the headers are there, for each piece of the body, once after the body, and
 * again after a suspended connection was resumed. */
enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_bytes, void **context)
{
    struct pw_http_loop *loop = self;
    struct pw_http_request *request = *context;
    (void)connection;
    (void)url;
    loop->call_count++;
    if (request->method == 0) {
        request->is_1_0 = strcmp(version, "HTTP/1.0") == 0;
        return begin(loop, request, method);
    }
    if (*data_bytes > 0) {
        bool taken = take_body(request, data, *data_bytes);
        *data_bytes = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    if (request->phase != PHASE_READING) {
        return queue_answer(request);
    }
    if (atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        return MHD_NO; /* As at the beginning. */
    }
    return handle(loop, request);
}

/* --- Counters --- */

void pw_http_counts(struct pw_http_server *server, struct pw_http_counts *ret_counts)
{
    *ret_counts = (struct pw_http_counts){0};
    for (uint32_t i = 0; server != NULL && i < server->loop_count; i++) {
        struct pw_http_loop *loop = &server->loops[i];
        for (size_t route = 0; route < PW_HTTP_ROUTES_MAX; route++) {
            for (size_t class = 0; class < 6; class ++) {
                ret_counts->by_status[route][class] +=
                    atomic_load_explicit(&loop->by_status[route][class], memory_order_relaxed);
            }
            for (size_t bucket = 0; bucket <= PW_HTTP_BUCKETS; bucket++) {
                ret_counts->buckets[route][bucket] +=
                    atomic_load_explicit(&loop->buckets[route][bucket], memory_order_relaxed);
            }
            ret_counts->seconds_sum[route] +=
                (double)atomic_load_explicit(&loop->microseconds[route], memory_order_relaxed) /
                1e6;
        }
        for (size_t stage = 0; stage < PW_STAGE_COUNT; stage++) {
            ret_counts->timed_out[stage] +=
                atomic_load_explicit(&loop->timed_out[stage], memory_order_relaxed);
        }
        ret_counts->surplus += atomic_load_explicit(&loop->surplus, memory_order_relaxed);
        ret_counts->crowding += atomic_load_explicit(&loop->crowding, memory_order_relaxed);
        ret_counts->connections +=
            MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
    }
}
