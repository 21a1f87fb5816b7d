/* api/http.c: loops of libmicrohttpd in its external epoll form, each beside an eventfd of ours.
 *
 * MHD_USE_EPOLL_INTERNAL_THREAD stalls when exactly 128 connections are ready at once, so the loop
 * is ours: it polls MHD's epoll descriptor and the eventfd, resumes what was completed, and lets
 * MHD run. */
#include "api/http_internal.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "api/config.h"
#include "api/log.h"
#include "commands/memory.h"

const double pw_http_bucket_seconds[PW_HTTP_BUCKETS] = {
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 10};

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
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
    if (request != NULL) {
        loop->free_requests = request->next;
        loop->free_count--;
        arena = request->arena;
    } else {
        request = pw_memory_new(1, sizeof *request);
        pw_arena_init(&arena, ARENA_BYTES_MAX);
    }
    *request = (struct pw_http_request){.loop = loop, .arena = arena};
    return request;
}

static void request_give_back(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    pw_arena_reset(&request->arena);
    if (loop->free_count == FREE_REQUESTS_MAX) {
        pw_arena_close(&request->arena);
        free(request);
        return;
    }
    request->next = loop->free_requests;
    loop->free_requests = request;
    loop->free_count++;
}

/* MHD asks here before it reads the headers, with the target as it was sent; what this gives is the
 * request's context from then on. */
static void *on_target(void *self, const char *target, struct MHD_Connection *connection)
{
    struct pw_http_loop *loop = self;
    struct pw_http_request *request = request_take(loop);
    request->connection = connection;
    request->begun_boot_us = clock_us(CLOCK_MONOTONIC);
    http_parse_target(request, target);
    return request;
}

