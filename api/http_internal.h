/* api/http_internal.h: what the pages of the HTTP server share. Nobody else includes it.
 *
 * http.c loops, connections, suspended requests, counters http_parse.c target, headers, trace id
 *
 * A request: READING --body is whole--> HANDLED --answer queued--> SENT, or HANDLED -> WAITING
 * --completed--> HANDLED. */
#ifndef PW_API_HTTP_INTERNAL_H
#define PW_API_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "api/http.h"

#define ARENA_BYTES_MAX   (2 * 1024 * 1024)
#define BODY_SWALLOW_MAX  (16 * 1024 * 1024) /* So far a body that is too large is read. */
#define FREE_REQUESTS_MAX 1024
#define RANDOM_BYTES      4096
#define RINGS_MAX         64
#define IDLE_RUNS_MAX     16

enum phase { PHASE_READING, PHASE_HANDLED, PHASE_WAITING, PHASE_SENT };

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
    uint8_t random[RANDOM_BYTES];
    size_t random_left;
    atomic_uint_fast64_t by_status[PW_HTTP_ROUTES_MAX][6];
    atomic_uint_fast64_t buckets[PW_HTTP_ROUTES_MAX][PW_HTTP_BUCKETS + 1];
    atomic_uint_fast64_t microseconds[PW_HTTP_ROUTES_MAX];
};

struct pw_http_server {
    struct pw_http_options options;
    struct pw_http_loop *loops;
    uint32_t loop_count;
    uint32_t port;
    atomic_bool draining;
};

/* What MHD calls, on a loop's thread. */
void *http_on_target(void *self, const char *target, struct MHD_Connection *connection);
enum MHD_Result http_on_request(void *self, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *data_bytes, void **context);
void http_on_end(void *self, struct MHD_Connection *connection, void **context,
                 enum MHD_RequestTerminationCode why);

/* Wakes the poll on an eventfd. */
void http_wake(int fd);

/* Reads the raw target into segments and params; sets fault. */
void http_parse_target(struct pw_http_request *request, const char *target);

/* Takes the headers that are looked at; sets fault and trace_id. */
void http_parse_headers(struct pw_http_request *request);

#endif
