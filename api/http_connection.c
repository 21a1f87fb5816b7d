/* api/http_connection.c: connections of the HTTP server, and how long each may take for what.
 *
 * libmicrohttpd's own time-out begins anew with every byte, so that one byte a minute holds a
 * connection for ever. Ours run from the beginning of a stage. All that are in one stage have the
 * same time, so the line of each stage is in order by itself, and only its first needs to be looked
 * at. A connection that is over is shut down, not closed: MHD finds its end, and closes it. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "api/http_internal.h"
#include "commands/map.h"
#include "commands/memory.h"

static const char too_slow[] =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static void leave_line(struct pw_http_loop *loop, struct pw_http_connection *kept)
{
    struct http_line *line = &loop->lines[kept->stage];
    *(kept->previous != NULL ? &kept->previous->next : &line->first) = kept->next;
    *(kept->next != NULL ? &kept->next->previous : &line->last) = kept->previous;
    kept->stage = PW_STAGE_COUNT;
}

void http_stage(struct pw_http_loop *loop, struct pw_http_connection *kept,
                enum pw_http_stage stage)
{
    if (kept->stage != PW_STAGE_COUNT) {
        leave_line(loop, kept);
    }
    uint32_t seconds = stage != PW_STAGE_COUNT ? loop->server->options.stage_seconds[stage] : 0;
    if (seconds == 0) {
        return;
    }
    struct http_line *line = &loop->lines[stage];
    kept->stage = stage;
    kept->due_us = loop->now_us + seconds * PW_US_PER_SECOND;
    kept->next = NULL;
    kept->previous = line->last;
    *(line->last != NULL ? &line->last->next : &line->first) = kept;
    line->last = kept;
}

static void end_connection(struct pw_http_loop *loop, struct pw_http_connection *kept)
{
    enum pw_http_stage stage = kept->stage;
    bool is_owed_a_word = stage == PW_STAGE_HEAD || stage == PW_STAGE_BODY;
    leave_line(loop, kept);
    atomic_fetch_add_explicit(&loop->timed_out[stage], 1, memory_order_relaxed);
    /* Nothing of ours is under way to it now; under TLS a word would have to go through MHD, which
     * takes none yet. */
    if (is_owed_a_word && loop->server->options.tls_certificate == NULL) {
        (void)!send(kept->fd, too_slow, sizeof too_slow - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    shutdown(kept->fd, SHUT_RDWR);
}

int http_expire(struct pw_http_loop *loop)
{
    int64_t next_us = INT64_MAX;
    int64_t now_us = http_boot_us();
    for (size_t stage = 0; stage < PW_STAGE_COUNT; stage++) {
        struct pw_http_connection *first = loop->lines[stage].first;
        while (first != NULL && first->due_us <= now_us) {
            end_connection(loop, first);
            first = loop->lines[stage].first;
        }
        if (first != NULL && first->due_us < next_us) {
            next_us = first->due_us;
        }
    }
    return next_us == INT64_MAX ? -1 : (int)((next_us - now_us) / PW_US_PER_MS) + 1;
}

/* A connection that waits is not looked at by MHD. Who has sent all that they will, and closed that half, counts as gone too: a client
 * that lives keeps it open. */
bool pw_http_is_gone(const struct pw_http_request *request)
{
    struct pollfd fd = {.fd = request->kept->fd, .events = POLLRDHUP};
    return poll(&fd, 1, 0) > 0 && (fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* --- How many a host has --- */

static bool is_counted(const struct pw_http_server *server, const struct pw_ip *peer)
{
    const struct pw_networks *trusted = server->options.trusted;
    return server->hosts != NULL && (trusted == NULL || !pw_networks_hold(trusted, peer));
}

enum MHD_Result http_on_accept(void *self, const struct sockaddr *address, socklen_t bytes)
{
    struct pw_http_loop *loop = self;
    struct pw_http_server *server = loop->server;
    struct pw_ip peer = pw_ip_of(address);
    struct pw_ip host = pw_ip_host(&peer);
    (void)bytes;
    if (!is_counted(server, &peer)) {
        return MHD_YES;
    }
    pthread_mutex_lock(&server->hosts_lock);
    const uint32_t *count = pw_map_get(server->hosts, &host);
    bool has_room = count == NULL || *count < server->options.connections_per_address;
    pthread_mutex_unlock(&server->hosts_lock);
    if (!has_room) {
        atomic_fetch_add_explicit(&loop->crowding, 1, memory_order_relaxed);
    }
    return has_room ? MHD_YES : MHD_NO;
}

static void count_in(struct pw_http_server *server, const struct pw_ip *peer)
{
    struct pw_ip host = pw_ip_host(peer);
    pthread_mutex_lock(&server->hosts_lock);
    ++*(uint32_t *)pw_map_put(server->hosts, &host, NULL);
    pthread_mutex_unlock(&server->hosts_lock);
}

static void count_out(struct pw_http_server *server, const struct pw_ip *peer)
{
    struct pw_ip host = pw_ip_host(peer);
    pthread_mutex_lock(&server->hosts_lock);
    uint32_t *count = pw_map_put(server->hosts, &host, NULL);
    if (--*count == 0) {
        pw_map_remove(server->hosts, &host, NULL);
    }
    pthread_mutex_unlock(&server->hosts_lock);
}

/* --- Beginning and end --- */

static struct pw_http_connection *begin(struct pw_http_loop *loop,
                                        struct MHD_Connection *connection)
{
    struct pw_http_connection *kept = pw_memory_new(1, sizeof *kept);
    kept->stage = PW_STAGE_COUNT;
    kept->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    kept->peer = pw_ip_of(
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    kept->is_counted = is_counted(loop->server, &kept->peer);
    kept->is_surplus = loop->open_count >= loop->open_max;
    if (kept->is_counted) {
        count_in(loop->server, &kept->peer);
    }
    if (kept->is_surplus) {
        atomic_fetch_add_explicit(&loop->surplus, 1, memory_order_relaxed);
    }
    /* Who is too much gets no time to sit idle: the spare places are few. */
    http_stage(loop, kept, kept->is_surplus ? PW_STAGE_HEAD : PW_STAGE_IDLE);
    loop->open_count++;
    return kept;
}

static void end(struct pw_http_loop *loop, struct pw_http_connection *kept)
{
    http_stage(loop, kept, PW_STAGE_COUNT);
    if (kept->is_counted) {
        count_out(loop->server, &kept->peer);
    }
    loop->open_count--;
    loop->has_closed = true;
    free(kept);
}

void http_on_connection(void *self, struct MHD_Connection *connection, void **context,
                        enum MHD_ConnectionNotificationCode what)
{
    struct pw_http_loop *loop = self;
    loop->call_count++;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = begin(loop, connection);
    } else {
        end(loop, *context);
    }
}
