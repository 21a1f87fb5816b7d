/* api/forward.c: commands to the node that leads their partition, and its answers back. */
#include "api/forward.h"

#include <curl/curl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "api/text.h"
#include "commands/memory.h"

#define CONNECT_TIMEOUT_MS  1000
#define TIMEOUT_MS          5000
#define LOOK_EVERY_MS       100 /* Whether the nodes that are waited for live. */
#define CONNECTIONS_OF_NODE 64
#define IDLE_SECONDS        15 /* Far less than a listener keeps an idle connection. */
#define HANDLES_KEPT_MAX    256
#define SENT_HEADERS_MAX    10
#define BODY_BYTES_MAX      (256 * 1024)

struct pw_forwarder {
    struct pw_peers_probe *probe;
    char key_line[320]; /* `Pw-Cluster-Key: ...` */
    CURLM *multi;
    pthread_t thread;
    CURL *handles[HANDLES_KEPT_MAX]; /* Not in use. */
    uint32_t handle_count;
    struct pw_forward *flying; /* The thread's own. */

    pthread_mutex_t lock; /* Guards what follows. */
    struct pw_forward *first;
    struct pw_forward *last;
    uint32_t count; /* Submitted or flying. */
    bool stopping;
    struct pw_forward_counts counts;
};

/* --- What is sent --- */

/* libcurl only reads the list, so it may lie in the request's arena. */
static void add_line(struct curl_slist **list, struct pw_arena *arena, const char *line)
{
    struct curl_slist *item = line == NULL ? NULL : pw_arena_take(arena, sizeof *item);
    if (item != NULL) {
        item->data = (char *)(uintptr_t)line;
        item->next = *list;
        *list = item;
    }
}

static void add_header(struct curl_slist **list, struct pw_arena *arena, const char *name,
                       struct pw_str value)
{
    add_line(list, arena, pw_text_format(arena, "%s: %.*s", name, (int)value.len, value.ptr));
}

static struct curl_slist *headers_of(struct pw_forwarder *forwarder, struct pw_forward *forward)
{
    static const struct {
        enum pw_http_header header;
        const char *name;
    } passed[] = {
        {PW_HEADER_AUTHORIZATION, "Authorization"},
        {PW_HEADER_CONTENT_TYPE, "Content-Type"},
        {PW_HEADER_IF_MATCH, "If-Match"},
        {PW_HEADER_PREFER, "Prefer"},
    };
    struct pw_http_request *request = forward->request;
    struct pw_arena *arena = &request->arena;
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < PW_COUNT(passed); i++) {
        if (request->headers[passed[i].header].ptr != NULL) {
            add_header(&list, arena, passed[i].name, request->headers[passed[i].header]);
        }
    }
    if (request->headers[PW_HEADER_CONTENT_TYPE].ptr == NULL) {
        add_line(&list, arena, "Content-Type:"); /* libcurl would make one up. */
    }
    add_header(&list, arena, "Idempotency-Key", pw_str_of(forward->key));
    add_line(
        &list, arena,
        pw_text_format(arena, "traceparent: 00-%s-%.16s-01", request->trace_id, request->trace_id));
    add_line(&list, arena, "Expect:");
    add_line(&list, arena, "Accept:");
    add_line(&list, arena, forwarder->key_line);
    return list;
}

/* The connection stands; the request goes out now. On a kept connection that turns out to be dead
 * libcurl would send it once more on a new one: we do not. */