static void count(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    size_t route = request->route < PW_HTTP_ROUTES_MAX ? request->route : 0;
    int64_t took_us = clock_us(CLOCK_MONOTONIC) - request->begun_boot_us;
    size_t bucket = 0;
    while (bucket < PW_HTTP_BUCKETS && (double)took_us > pw_http_bucket_seconds[bucket] * 1e6) {
        bucket++;
    }
    size_t class = request->status / 100 < 6 ? request->status / 100 : 5;
    atomic_fetch_add_explicit(&loop->by_status[route][class], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&loop->buckets[route][bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&loop->microseconds[route], (uint64_t)took_us, memory_order_relaxed);
}

static void on_end(void *self, struct MHD_Connection *connection, void **context,
                   enum MHD_RequestTerminationCode why)
{
    struct pw_http_request *request = *context;
    (void)self;
    (void)connection;
    (void)why;
    if (request != NULL) {
        if (request->status != 0) {
            count(request);
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
    request->fault_detail = "the body has more than 65536 bytes";
}

/* Takes a piece of the body; false when so much comes that the connection is to be closed. */
static bool take_body(struct pw_http_request *request, const char *data, size_t bytes)
{
    request->body_seen_bytes += bytes;
    if (request->body_seen_bytes > PW_HTTP_BODY_BYTES_MAX) {
        refuse_body(request);
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

void pw_http_wait(struct pw_http_request *request, void (*finish)(struct pw_http_request *))
{
    request->finish = finish;
    request->phase = PHASE_WAITING;
    atomic_fetch_add_explicit(&request->loop->waiting, 1, memory_order_relaxed);
}

static void wake(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof one) < 0 && errno != EAGAIN) {
        abort(); /* An eventfd that is open takes every write. */
    }
}

void pw_http_complete(struct pw_http_request *request)
{
    struct pw_http_loop *loop = request->loop;
    struct pw_http_request *first = atomic_load_explicit(&loop->completed, memory_order_relaxed);
    do {
        request->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&loop->completed, &first, request,
                                                    memory_order_release, memory_order_relaxed));
    if (first == NULL) {
        wake(loop->wake_fd); /* Whoever found others there knows that the loop is woken already. */
    }
}

static enum MHD_Result queue_answer(struct pw_http_request *request)
{
    assert(request->status != 0);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        request->answer_body.len, (void *)(uintptr_t)request->answer_body.ptr,
        MHD_RESPMEM_PERSISTENT);
    if (response == NULL) {
        return MHD_NO;
    }
    for (uint32_t i = 0; i < request->header_count; i++) {
        MHD_add_response_header(response, request->header_names[i], request->header_values[i]);
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (atomic_load_explicit(&request->loop->server->draining, memory_order_relaxed)) {
        MHD_add_response_header(response, "Connection", "close");
    }
    enum MHD_Result queued = MHD_queue_response(request->connection, request->status, response);
    MHD_destroy_response(response);
    request->phase = PHASE_SENT;
    return queued;
}

/* A body that says beforehand that it is too large is answered at once where the client waits for a
 * word (Expect), or when it is not worth reading: MHD then closes the connection. Any other is read
 * and thrown away, since a client that still sends might never see an answer. */
static bool is_refused_at_once(struct pw_http_request *request)
{
    const char *length =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
    const char *expect =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Expect");
    unsigned long long bytes = length != NULL ? strtoull(length, NULL, 10) : 0;
    return bytes > (expect != NULL ? PW_HTTP_BODY_BYTES_MAX : BODY_SWALLOW_MAX);
}

static enum MHD_Result handle(struct pw_http_loop *loop, struct pw_http_request *request)
{
    http_parse_headers(request);
    request->phase = PHASE_HANDLED;
    loop->server->options.handler.handle(loop->server->options.handler.self, request);
    if (request->phase == PHASE_WAITING) {
        MHD_suspend_connection(request->connection);
        return MHD_YES;
    }
    return queue_answer(request);
}

/* MHD calls this once the headers are there, for each piece of the body, once after the body, and
 * again after a suspended connection was resumed. */
static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **context)
{
    struct pw_http_loop *loop = self;
    struct pw_http_request *request = *context;
    (void)connection;
    (void)url;
    (void)version;
    if (request->method == 0) {
        request->method = method_of(method);
        if (is_refused_at_once(request)) {
            refuse_body(request);
            return handle(loop, request);
        }
        return MHD_YES;
    }
    if (*data_bytes > 0) {
        bool taken = take_body(request, data, *data_bytes);
        *data_bytes = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    return request->phase == PHASE_READING ? handle(loop, request) : queue_answer(request);
}

/* --- Loops --- */

static void resume_completed(struct pw_http_loop *loop)
{
    struct pw_http_request *newest =
        atomic_exchange_explicit(&loop->completed, NULL, memory_order_acquire);
    struct pw_http_request *oldest = NULL;
    while (newest != NULL) {
        struct pw_http_request *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct pw_http_request *request = oldest;
        oldest = request->next;
        request->phase = PHASE_HANDLED;
        request->finish(request);
        assert(request->status != 0 || request->phase == PHASE_WAITING);
        if (request->phase != PHASE_WAITING) {
            MHD_resume_connection(request->connection);
        }
        atomic_fetch_sub_explicit(&loop->waiting, 1, memory_order_relaxed);
    }
}

static void *run(void *self)
{
    struct pw_http_loop *loop = self;
    struct pollfd fds[2] = {{.fd = loop->epoll_fd, .events = POLLIN},
                            {.fd = loop->wake_fd, .events = POLLIN}};
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 0;
        int timeout_ms = -1;
        if (MHD_get_timeout(loop->daemon, &wait_ms) == MHD_YES) {
            timeout_ms = wait_ms > 1000 ? 1000 : (int)wait_ms;
        }
        if (atomic_load_explicit(&loop->completed, memory_order_acquire) != NULL) {
            timeout_ms = 0;
        }
        if (poll(fds, 2, timeout_ms) > 0 && (fds[1].revents & POLLIN) != 0) {
            uint64_t count_read;
            if (read(loop->wake_fd, &count_read, sizeof count_read) < 0 && errno != EAGAIN) {
                abort();
            }
        }
        resume_completed(loop);
        MHD_run(loop->daemon);
    }
    return NULL;
}

/* MHD's own messages, rarely of use: only for debugging. */
static void on_message(void *self, const char *format, va_list arguments)
{
    char text[512];
    (void)self;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    pw_log(PW_LOG_DEBUG, "http", PW_LOG_NO_PARTITION, NULL, "%s", text);
}

static bool loop_start(struct pw_http_server *server, struct pw_http_loop *loop,
                       const struct sockaddr *address)
{
    const struct pw_http_options *options = &server->options;
    uint32_t share = (options->connections_max + server->loop_count - 1) / server->loop_count;
    unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    bool tls = options->tls_certificate != NULL;
    flags |= address->sa_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    flags |= tls ? MHD_USE_TLS : 0;
    loop->server = server;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->daemon = MHD_start_daemon(
        flags, (uint16_t)server->port, NULL, NULL, on_request, loop, MHD_OPTION_EXTERNAL_LOGGER,
        on_message, NULL, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)share, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned int)options->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)20480,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_target, loop, MHD_OPTION_NOTIFY_COMPLETED, on_end, loop,
        tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, options->tls_certificate,
        MHD_OPTION_HTTPS_MEM_KEY, options->tls_key, MHD_OPTION_END);
    if (loop->daemon == NULL || loop->wake_fd < 0) {
        return false;
    }
    loop->epoll_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    server->port = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    return true;
}

