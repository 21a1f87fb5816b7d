/* api/http_internal.h: what the pages of the HTTP server share. Nobody else includes it.
 *
 * http.c requests and counters; http_stream.c answers in pieces; http_loop.c loops;
 * http_connection.c connections and their times; http_parse.c target, headers, trace id
 *
 * A request: READING --body is whole--> HANDLED --answer queued--> SENT, or HANDLED -> WAITING
 * --completed--> HANDLED. One that is not admitted is HANDLED before its body. An answer in pieces:
 * SENT --nothing there yet--> PAUSED --completed--> SENT. */
#ifndef PW_API_HTTP_INTERNAL_H
#define PW_API_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/http.h"

#define ARENA_BYTES_MAX   (2 * 1024 * 1024)
#define BODY_SWALLOW_MAX  (16 * 1024 * 1024) /* So far a body that is too large is read. */
#define BODY_SPARED_MAX   4096               /* So far that of a request that is not admitted. */
#define FREE_REQUESTS_MAX 1024
#define RANDOM_BYTES      4096
#define RINGS_MAX         64
#define IDLE_RUNS_MAX     16

#define SPARE_CONNECTIONS 16 /* And a sixteenth of all: to tell who is too much that they are. */

enum phase { PHASE_READING, PHASE_HANDLED, PHASE_WAITING, PHASE_SENT, PHASE_PAUSED };

struct pw_http_connection {
    struct pw_http_connection *previous;
    struct pw_http_connection *next;
    enum pw_http_stage stage; /* COUNT: none, nothing is due. */
    int64_t due_us;
    int fd;
    bool is_surplus;
    bool is_counted; /* In its host's number. */
    struct pw_ip peer;
    int64_t bucket_full_at_ns;
};

/* Connections in one stage: those that came first are due first. */
struct http_line {
    struct pw_http_connection *first;
    struct pw_http_connection *last;
};

struct pw_http_loop {
    struct pw_http_server *server;
    struct MHD_Daemon *daemon;
    int epoll_fd;
    int wake_fd;
    pthread_t thread;
    bool started;
    atomic_bool stopping;
    atomic_uint waiting;
    _Atomic(struct pw_http_request *)
        completed; /* A stack: pushed by any thread, emptied by the loop. */
    struct pw_http_request *free_requests;
    uint32_t free_count;
    uint64_t call_count; /* Of MHD's calls to us. */
    uint64_t call_count_seen;
    uint32_t idle_runs; /* Runs of MHD in a row that called nobody. */
    struct http_line lines[PW_STAGE_COUNT];
    int64_t now_us; /* When this turn began. */
    uint32_t open_count;
    uint32_t open_max;
    bool has_closed; /* A connection, in this turn. */
    uint8_t random[RANDOM_BYTES];
    size_t random_left;
    atomic_uint_fast64_t by_status[PW_HTTP_ROUTES_MAX][6];
    atomic_uint_fast64_t buckets[PW_HTTP_ROUTES_MAX][PW_HTTP_BUCKETS + 1];
    atomic_uint_fast64_t microseconds[PW_HTTP_ROUTES_MAX];
    atomic_uint_fast64_t timed_out[PW_STAGE_COUNT];
    atomic_uint_fast64_t surplus;
    atomic_uint_fast64_t crowding;
};

struct pw_http_server {
    struct pw_http_options options;
    struct pw_http_loop *loops;
    uint32_t loop_count;
    uint32_t port;
    atomic_bool draining;
    pthread_mutex_t hosts_lock;
    struct pw_map *hosts; /* struct pw_ip -> uint32_t, its connections; NULL: not counted. */
};

void http_request_free(struct pw_http_request *request);

/* What MHD calls, on a loop's thread. */
void *http_on_target(void *self, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_bytes, void **context);
void http_on_end(void *self, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why);

enum MHD_Result http_on_accept(void *self, const struct sockaddr *address, socklen_t bytes);
void http_on_connection(void *self, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what);

/* The response of an answer in pieces. */
struct MHD_Response *http_stream_response(struct pw_http_request *request);

/* There is more of an answer to ask for. */
void http_stream_resume(struct pw_http_request *request);

/* Begins a stage, from the turn's time; COUNT: none. */
void http_stage(struct pw_http_loop *loop, struct pw_http_connection *kept,
                enum pw_http_stage stage);

/* Ends every connection whose stage is over, and gives the milliseconds until the next one's is;
 * -1: there is none. */
int http_expire(struct pw_http_loop *loop);

int64_t http_boot_us(void);

/* Wakes the poll on an eventfd. */
void http_wake(int fd);

/* Reads the raw target into segments and params; sets fault. */
void http_parse_target(struct pw_http_request *request, const char *target);

/* Takes the headers that are looked at; sets fault and trace_id. */
void http_parse_headers(struct pw_http_request *request);

#endif