static int on_sending(void *self, char *primary_ip, char *local_ip, int primary_port,
                      int local_port)
{
    struct pw_forward *forward = self;
    (void)primary_ip;
    (void)local_ip;
    (void)primary_port;
    (void)local_port;
    if (forward->sent) {
        return CURL_PREREQFUNC_ABORT;
    }
    forward->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* --- What comes back --- */

/* Not the key: the answer here has it already. */
static const char *const kept_headers[] = {
    "Allow",    "Cache-Control", "ETag",        "Idempotency-Replayed",
    "Location", "Pw-Position",   "Retry-After", "WWW-Authenticate"};
static_assert(PW_COUNT(kept_headers) <= PW_FORWARD_HEADERS_MAX, "each may come once");

static size_t on_header(char *data, size_t size, size_t count, void *self)
{
    struct pw_forward *forward = self;
    size_t bytes = size * count;
    const char *colon = memchr(data, ':', bytes);
    size_t name_len = colon == NULL ? 0 : (size_t)(colon - data);
    const char *value = colon == NULL ? NULL : colon + 1;
    size_t value_len = colon == NULL ? 0 : bytes - name_len - 1;
    while (value_len > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len > 0 && strchr(" \t\r\n", value[value_len - 1]) != NULL) {
        value_len--;
    }
    if (name_len == strlen("Content-Type") && strncasecmp(data, "Content-Type", name_len) == 0) {
        forward->content_type =
            pw_text_format(&forward->request->arena, "%.*s", (int)value_len, value);
    }
    for (size_t i = 0; i < PW_COUNT(kept_headers); i++) {
        if (strlen(kept_headers[i]) == name_len &&
            strncasecmp(kept_headers[i], data, name_len) == 0 &&
            forward->header_count < PW_FORWARD_HEADERS_MAX) {
            forward->header_names[forward->header_count] = kept_headers[i];
            forward->header_values[forward->header_count++] =
                pw_text_format(&forward->request->arena, "%.*s", (int)value_len, value);
        }
    }
    return bytes;
}

static size_t on_body(char *data, size_t size, size_t count, void *self)
{
    struct pw_forward *forward = self;
    size_t bytes = size * count;
    if (forward->body.len + bytes > BODY_BYTES_MAX) {
        return 0;
    }
    if (forward->body.len + bytes > forward->body_room) {
        size_t room = 2 * forward->body_room + bytes;
        char *bigger = pw_arena_take(&forward->request->arena, room);
        if (bigger == NULL) {
            return 0;
        }
        if (forward->body.len > 0) {
            memcpy(bigger, forward->body_buffer, forward->body.len);
        }
        forward->body_buffer = bigger;
        forward->body_room = room;
    }
    memcpy(forward->body_buffer + forward->body.len, data, bytes);
    forward->body = (struct pw_str){forward->body_buffer, forward->body.len + bytes};
    return bytes;
}

/* --- One forward --- */

static void unlink_flying(struct pw_forwarder *forwarder, struct pw_forward *forward)
{
    struct pw_forward **at = &forwarder->flying;
    while (*at != forward) {
        at = &(*at)->next;
    }
    *at = forward->next;
}

static void finish(struct pw_forwarder *forwarder, struct pw_forward *forward,
                   enum pw_forward_result result)
{
    forward->result = result;
    pthread_mutex_lock(&forwarder->lock);
    forwarder->count--;
    forwarder->counts.answered += result == PW_FORWARD_ANSWERED;
    forwarder->counts.not_sent += result == PW_FORWARD_NOT_SENT;
    forwarder->counts.lost += result == PW_FORWARD_LOST;
    pthread_mutex_unlock(&forwarder->lock);
    forward->done(forward);
}

static CURL *handle_take(struct pw_forwarder *forwarder)
{
    return forwarder->handle_count > 0 ? forwarder->handles[--forwarder->handle_count]
                                       : curl_easy_init();
}

static void handle_give_back(struct pw_forwarder *forwarder, CURL *curl)
{
    curl_multi_remove_handle(forwarder->multi, curl);
    if (forwarder->handle_count == HANDLES_KEPT_MAX) {
        curl_easy_cleanup(curl);
        return;
    }
    curl_easy_reset(curl);
    forwarder->handles[forwarder->handle_count++] = curl;
}

static void start(struct pw_forwarder *forwarder, struct pw_forward *forward)
{
    struct pw_http_request *request = forward->request;
    char address[PW_PEER_ADDRESS_BYTES_MAX];
    CURL *curl = NULL;
    const char *url = NULL;
    forward->forwarder = forwarder;
    forward->sent = false;
    if (pw_peers_address(forwarder->probe, forward->node_id, address)) {
        url = pw_text_format(&request->arena, "http://%s%.*s", address, (int)forward->path.len,
                             forward->path.ptr);
        curl = url == NULL ? NULL : handle_take(forwarder);
    }
    if (curl == NULL) {
        finish(forwarder, forward, PW_FORWARD_NOT_SENT);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, forward);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_of(forwarder, forward));
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)request->body.len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.ptr : "");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)IDLE_SECONDS);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_sending);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, forward);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, forward);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, forward);
    forward->handle = curl;
    forward->next = forwarder->flying;
    forwarder->flying = forward;
    curl_multi_add_handle(forwarder->multi, curl);
}