/* With SO_REUSEPORT another process of ours could listen on the same address unseen, and each would
 * get half of the connections: so the address is tried without it first. */
static bool is_free(const struct addrinfo *found)
{
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    bool free_now = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                    bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1) == 0;
    if (fd >= 0) {
        int kept = errno;
        close(fd);
        errno = kept;
    }
    return free_now;
}

static void set_port(struct sockaddr *address, uint32_t port)
{
    if (address->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)(void *)address)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)(void *)address)->sin_port = htons((uint16_t)port);
    }
}

static enum pw_code loops_start(struct pw_http_server *server, const struct addrinfo *found,
                                struct pw_err *err)
{
    for (uint32_t i = 0; i < server->loop_count; i++) {
        struct pw_http_loop *loop = &server->loops[i];
        if (i > 0) {
            set_port(found->ai_addr, server->port);
        }
        if (!loop_start(server, loop, found->ai_addr) ||
            pthread_create(&loop->thread, NULL, run, loop) != 0) {
            return pw_fail(err, PW_ERR_USAGE, "cannot serve on %s: %s", server->options.address,
                           server->options.tls_certificate != NULL
                               ? "the address is taken, or certificate and key are wrong"
                               : strerror(errno));
        }
        loop->started = true;
    }
    return PW_OK;
}

enum pw_code pw_http_start(const struct pw_http_options *options,
                           struct pw_http_server **ret_server, struct pw_err *err)
{
    char host[256];
    char port[8];
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!pw_address_split(pw_str_of(options->address), host, sizeof host, port, sizeof port) ||
        getaddrinfo(host, port, &hints, &found) != 0) {
        return pw_fail(err, PW_ERR_USAGE, "cannot listen on %s: no such address", options->address);
    }
    if (!is_free(found)) {
        pw_fail(err, PW_ERR_USAGE, "cannot listen on %s: %s", options->address, strerror(errno));
        freeaddrinfo(found);
        return PW_ERR_USAGE;
    }
    struct pw_http_server *server = pw_memory_new(1, sizeof *server);
    server->options = *options;
    server->loop_count = options->threads;
    server->loops = pw_memory_new(options->threads, sizeof *server->loops);
    enum pw_code code = loops_start(server, found, err);
    freeaddrinfo(found);
    if (code != PW_OK) {
        pw_http_stop(server);
        return code;
    }
    *ret_server = server;
    return PW_OK;
}

uint32_t pw_http_port(const struct pw_http_server *server)
{
    return server->port;
}

void pw_http_drain(struct pw_http_server *server)
{
    atomic_store(&server->draining, true);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        MHD_socket listening = MHD_quiesce_daemon(server->loops[i].daemon);
        if (listening != MHD_INVALID_SOCKET) {
            close(listening);
        }
        wake(server->loops[i].wake_fd);
    }
}

uint32_t pw_http_waiting(struct pw_http_server *server)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < server->loop_count; i++) {
        waiting += atomic_load(&server->loops[i].waiting);
    }
    return waiting;
}

void pw_http_halt(struct pw_http_server *server)
{
    for (uint32_t i = 0; server != NULL && i < server->loop_count; i++) {
        struct pw_http_loop *loop = &server->loops[i];
        if (loop->started) {
            atomic_store_explicit(&loop->stopping, true, memory_order_release);
            wake(loop->wake_fd);
            pthread_join(loop->thread, NULL);
            loop->started = false;
        }
    }
}

static void loop_stop(struct pw_http_loop *loop)
{
    if (loop->daemon != NULL) {
        resume_completed(loop);
        MHD_run(loop->daemon); /* Resumes and answers. */
        MHD_run(loop->daemon); /* Sends what one turn did not. */
        MHD_stop_daemon(loop->daemon);
    }
    if (loop->wake_fd > 0) {
        close(loop->wake_fd);
    }
    while (loop->free_requests != NULL) {
        struct pw_http_request *request = loop->free_requests;
        loop->free_requests = request->next;
        pw_arena_close(&request->arena);
        free(request);
    }
}

void pw_http_stop(struct pw_http_server *server)
{
    if (server == NULL) {
        return;
    }
    pw_http_halt(server);
    for (uint32_t i = 0; i < server->loop_count; i++) {
        loop_stop(&server->loops[i]);
    }
    free(server->loops);
    free(server);
}

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
        ret_counts->connections +=
            MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
    }
}
