/* bench_load: bookings over HTTP/1.1, as many connections of one thread.
 *
 *   bench_load --address HOST:PORT --plan FILE [--connections 256] [--seconds 10 | --requests N]
 *              [--rate PER_SECOND] [--first N] [--ids FILE] [--what reservations|holds]
 *
 * The plan says who books what, a line each: `tenant ID SLOT SLOT ...`, then `student TENANT TOKEN`
 * with the tenant's line counted from 0. Request k is student k mod students, who books slot k div
 * students of their tenant: so no two requests of a run are the same booking.
 *
 * Without --rate the loop is closed: a connection asks again once it is answered. With --rate it is
 * open: request k is due at k / rate seconds, whether or not a connection is free, and its latency
 * counts from then, so that a server that stalls cannot hide it (coordinated omission). Whatever is
 * due within --seconds is sent, however late.
 *
 * Prints one JSON object: rate, statuses, latencies in milliseconds, and the CPU that it took
 * itself. --ids gets the id of each booking with its student's number and tenant, a line each. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX    4096
#define REQUEST_BYTES_MAX  2048
#define RESPONSE_BYTES_MAX 8192
#define ID_BYTES           36
#define SECONDS_MAX        1e6
#define WAIT_NS            5000000 /* Of the closed loop: how often it looks at the clock. */

struct tenant {
    char id[ID_BYTES + 1];
    char **slots;
    uint32_t slot_count;
};

struct student {
    uint32_t tenant;
    char *token;
};

struct connection {
    int fd;
    bool waits; /* For an answer. */
    uint64_t number;
    int64_t since_ns;
    char response[RESPONSE_BYTES_MAX];
    size_t response_bytes;
};

static struct options {
    const char *host;
    int port;
    const char *plan;
    const char *ids;
    const char *what; /* What is asked for in a slot: the end of the path. */
    uint32_t connections;
    double seconds;
    uint64_t requests;
    double rate;
    uint64_t first;
} options = {.what = "reservations", .connections = 256, .seconds = 10, .requests = UINT64_MAX};

static struct tenant *tenants;
static uint32_t tenant_count;
static struct student *students;
static uint32_t student_count;
static struct connection connections[CONNECTIONS_MAX];
static uint32_t *idle;
static uint32_t idle_count;

static uint32_t *latencies_us;
static uint64_t answer_count;
static uint64_t answer_room;
static uint64_t by_status[600];
static FILE *ids_file;

static void fail(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fail("memory");
    }
    return memory;
}

static int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* --- The plan --- */

static void tenant_add(char *words)
{
    tenants = must(realloc(tenants, (tenant_count + 1) * sizeof *tenants));
    struct tenant *tenant = &tenants[tenant_count++];
    *tenant = (struct tenant){.slots = NULL};
    snprintf(tenant->id, sizeof tenant->id, "%s", strtok(words, " "));
    for (char *slot; (slot = strtok(NULL, " ")) != NULL;) {
        tenant->slots = must(realloc(tenant->slots, (tenant->slot_count + 1) * sizeof(char *)));
        tenant->slots[tenant->slot_count++] = must(strdup(slot));
    }
}

static void student_add(char *words)
{
    students = must(realloc(students, (student_count + 1) * sizeof *students));
    uint32_t tenant = (uint32_t)strtoul(strtok(words, " "), NULL, 10);
    students[student_count++] = (struct student){tenant, must(strdup(strtok(NULL, " ")))};
}

static void plan_read(void)
{
    FILE *file = fopen(options.plan, "r");
    char *line = NULL;
    size_t room = 0;
    if (file == NULL) {
        fail(options.plan);
    }
    while (getline(&line, &room, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "tenant ", 7) == 0) {
            tenant_add(line + 7);
        } else if (strncmp(line, "student ", 8) == 0) {
            student_add(line + 8);
        }
    }
    free(line);
    fclose(file);
}

/* False when the plan has no booking of that number. */
static bool booking_of(uint64_t number, const struct student **ret_student, const char **ret_slot)
{
    const struct student *student = &students[number % student_count];
    const struct tenant *tenant = &tenants[student->tenant];
    uint64_t turn = number / student_count;
    *ret_student = student;
    *ret_slot = turn < tenant->slot_count ? tenant->slots[turn] : NULL;
    return *ret_slot != NULL;
}

/* --- Requests --- */