static void ended(struct pw_forwarder *forwarder, CURL *curl, CURLcode code)
{
    struct pw_forward *forward = NULL;
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, (char **)&forward);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    handle_give_back(forwarder, curl);
    unlink_flying(forwarder, forward);
    forward->status = (uint32_t)status;
    if (code == CURLE_OK && status >= 200) {
        finish(forwarder, forward, PW_FORWARD_ANSWERED);
        return;
    }
    if (code == CURLE_OPERATION_TIMEDOUT && forward->sent) {
        /* It took the command: whoever is slow, the log perhaps, it answers the probe or not. */
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        pw_peers_tell(forwarder->probe, forward->node_id, PW_PROBE_TIMED_OUT, PW_STR(""));
    } else if (code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_WRITE_ERROR) {
        pw_peers_tell(forwarder->probe, forward->node_id, PW_PROBE_REFUSED, PW_STR(""));
    }
    finish(forwarder, forward, forward->sent ? PW_FORWARD_LOST : PW_FORWARD_NOT_SENT);
}

/* --- The thread --- */

static struct pw_forward *take_all(struct pw_forwarder *forwarder, bool *ret_stopping)
{
    pthread_mutex_lock(&forwarder->lock);
    struct pw_forward *list = forwarder->first;
    forwarder->first = NULL;
    forwarder->last = NULL;
    *ret_stopping = forwarder->stopping;
    pthread_mutex_unlock(&forwarder->lock);
    return list;
}

/* Once a handle is out of the multi, nothing of its forward is touched any more. */
static void give_up_all(struct pw_forwarder *forwarder, struct pw_forward *submitted)
{
    while (submitted != NULL) {
        struct pw_forward *next = submitted->next;
        finish(forwarder, submitted, PW_FORWARD_NOT_SENT);
        submitted = next;
    }
    while (forwarder->flying != NULL) {
        struct pw_forward *forward = forwarder->flying;
        forwarder->flying = forward->next;
        handle_give_back(forwarder, forward->handle);
        finish(forwarder, forward, PW_FORWARD_LOST);
    }
}

