/* api/http.h: the HTTP server: loops of libmicrohttpd, requests read whole, answers when they are
 * known.
 *
 * Contract  A server has some loops, each a thread with a listening socket of its own on the same
 *           address (SO_REUSEPORT). The handler is asked whether to admit a request once its
 *           head is there, before anything of a body is kept. One that is admitted and read whole
 *           (body up to body_bytes_max) is given to it, on the loop's thread; it either
 *           answers (pw_http_answer) or waits (pw_http_wait), and then whoever has its result calls
 *           pw_http_complete, once, from any thread: `finish` is called on the loop's thread and
 *           answers. While a request waits its connection costs no thread. A target, header or body
 *           that is not as HTTP has it is marked in `fault`; the handler answers it. What
 *           libmicrohttpd turns away by itself (no HTTP at all, headers too large) gets its status
 *           and a closed connection.
 *           Whatever a client does, or leaves undone, ends: each stage of a connection (none of its
 *           requests has begun, a head comes, a body comes, an answer goes out) has its own time,
 *           from the stage's beginning, so that a byte now and then wins nothing. Connections
 *           beyond connections_max are `is_surplus`, for the handler to say so, as far as there is
 *           spare room; then they wait unaccepted.
 * Owner     A request and all that hangs on it (arena, texts) live until its answer is sent.
 *           Answers' bodies and header values are borrowed until then: take them from the arena.
 * Threads   A request belongs to its loop, except while it waits: then to whom it was handed.
 * Errors    USAGE for an address that cannot be listened on, or TLS files that are wrong. */
#ifndef PW_API_HTTP_H
#define PW_API_HTTP_H

#include "api/address.h"
#include "schemas/arena.h"
#include "schemas/errors.h"

#define PW_HTTP_SEGMENTS_MAX 10
#define PW_HTTP_PARAMS_MAX   16
#define PW_HTTP_HEADERS_MAX  24 /* Of an answer. */

/* Headers that are looked at. LIST: repeats are joined with commas; otherwise a repeat is a
 * fault. */
#define PW_HTTP_HEADERS(X)                                                                         \
    X(ACCEPT, "Accept", true)                                                                      \
    X(AUTHORIZATION, "Authorization", false)                                                       \
    X(CLUSTER_KEY, "Pw-Cluster-Key", false)                                                        \
    X(CONTENT_ENCODING, "Content-Encoding", true)                                                  \
    X(CONTENT_LENGTH, "Content-Length", false)                                                     \
    X(CONTENT_TYPE, "Content-Type", false)                                                         \
    X(IDEMPOTENCY_KEY, "Idempotency-Key", false)                                                   \
    X(IF_MATCH, "If-Match", true)                                                                  \
    X(IF_NONE_MATCH, "If-None-Match", true)                                                        \
    X(LAST_EVENT_ID, "Last-Event-ID", false)                                                       \
    X(MIN_POSITION, "Pw-Min-Position", true)                                                       \
    X(ORIGIN, "Origin", false)                                                                     \
    X(PREFER, "Prefer", true)                                                                      \
    X(REQUEST_METHOD, "Access-Control-Request-Method", false)                                      \
    X(TRACEPARENT, "traceparent", false)                                                           \
    X(TRANSFER_ENCODING, "Transfer-Encoding", true)                                                \
    X(FORWARDED_FOR, "X-Forwarded-For", true)

enum pw_http_header {
#define PW_HTTP_HEADER_MEMBER(UPPER, name, list) PW_HEADER_##UPPER,
    PW_HTTP_HEADERS(PW_HTTP_HEADER_MEMBER)
#undef PW_HTTP_HEADER_MEMBER
        PW_HEADER_COUNT
};

enum pw_http_method {
    PW_HTTP_GET = 1,
    PW_HTTP_HEAD = 2,
    PW_HTTP_POST = 4,
    PW_HTTP_OPTIONS = 8,
    PW_HTTP_OTHER = 16
};