/* A UUIDv7 of now; its random part counts up from a random start. */
static void key_make(char *ret_text)
{
    static uint64_t random[2];
    if (random[0] == 0 && getrandom(random, sizeof random, 0) != sizeof random) {
        fail("getrandom");
    }
    random[0] += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = (random[0] ^ (random[0] >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    uint64_t ms = (uint64_t)(clock_ns(CLOCK_REALTIME) / 1000000);
    snprintf(ret_text, ID_BYTES + 1, "%08x-%04x-7%03x-%04x-%012llx", (unsigned)(ms >> 16),
             (unsigned)(ms & 0xffff), (unsigned)(random[1] & 0xfff),
             (unsigned)(0x8000 | (mixed >> 50)), (unsigned long long)(mixed & 0xffffffffffff));
}

static bool request_send(struct connection *connection, uint64_t number, int64_t since_ns)
{
    const struct student *student;
    const char *slot;
    char key[ID_BYTES + 1];
    char request[REQUEST_BYTES_MAX];
    if (!booking_of(number, &student, &slot)) {
        return false;
    }
    key_make(key);
    int bytes = snprintf(request, sizeof request,
                         "POST /v1/tenants/%s/slots/%s/%s HTTP/1.1\r\nHost: %s:%d\r\n"
                         "Authorization: Bearer %s\r\nIdempotency-Key: %s\r\n"
                         "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                         tenants[student->tenant].id, slot, options.what, options.host,
                         options.port, student->token, key);
    if (bytes >= (int)sizeof request ||
        send(connection->fd, request, (size_t)bytes, MSG_NOSIGNAL) != bytes) {
        fail("send");
    }
    connection->waits = true;
    connection->number = number;
    connection->since_ns = since_ns;
    connection->response_bytes = 0;
    return true;
}

static void latency_add(int64_t ns)
{
    if (answer_count == answer_room) {
        answer_room = answer_room == 0 ? 1 << 16 : answer_room * 2;
        latencies_us = must(realloc(latencies_us, answer_room * sizeof *latencies_us));
    }
    latencies_us[answer_count++] = (uint32_t)(ns / 1000);
}

/* True once the whole answer is there; *ret_body is its body. */
static bool response_is_whole(const struct connection *connection, const char **ret_body)
{
    const char *end = strstr(connection->response, "\r\n\r\n");
    if (end == NULL) {
        return false;
    }
    const char *length = strcasestr(connection->response, "\r\nContent-Length:");
    size_t body_bytes = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    *ret_body = end + 4;
    return connection->response_bytes >= (size_t)(end + 4 - connection->response) + body_bytes;
}

static void answer_note(const struct connection *connection, const char *body, int64_t now_ns)
{
    unsigned status = (unsigned)strtoul(connection->response + 9, NULL, 10);
    const char *id = strstr(body, "\"id\":\"");
    latency_add(now_ns - connection->since_ns);
    by_status[status < 600 ? status : 599]++;
    if (ids_file != NULL && status == 201 && id != NULL) {
        uint64_t student = connection->number % student_count;
        fprintf(ids_file, "%.36s %llu %s\n", id + 6, (unsigned long long)student,
                tenants[students[student].tenant].id);
    }
}

/* True when the connection was answered. */
static bool response_take(struct connection *connection)
{
    const char *body;
    ssize_t got = recv(connection->fd, connection->response + connection->response_bytes,
                       sizeof connection->response - 1 - connection->response_bytes, 0);
    if (got < 0 && errno == EAGAIN) {
        return false;
    }
    if (got <= 0) {
        fail("a connection was closed");
    }
    connection->response_bytes += (size_t)got;
    connection->response[connection->response_bytes] = '\0';
    if (!response_is_whole(connection, &body)) {
        return false;
    }
    answer_note(connection, body, clock_ns(CLOCK_MONOTONIC));
    connection->waits = false;
    return true;
}

static void connections_open(int epoll_fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    inet_pton(AF_INET, options.host, &address.sin_addr);
    idle = must(calloc(options.connections, sizeof *idle));
    for (uint32_t i = 0; i < options.connections; i++) {
        int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
            fail("connect");
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(fd, F_SETFL, O_NONBLOCK);
        connections[i].fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
        idle[idle_count++] = i;
    }
}

/* --- The loop --- */

struct run {
    int64_t begun_ns;
    int64_t end_ns;
    uint64_t sent;
    bool over; /* Nothing more is sent. */
};

static int64_t due_ns(const struct run *run)
{
    return options.rate > 0 ? run->begun_ns + (int64_t)((double)run->sent * 1e9 / options.rate) : 0;
}

/* Sends what is due on the connections that are free. */
static void send_due(struct run *run)
{
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    run->over = run->over || now_ns >= run->end_ns || run->sent >= options.requests;
    while (!run->over && idle_count > 0 && due_ns(run) <= now_ns) {
        int64_t since_ns = options.rate > 0 ? due_ns(run) : now_ns;
        run->over =
            !request_send(&connections[idle[idle_count - 1]], options.first + run->sent, since_ns);
        if (!run->over) {
            idle_count--;
            run->sent++;
            run->over = run->sent >= options.requests;
        }
        now_ns = clock_ns(CLOCK_MONOTONIC);
    }
}

static int64_t wait_ns(const struct run *run)
{
    int64_t left_ns = due_ns(run) - clock_ns(CLOCK_MONOTONIC);
    return options.rate <= 0 || run->over || idle_count == 0 ? WAIT_NS : left_ns > 0 ? left_ns : 0;
}

static void run_all(int epoll_fd, struct run *run)
{
    struct epoll_event events[256];
    while (!run->over || idle_count < options.connections) {
        send_due(run);
        int64_t ns = wait_ns(run);
        struct timespec timeout = {ns / 1000000000, ns % 1000000000};
        int count = epoll_pwait2(epoll_fd, events, 256, &timeout, NULL);
        for (int i = 0; i < count; i++) {
            struct connection *connection = &connections[events[i].data.u32];
            if (connection->waits && response_take(connection)) {
                idle[idle_count++] = events[i].data.u32;
                send_due(run);
            }
        }
    }
}

/* --- Figures --- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double latency_ms(double share)
{
    uint64_t at = (uint64_t)(share * (double)answer_count);
    return answer_count == 0 ? 0 : latencies_us[at < answer_count ? at : answer_count - 1] / 1e3;
}

static void print_figures(double seconds)
{
    struct rusage usage;
    const char *comma = "";
    getrusage(RUSAGE_SELF, &usage);
    qsort(latencies_us, answer_count, sizeof *latencies_us, by_size);
    printf("{\"answers\": %llu, \"seconds\": %.3f, \"per_second\": %.1f, \"statuses\": {",
           (unsigned long long)answer_count, seconds, (double)answer_count / seconds);
    for (int status = 0; status < 600; status++) {
        if (by_status[status] > 0) {
            printf("%s\"%d\": %llu", comma, status, (unsigned long long)by_status[status]);
            comma = ", ";
        }
    }
    printf("}, \"p50_ms\": %.3f, \"p90_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, "
           "\"max_ms\": %.3f, \"cpu_seconds\": %.2f}\n",
           latency_ms(0.5), latency_ms(0.9), latency_ms(0.99), latency_ms(0.999), latency_ms(1),
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void arguments_read(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        char *value = argv[i + 1];
        if (strcmp(argv[i], "--address") == 0) {
            char *colon = strrchr(value, ':');
            options.port = colon != NULL ? atoi(colon + 1) : 0;
            options.host = colon != NULL ? (*colon = '\0', value) : NULL;
        } else if (strcmp(argv[i], "--plan") == 0) {
            options.plan = value;
        } else if (strcmp(argv[i], "--what") == 0) {
            options.what = value;
        } else if (strcmp(argv[i], "--ids") == 0) {
            options.ids = value;
        } else if (strcmp(argv[i], "--connections") == 0) {
            options.connections = (uint32_t)atoi(value);
        } else if (strcmp(argv[i], "--seconds") == 0) {
            options.seconds = atof(value);
        } else if (strcmp(argv[i], "--requests") == 0) {
            options.requests = strtoull(value, NULL, 10);
            options.seconds = SECONDS_MAX;
        } else if (strcmp(argv[i], "--rate") == 0) {
            options.rate = atof(value);
        } else if (strcmp(argv[i], "--first") == 0) {
            options.first = strtoull(value, NULL, 10);
        }
    }
    if (options.host == NULL || options.plan == NULL || options.connections == 0 ||
        options.connections > CONNECTIONS_MAX) {
        errno = EINVAL;
        fail("--address HOST:PORT and --plan FILE are needed, --connections at most 4096");
    }
}

int main(int argc, char **argv)
{
    arguments_read(argc, argv);
    plan_read();
    if (options.rate > 0 && options.seconds < SECONDS_MAX) {
        options.requests = (uint64_t)(options.rate * options.seconds);
        options.seconds = SECONDS_MAX;
    }
    int epoll_fd = epoll_create1(0);
    ids_file = options.ids != NULL ? must(fopen(options.ids, "w")) : NULL;
    connections_open(epoll_fd);
    struct run run = {.begun_ns = clock_ns(CLOCK_MONOTONIC)};
    run.end_ns = run.begun_ns + (int64_t)(options.seconds * 1e9);
    run_all(epoll_fd, &run);
    print_figures((double)(clock_ns(CLOCK_MONOTONIC) - run.begun_ns) / 1e9);
    if (ids_file != NULL && fclose(ids_file) != 0) {
        fail(options.ids);
    }
    return 0;
}