/* Who waits for a node that hangs waits no longer than the node counts as alive. */
static void give_up_on_the_dead(struct pw_forwarder *forwarder)
{
    struct pw_forward *forward = forwarder->flying;
    while (forward != NULL) {
        struct pw_forward *next = forward->next;
        if (forward->sent && pw_peers_is_dead(forwarder->probe, forward->node_id)) {
            handle_give_back(forwarder, forward->handle);
            unlink_flying(forwarder, forward);
            finish(forwarder, forward, PW_FORWARD_LOST);
        }
        forward = next;
    }
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *run(void *self)
{
    struct pw_forwarder *forwarder = self;
    int64_t looked_ms = monotonic_ms();
    for (;;) {
        bool stopping;
        int running;
        int left;
        const CURLMsg *message;
        struct pw_forward *list = take_all(forwarder, &stopping);
        if (stopping) {
            give_up_all(forwarder, list);
            return NULL;
        }
        while (list != NULL) {
            struct pw_forward *next = list->next;
            start(forwarder, list);
            list = next;
        }
        curl_multi_perform(forwarder->multi, &running);
        while ((message = curl_multi_info_read(forwarder->multi, &left)) != NULL) {
            ended(forwarder, message->easy_handle, message->data.result);
        }
        if (monotonic_ms() - looked_ms >= LOOK_EVERY_MS) {
            looked_ms = monotonic_ms();
            give_up_on_the_dead(forwarder);
        }
        curl_multi_poll(forwarder->multi, NULL, 0, forwarder->flying == NULL ? 1000 : LOOK_EVERY_MS,
                        NULL);
    }
}

struct pw_forwarder *pw_forwarder_new(struct pw_peers_probe *probe, struct pw_str cluster_key)
{
    struct pw_forwarder *forwarder = pw_memory_new(1, sizeof *forwarder);
    forwarder->probe = probe;
    snprintf(forwarder->key_line, sizeof forwarder->key_line, "Pw-Cluster-Key: %.*s",
             (int)cluster_key.len, cluster_key.ptr);
    forwarder->multi = curl_multi_init();
    curl_multi_setopt(forwarder->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CONNECTIONS_OF_NODE);
    curl_multi_setopt(forwarder->multi, CURLMOPT_MAXCONNECTS,
                      (long)CONNECTIONS_OF_NODE * PW_NODES_MAX);
    pthread_mutex_init(&forwarder->lock, NULL);
    if (forwarder->multi == NULL || pthread_create(&forwarder->thread, NULL, run, forwarder) != 0) {
        curl_multi_cleanup(forwarder->multi);
        pthread_mutex_destroy(&forwarder->lock);
        free(forwarder);
        return NULL;
    }
    return forwarder;
}

bool pw_forward_send(struct pw_forwarder *forwarder, struct pw_forward *forward)
{
    forward->next = NULL;
    pthread_mutex_lock(&forwarder->lock);
    bool taken = !forwarder->stopping && forwarder->count < PW_FORWARDS_MAX;
    bool was_empty = forwarder->first == NULL;
    if (taken) {
        forwarder->count++;
        if (was_empty) {
            forwarder->first = forward;
        } else {
            forwarder->last->next = forward;
        }
        forwarder->last = forward;
        if (was_empty) {
            curl_multi_wakeup(forwarder->multi);
        }
    }
    pthread_mutex_unlock(&forwarder->lock);
    return taken;
}

void pw_forward_count(struct pw_forwarder *forwarder, struct pw_forward_counts *ret_counts)
{
    pthread_mutex_lock(&forwarder->lock);
    *ret_counts = forwarder->counts;
    pthread_mutex_unlock(&forwarder->lock);
}

void pw_forwarder_stop(struct pw_forwarder *forwarder)
{
    if (forwarder == NULL) {
        return;
    }
    pthread_mutex_lock(&forwarder->lock);
    bool runs = !forwarder->stopping;
    forwarder->stopping = true;
    if (runs) {
        curl_multi_wakeup(forwarder->multi);
    }
    pthread_mutex_unlock(&forwarder->lock);
    if (runs) {
        pthread_join(forwarder->thread, NULL);
    }
}

void pw_forwarder_free(struct pw_forwarder *forwarder)
{
    if (forwarder == NULL) {
        return;
    }
    pw_forwarder_stop(forwarder);
    for (uint32_t i = 0; i < forwarder->handle_count; i++) {
        curl_easy_cleanup(forwarder->handles[i]);
    }
    curl_multi_cleanup(forwarder->multi);
    sodium_memzero(forwarder->key_line, sizeof forwarder->key_line);
    pthread_mutex_destroy(&forwarder->lock);
    free(forwarder);
}