struct pw_http_param {
    struct pw_str name;
    struct pw_str value;
};

/* What a connection is doing, each with a time of its own. */
#define PW_HTTP_STAGES(X)                                                                          \
    X(IDLE, "idle") /* The first line of a request is not there yet. */                            \
    X(HEAD, "head")                                                                                \
    X(BODY, "body")                                                                                \
    X(SEND, "send") /* The answer goes out. */

enum pw_http_stage {
#define PW_HTTP_STAGE_MEMBER(UPPER, name) PW_STAGE_##UPPER,
    PW_HTTP_STAGES(PW_HTTP_STAGE_MEMBER)
#undef PW_HTTP_STAGE_MEMBER
        PW_STAGE_COUNT
};

/* What is next of an answer in pieces. */
enum pw_http_piece {
    PW_PIECE_NEXT,  /* `answer_body` is it: not empty. */
    PW_PIECE_LATER, /* pw_http_complete is called once there is more to ask for. */
    PW_PIECE_END,
    PW_PIECE_BROKEN /* The connection is closed, so that nobody takes the part for the whole. */
};

struct pw_http_loop;

struct pw_http_request {
    /* The request. */
    enum pw_http_method method;
    struct pw_str segments[PW_HTTP_SEGMENTS_MAX]; /* Of the path, decoded. */
    uint32_t segment_count;
    struct pw_http_param params[PW_HTTP_PARAMS_MAX]; /* Of the query, decoded, in order. */
    uint32_t param_count;
    struct pw_str headers[PW_HEADER_COUNT]; /* ptr NULL: not sent. */
    struct pw_str body;
    enum pw_code fault; /* MALFORMED, TOO_LARGE; else PW_OK. */
    const char *fault_detail;
    bool forwarded; /* Another node sent it on: it goes no further. */
    bool
        is_1_0; /* The client knows no chunks: an answer in pieces would end like one that was cut off. */
    bool is_surplus; /* There are more connections than there may be: this one is closed. */
    const struct pw_ip *peer;   /* The socket's other end. */
    int64_t *connection_bucket; /* Of api/buckets.h: for the handler, as long as the connection. */
    char trace_id[33];          /* Of traceparent, else random; 32 hex digits. */
    int64_t begun_boot_us;
    struct pw_arena arena;
    struct pw_arena piece_arena; /* For one piece of an answer: it is reset once that is sent. */
    bool is_secret; /* Set by the handler: the arenas are overwritten once the answer is sent. */
    enum pw_code refusal; /* The handler's own: whatever is wrong is answered so (api/door.h). */
    const char *refusal_detail;

    /* The handler's own, for a request that waits. */
    void *state;
    void (*finish)(struct pw_http_request *request);
    enum pw_http_piece (*more)(struct pw_http_request *request); /* For an answer in pieces. */
    /* The request is over, whether it was answered to its end or the client is gone: `state` can be given up. Or NULL. */
    void (*ended)(struct pw_http_request *request);

    /* The answer. */
    uint32_t status; /* 0: none yet. */
    struct pw_str answer_body;
    const char *header_names[PW_HTTP_HEADERS_MAX];
    const char *header_values[PW_HTTP_HEADERS_MAX];
    uint32_t header_count;
    uint32_t route; /* The handler's number of the route, for the counters. */

    /* The server's own. */
    struct pw_http_loop *loop;
    void *connection;
    struct pw_http_connection *kept;
    struct pw_http_request *next;
    char *body_buffer;
    size_t body_room;
    size_t body_seen_bytes;
    size_t piece_sent_bytes;
    int phase;
};

struct pw_http_handler {
    void *self;
    /* The head is there, the body is not. False: it has answered, and `handle` is not asked. Or NULL:
     * all are admitted. */
    bool (*admit)(void *self, struct pw_http_request *request);
    void (*handle)(void *self, struct pw_http_request *request);
    /* A loop has handled all that was there: the time to wake whoever got work of it. Or NULL. */
    void (*turn_over)(void *self);
};

