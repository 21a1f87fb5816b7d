/* api/http_loop.c: loops of libmicrohttpd in its external epoll form, each beside an eventfd of ours.
 *
 * MHD_USE_EPOLL_INTERNAL_THREAD stalls when exactly 128 connections are ready at once, so the loop
 * is ours: it polls MHD's epoll descriptor and the eventfd, resumes what was completed, and lets MHD
 * run. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/config.h"
#include "api/http_internal.h"
#include "api/log.h"
#include "commands/map.h"
#include "commands/memory.h"

#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

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
        if (request->phase == PHASE_PAUSED) {
            http_stream_resume(request);
            continue;
        }
        request->phase = PHASE_HANDLED;
        request->finish(request);
        assert(request->status != 0 || request->phase == PHASE_WAITING);
        if (request->phase != PHASE_WAITING) {
            MHD_resume_connection(request->connection);
        }
        atomic_fetch_sub_explicit(&loop->waiting, 1, memory_order_relaxed);
    }
}

/* MHD 0.9.75 asks to be run again at once, until the connection idles out, for a chunk's header that
 * does not fit its buffer: it never gives up on it in the external form. A run that calls nobody
 * back has done nothing that could not wait a moment. */
static int calm(struct pw_http_loop *loop, int timeout_ms)
{
    loop->idle_runs = loop->call_count == loop->call_count_seen ? loop->idle_runs + 1 : 0;
    loop->call_count_seen = loop->call_count;
    return timeout_ms == 0 && loop->idle_runs > IDLE_RUNS_MAX ? 1 : timeout_ms;
}

/* The shorter of two waits, of which -1 is the longest. */
static int sooner(int a_ms, int b_ms)
{
    return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

static void *run(void *self)
{
    struct pw_http_loop *loop = self;
    const struct pw_http_handler *handler = &loop->server->options.handler;
    struct pollfd fds[2] = {{.fd = loop->epoll_fd, .events = POLLIN},
                            {.fd = loop->wake_fd, .events = POLLIN}};
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire)) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 0;
        int timeout_ms = -1;
        if (MHD_get_timeout(loop->daemon, &wait_ms) == MHD_YES) {
            timeout_ms = calm(loop, wait_ms > 1000 ? 1000 : (int)wait_ms);
        }
        timeout_ms = sooner(timeout_ms, http_expire(loop));
        if (loop->has_closed ||
            atomic_load_explicit(&loop->completed, memory_order_acquire) != NULL) {
            timeout_ms = 0; /* MHD listens again only in the turn after one in which it was full. */
        }
        loop->has_closed = false;
        if (poll(fds, 2, timeout_ms) > 0 && (fds[1].revents & POLLIN) != 0) {
            uint64_t count_read;
            if (read(loop->wake_fd, &count_read, sizeof count_read) < 0 && errno != EAGAIN) {
                abort();
            }
        }
        loop->now_us = http_boot_us();
        resume_completed(loop);
        MHD_run(loop->daemon);
        if (handler->turn_over != NULL) {
            handler->turn_over(handler->self);
        }
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
    uint32_t spare = share / 16 + SPARE_CONNECTIONS;
    unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    bool tls = options->tls_certificate != NULL;
    flags |= address->sa_family == AF_INET6 ? MHD_USE_IPv6 : 0;
    flags |= tls ? MHD_USE_TLS : 0;
    loop->server = server;
    loop->open_max = share;
    loop->now_us = http_boot_us();
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->daemon = MHD_start_daemon(
        flags, (uint16_t)server->port, http_on_accept, loop, http_on_request, loop,
        MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL, MHD_OPTION_SOCK_ADDR, address,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)(share + spare), MHD_OPTION_CONNECTION_TIMEOUT, 0u,
        MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, loop, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options->head_bytes_max, MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, http_on_target, loop,
        MHD_OPTION_NOTIFY_COMPLETED, http_on_end, loop,
        tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, options->tls_certificate,
        MHD_OPTION_HTTPS_MEM_KEY, options->tls_key, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES,
        MHD_OPTION_END);
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

/* A free address; to be given back by freeaddrinfo. */
static enum pw_code resolve(const char *address, struct addrinfo **ret_found, struct pw_err *err)
{
    char host[256];
    char port[8];
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (!pw_address_split(pw_str_of(address), host, sizeof host, port, sizeof port) ||
        getaddrinfo(host, port, &hints, &found) != 0) {
        return pw_fail(err, PW_ERR_USAGE, "cannot listen on %s: no such address", address);
    }
    if (!is_free(found)) {
        pw_fail(err, PW_ERR_USAGE, "cannot listen on %s: %s", address, strerror(errno));
        freeaddrinfo(found);
        return PW_ERR_USAGE;
    }
    *ret_found = found;
    return PW_OK;
}

enum pw_code pw_http_probe(const char *address, struct pw_err *err)
{
    struct addrinfo *found = NULL;
    enum pw_code code = resolve(address, &found, err);
    if (code == PW_OK) {
        freeaddrinfo(found);
    }
    return code;
}

enum pw_code pw_http_start(const struct pw_http_options *options,
                           struct pw_http_server **ret_server, struct pw_err *err)
{
    struct addrinfo *found = NULL;
    if (resolve(options->address, &found, err) != PW_OK) {
        return PW_ERR_USAGE;
    }
    struct pw_http_server *server = pw_memory_new(1, sizeof *server);
    server->options = *options;
    server->loop_count = options->threads;
    pthread_mutex_init(&server->hosts_lock, NULL);
    if (options->connections_per_address > 0) {
        server->hosts = pw_map_new(sizeof(struct pw_ip), sizeof(uint32_t));
    }
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
        http_wake(server->loops[i].wake_fd);
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
            http_wake(loop->wake_fd);
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
        http_request_free(request);
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
    pw_map_free(server->hosts);
    pthread_mutex_destroy(&server->hosts_lock);
    free(server->loops);
    free(server);
}