struct pw_http_options {
    const char *address; /* host:port; port 0: any. */
    uint32_t threads;
    uint32_t connections_max;
    uint32_t connections_per_address;  /* Of one host; 0: as many as there may be. */
    const struct pw_networks *trusted; /* Proxies, which that is not for. NULL: none. Borrowed. */
    uint32_t stage_seconds[PW_STAGE_COUNT]; /* 0: for ever. */
    size_t head_bytes_max; /* Memory for one request's first line and headers, and its answer's. */
    size_t body_bytes_max;
    const char *tls_certificate; /* PEM text; NULL: no TLS. */
    const char *tls_key;
    struct pw_http_handler handler;
};

struct pw_http_server;

/* Whether the address could be listened on now. */
enum pw_code pw_http_probe(const char *address, struct pw_err *err);

enum pw_code pw_http_start(const struct pw_http_options *options,
                           struct pw_http_server **ret_server, struct pw_err *err);

uint32_t pw_http_port(const struct pw_http_server *server);

/* Takes no more connections; those open are answered and then closed. */
void pw_http_drain(struct pw_http_server *server);

/* How many requests wait for their answer, or for more of it. */
uint32_t pw_http_waiting(struct pw_http_server *server);

/* Ends the loops: no handler runs any more. What still waits is completed by whoever has it, before
 * pw_http_stop sends those answers, as far as they can be sent at once, and frees everything. */
void pw_http_halt(struct pw_http_server *server);
void pw_http_stop(struct pw_http_server *server);

/* Adds a header to the answer; name and value are borrowed. */
void pw_http_header(struct pw_http_request *request, const char *name, const char *value);

/* Answers; the body is borrowed. */
void pw_http_answer(struct pw_http_request *request, uint32_t status, const char *content_type,
                    struct pw_str body);

/* Answers in pieces, as many as there are (chunked). `more` is asked for each on the loop's thread, once the one before it is with the
 * kernel; a client that does not read is not asked for, and has the time of the stage `send` for each piece. Not asked for HEAD. */
void pw_http_stream(struct pw_http_request *request, uint32_t status, const char *content_type,
                    enum pw_http_piece (*more)(struct pw_http_request *request));

/* Whether the client of a request that waits has hung up: nobody will read an answer. On the loop's thread. */
bool pw_http_is_gone(const struct pw_http_request *request);

/* Says that the answer comes later, through `finish`. */
void pw_http_wait(struct pw_http_request *request, void (*finish)(struct pw_http_request *));
void pw_http_complete(struct pw_http_request *request);

/* The same for who completes many in a row: their loops are woken by this thread's next
 * pw_http_ring, once each. */
void pw_http_complete_later(struct pw_http_request *request);
void pw_http_ring(void);

/* Random bytes of the loop's thread, cheap. */
void pw_http_random(struct pw_http_request *request, void *ret_data, size_t bytes);

int64_t pw_http_wall_us(void);

/* --- Counters, for /metrics --- */
#define PW_HTTP_ROUTES_MAX 128
#define PW_HTTP_BUCKETS    14

extern const double pw_http_bucket_seconds[PW_HTTP_BUCKETS]; /* Upper bounds. */

struct pw_http_counts {
    uint64_t by_status[PW_HTTP_ROUTES_MAX][6]; /* [route][1xx..5xx as 1..5] */
    uint64_t buckets[PW_HTTP_ROUTES_MAX][PW_HTTP_BUCKETS + 1];
    double seconds_sum[PW_HTTP_ROUTES_MAX];
    uint64_t connections;
    uint64_t timed_out[PW_STAGE_COUNT];
    uint64_t surplus;
    uint64_t crowding; /* Turned away: their host had as many as one may. */
};

/* Adds up all loops; zeros for a server that has not started (NULL). */
void pw_http_counts(struct pw_http_server *server, struct pw_http_counts *ret_counts);

#endif
