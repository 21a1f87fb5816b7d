/* api/tests/connections.c: what clients do to connections, on sockets: too slow, too many, too
 * greedy.
 *
 * Times are a second, and a test waits for what happens at their end; none measures. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/http.h"
#include "api/text.h"

#define ANSWER_BYTES (8 * 1024 * 1024) /* More than the buffers of both sockets hold. */

struct house {
    struct pw_http_server *server;
    struct pw_http_options options;
    atomic_uint handled;
    atomic_uint surplus;
    _Atomic(struct pw_http_request *) waiting;
    char *big;
    const char
        *pieces; /* What /pieces says, a letter each: n a piece, l later, . the end, x broken. */
    atomic_uint asked;
};

static atomic_uint ended_count; /* Requests to /while-there that are over. */

#define PIECE_BYTES 300000 /* More than one packet, and than a connection's own memory. */

static enum pw_http_piece more(struct pw_http_request *request)
{
    struct house *house = request->state;
    char letter = house->pieces[atomic_load(&house->asked)];
    atomic_fetch_add(&house->asked, 1);
    if (letter == 'n') {
        char *piece = pw_arena_take(&request->piece_arena, PIECE_BYTES);
        memset(piece, 'a' + (int)(atomic_load(&house->asked) % 26), PIECE_BYTES);
        request->answer_body = (struct pw_str){piece, PIECE_BYTES};
        return PW_PIECE_NEXT;
    }
    if (letter == 'l') {
        atomic_store(&house->waiting, request);
        return PW_PIECE_LATER;
    }
    return letter == '.' ? PW_PIECE_END : PW_PIECE_BROKEN;
}

static void finish(struct pw_http_request *request)
{
    pw_http_answer(request, 200, NULL, PW_STR("late"));
}

/* /no is what nobody may have. */
static bool admit(void *self, struct pw_http_request *request)
{
    (void)self;
    if (request->segment_count > 0 && pw_str_equal(request->segments[0], PW_STR("no"))) {
        pw_http_answer(request, 429, NULL, PW_STR("no"));
        return false;
    }
    return true;
}

/* Waits on until the client has hung up. */
static void finish_if_gone(struct pw_http_request *request)
{
    if (pw_http_is_gone(request)) {
        pw_http_answer(request, 200, NULL, PW_STR("nobody"));
        return;
    }
    pw_http_wait(request, finish_if_gone);
    atomic_store((_Atomic(struct pw_http_request *) *)request->state, request);
}

static void on_ended(struct pw_http_request *request)
{
    atomic_fetch_add(&ended_count, 1);
    (void)request;
}

/* /wait is answered when the test says so, /big with more than a client that does not read can
 * take. */
static void handle(void *self, struct pw_http_request *request)
{
    struct house *house = self;
    atomic_fetch_add(&house->handled, 1);
    if (request->is_surplus) {
        atomic_fetch_add(&house->surplus, 1);
    }
    if (request->segment_count > 0 && pw_str_equal(request->segments[0], PW_STR("wait"))) {
        pw_http_wait(request, finish);
        atomic_store(&house->waiting, request);
    } else if (request->segment_count > 0 &&
               pw_str_equal(request->segments[0], PW_STR("while-there"))) {
        request->state = &house->waiting;
        request->ended = on_ended;
        pw_http_wait(request, finish_if_gone);
        atomic_store(&house->waiting, request);
    } else if (request->segment_count > 0 && pw_str_equal(request->segments[0], PW_STR("pieces"))) {
        request->state = house;
        pw_http_stream(request, 200, "text/plain", more);
    } else if (request->segment_count > 0 && pw_str_equal(request->segments[0], PW_STR("big"))) {
        pw_http_answer(request, 200, NULL, (struct pw_str){house->big, ANSWER_BYTES});
    } else if (request->fault != PW_OK) {
        pw_http_answer(request, 413, NULL, pw_str_of(request->fault_detail));
    } else {
        pw_http_answer(request, 200, NULL, request->body);
    }
}

static void house_open(struct house *house)
{
    struct pw_err err = {0};
    house->options.address = "127.0.0.1:0";
    house->options.threads = 1;
    house->options.connections_max =
        house->options.connections_max ? house->options.connections_max : 64;
    house->options.head_bytes_max = 20480;
    house->options.body_bytes_max = 1000;
    house->options.handler =
        (struct pw_http_handler){.self = house, .admit = admit, .handle = handle};
    house->big = calloc(1, ANSWER_BYTES);
    cr_assert(pw_http_start(&house->options, &house->server, &err) == PW_OK, "%s", err.detail);
}

static void house_close(struct house *house)
{
    pw_http_stop(house->server);
    free(house->big);
}

static int dial(const struct house *house)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)pw_http_port(house->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

/* Reads up to the end of the connection, into ret_text. */
static size_t hear_all(int fd, char *ret_text, size_t room)
{
    size_t len = 0;
    ssize_t got;
    while ((got = recv(fd, ret_text + len, room - 1 - len, 0)) > 0) {
        len += (size_t)got;
    }
    ret_text[len] = '\0';
    close(fd);
    return len;
}

/* Reads one answer of at most a packet. */
static void hear(int fd, char *ret_text, size_t room)
{
    ssize_t got = recv(fd, ret_text, room - 1, 0);
    ret_text[got > 0 ? got : 0] = '\0';
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static uint64_t timed_out(struct house *house, enum pw_http_stage stage)
{
    struct pw_http_counts *counts = malloc(sizeof *counts);
    pw_http_counts(house->server, counts);
    uint64_t count = counts->timed_out[stage];
    free(counts);
    return count;
}

#define GET  "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"

Test(connections, half_requests_end)
{
    static struct house house = {.options.stage_seconds = {1, 1, 1, 1}};
    static const struct {
        const char *name;
        const char *sent;
        const char *heard; /* The last that is. */
        enum pw_http_stage stage;
    } rows[] = {
        {"nothing", "", "", PW_STAGE_IDLE},
        {"half a line", "GET / HT", "", PW_STAGE_IDLE},
        {"half a head", "GET / HTTP/1.1\r\nHost: x\r\nX-", "HTTP/1.1 408 ", PW_STAGE_HEAD},
        {"no body", POST, "HTTP/1.1 408 ", PW_STAGE_BODY},
        {"half a body", POST "1234", "HTTP/1.1 408 ", PW_STAGE_BODY},
        {"half a chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
         "HTTP/1.1 408 ", PW_STAGE_BODY},
        {"a chunk's head", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;x",
         "HTTP/1.1 408 ", PW_STAGE_BODY},
        {"half a second request", GET "GET / HTTP/1.1\r\nHos", "HTTP/1.1 200 ", PW_STAGE_HEAD},
        {"nothing after a request", GET, "HTTP/1.1 200 ", PW_STAGE_IDLE},
    };
    int fds[PW_COUNT(rows)];
    uint64_t wanted[PW_STAGE_COUNT] = {0};
    house_open(&house);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        fds[i] = dial(&house);
        say(fds[i], rows[i].sent);
        wanted[rows[i].stage]++;
    }
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char heard[4096];
        hear_all(fds[i], heard, sizeof heard);
        cr_expect(begins(heard, rows[i].heard), "%s: %s", rows[i].name, heard);
        cr_expect(rows[i].heard[0] != '\0' || heard[0] == '\0', "%s: %s", rows[i].name, heard);
    }
    for (enum pw_http_stage stage = 0; stage < PW_STAGE_COUNT; stage++) {
        cr_expect_eq(timed_out(&house, stage), wanted[stage], "%d", stage);
    }
    house_close(&house);
}

/* RFC 9110 lets a server ask for a length (411), and RFC 9112, 6.3, says what it means where there is none. */
Test(connections, a_request_without_a_length_has_no_body)
{
    static struct house house = {.options.stage_seconds = {30, 30, 30, 30}};
    char heard[512];
    house_open(&house);
    int fd = dial(&house);
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\nHost: x\r\n"
            "Connection: close\r\n\r\n");
    hear_all(fd, heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 200 "), "%s", heard);
    cr_expect(strstr(heard, "HTTP/1.1 429 ") != NULL, "what follows is the next request: %s",
              heard);
    cr_expect_eq(house.handled, 1);
    house_close(&house);
}

/* A byte now and then keeps nothing open. */
Test(connections, slow_loris_ends)
{
    static struct house house = {.options.stage_seconds = {1, 1, 1, 1}};
    static const char *const begun[] = {
        "", "GET / HTTP/1.1\r\nX: ", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n"};
    house_open(&house);
    for (size_t i = 0; i < PW_COUNT(begun); i++) {
        int fd = dial(&house);
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        say(fd, begun[i]);
        while (poll(&poll_fd, 1, 50) == 0) {
            send(fd, "a", 1, MSG_NOSIGNAL);
        }
        close(fd);
    }
    cr_expect_eq(timed_out(&house, PW_STAGE_IDLE), 1);
    cr_expect_eq(timed_out(&house, PW_STAGE_HEAD), 1);
    cr_expect_eq(timed_out(&house, PW_STAGE_BODY), 1);
    cr_expect_eq(house.handled, 0);
    house_close(&house);
}

/* Whoever is turned away by the head alone cannot make anybody read a body. */
Test(connections, who_is_not_admitted_is_told_before_the_body)
{
    static struct house house = {.options.stage_seconds = {30, 30, 30, 30}};
    static const struct {
        const char *name;
        const char *headers;
    } rows[] = {
        {"a long body", "Content-Length: 5000"},
        {"a body of any length", "Transfer-Encoding: chunked"},
        {"a short body, which asks first", "Content-Length: 9\r\nExpect: 100-continue"},
    };
    house_open(&house);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        char head[256];
        char heard[512];
        int fd = dial(&house);
        snprintf(head, sizeof head, "POST /no HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", rows[i].headers);
        say(fd, head);
        hear_all(fd, heard, sizeof heard);
        cr_expect(begins(heard, "HTTP/1.1 429 "), "%s: %s", rows[i].name, heard);
    }
    cr_expect_eq(house.handled, 0);
    house_close(&house);
}

/* Others may share the connection. */
Test(connections, a_short_body_of_who_is_not_admitted_ends_nothing)
{
    static struct house house = {.options.stage_seconds = {30, 30, 30, 30}};
    char heard[512];
    house_open(&house);
    int fd = dial(&house);
    say(fd, "POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789");
    hear(fd, heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 429 "), "%s", heard);
    say(fd, POST "987654321");
    hear(fd, heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 200 ") && strstr(heard, "\r\n\r\n987654321") != NULL, "%s",
              heard);
    cr_expect_eq(house.handled, 1);
    close(fd);
    house_close(&house);
}

Test(connections, a_client_that_never_reads_ends)
{
    static struct house house = {.options.stage_seconds = {1, 1, 1, 1}};
    house_open(&house);
    int fd = dial(&house);
    for (int i = 0; i < 20; i++) {
        say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    while (timed_out(&house, PW_STAGE_SEND) == 0) {
        usleep(1000);
    }
    cr_expect_eq(timed_out(&house, PW_STAGE_SEND), 1);
    cr_expect_eq(house.handled, 1, "answers are made one by one");
    close(fd);
    house_close(&house);
}

/* How long an answer may take is the handler's business, not the client's fault. */
Test(connections, a_request_that_waits_is_not_cut)
{
    static struct house house = {.options.stage_seconds = {1, 1, 1, 1}};
    char heard[512];
    house_open(&house);
    int fd = dial(&house);
    say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&house.waiting) == NULL) {
        usleep(1000);
    }
    int later = dial(&house); /* When this one has had its time, the first has had more. */
    hear_all(later, heard, sizeof heard);
    pw_http_complete(atomic_load(&house.waiting));
    hear(fd, heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 200 "), "%s", heard);
    close(fd);
    house_close(&house);
}

Test(connections, too_many_are_told_and_closed)
{
    static struct house house = {.options = {.connections_max = 2}};
    char heard[512];
    house_open(&house);
    int first = dial(&house);
    int second = dial(&house);
    say(first, GET);
    hear(first, heard, sizeof heard);
    say(second, GET);
    hear(second, heard, sizeof heard);
    cr_expect(strstr(heard, "Connection: close") == NULL, "%s", heard);
    cr_expect_eq(house.surplus, 0);
    int third = dial(&house);
    say(third, GET);
    hear_all(third, heard, sizeof heard);
    cr_expect(strstr(heard, "Connection: close") != NULL, "%s", heard);
    cr_expect_eq(house.surplus, 1);
    say(first, GET); /* Whoever is in stays. */
    hear(first, heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 200 "), "%s", heard);
    close(first);
    close(second);
    house_close(&house);
}

/* Beyond the spare room nobody is accepted; but places come free again, one time after the other. */
Test(connections, who_waits_unaccepted_comes_in)
{
    static struct house house = {.options = {.connections_max = 1, .stage_seconds = {1, 1, 1, 1}}};
    int fds[40];
    char heard[512];
    house_open(&house);
    for (size_t i = 0; i < PW_COUNT(fds); i++) {
        fds[i] = dial(&house);
    }
    say(fds[PW_COUNT(fds) - 1], GET);
    hear_all(fds[PW_COUNT(fds) - 1], heard, sizeof heard);
    cr_expect(begins(heard, "HTTP/1.1 200 "), "%s", heard);
    cr_expect_gt(timed_out(&house, PW_STAGE_HEAD), 0, "those before it");
    for (size_t i = 0; i + 1 < PW_COUNT(fds); i++) {
        close(fds[i]);
    }
    house_close(&house);
}

/* True when a request on a new connection is answered; false when that is closed on us. */
static bool is_served(const struct house *house, int *ret_fd)
{
    char heard[512];
    *ret_fd = dial(house);
    send(*ret_fd, GET, sizeof GET - 1, MSG_NOSIGNAL);
    hear(*ret_fd, heard, sizeof heard);
    return begins(heard, "HTTP/1.1 200 ");
}

Test(connections, an_address_has_so_many)
{
    static struct house house = {.options = {.connections_per_address = 2}};
    int fds[3];
    house_open(&house);
    cr_expect(is_served(&house, &fds[0]));
    cr_expect(is_served(&house, &fds[1]));
    cr_expect(!is_served(&house, &fds[2]));
    close(fds[2]);
    close(fds[0]);
    while (!is_served(&house, &fds[0])) { /* Once the server has seen that the first is gone. */
        close(fds[0]);
        usleep(1000);
    }
    close(fds[0]);
    close(fds[1]);
    house_close(&house);
}

Test(connections, a_trusted_proxy_has_as_many_as_it_likes)
{
    static struct pw_networks trusted;
    static struct house house = {.options = {.connections_per_address = 1, .trusted = &trusted}};
    int fds[3];
    cr_assert_eq(pw_networks_parse("127.0.0.0/8", &trusted, NULL), PW_OK);
    house_open(&house);
    for (size_t i = 0; i < PW_COUNT(fds); i++) {
        cr_expect(is_served(&house, &fds[i]));
    }
    for (size_t i = 0; i < PW_COUNT(fds); i++) {
        close(fds[i]);
    }
    house_close(&house);
}

Test(connections, a_body_has_so_many_bytes)
{
    static struct house house;
    char request[1400];
    char heard[2048];
    house_open(&house);
    for (int bytes = 1000; bytes <= 1001; bytes++) {
        int fd = dial(&house);
        snprintf(
            request, sizeof request,
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%0*d",
            bytes, bytes, 0);
        say(fd, request);
        hear_all(fd, heard, sizeof heard);
        cr_expect(begins(heard, bytes == 1000 ? "HTTP/1.1 200 " : "HTTP/1.1 413 "), "%s", heard);
        cr_expect(bytes == 1000 || strstr(heard, "more than 1000 bytes") != NULL, "%s", heard);
    }
    house_close(&house);
}

/* --- A client that hangs up while it waits --- */

/* Lets the request be looked at once more. */
static void look(struct house *house)
{
    struct pw_http_request *request;
    while ((request = atomic_exchange(&house->waiting, NULL)) == NULL) {
        usleep(100);
    }
    pw_http_complete(request);
}

Test(connections, who_hangs_up_while_they_wait_is_seen)
{
    static struct house house;
    house_open(&house);
    int fd = dial(&house);
    say(fd, "GET /while-there HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        look(&house); /* It is there, and waits on: else nobody would be looked at again. */
    }
    cr_expect_eq(pw_http_waiting(house.server), 1);
    close(fd);
    while (pw_http_waiting(house.server) > 0) {
        struct pw_http_request *request = atomic_exchange(&house.waiting, NULL);
        if (request != NULL) {
            pw_http_complete(request);
        }
    }
    while (atomic_load(&ended_count) == 0) {
        usleep(100);
    }
    house_close(&house);
    cr_expect_eq(atomic_load(&ended_count), 1);
}

/* --- Answers in pieces --- */

#define GET_PIECES "GET /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static char *hear_pieces(struct house *house, const char *request, size_t *ret_bytes)
{
    enum { ROOM = 4 * 1024 * 1024 };
    char *heard = malloc(ROOM);
    int fd = dial(house);
    say(fd, request);
    *ret_bytes = hear_all(fd, heard, ROOM);
    return heard;
}

static size_t letters(const char *heard, char letter)
{
    const char *body = strstr(heard, "\r\n\r\n");
    size_t count = 0;
    for (; body != NULL && *body != '\0'; body++) {
        count += *body == letter;
    }
    return count;
}

Test(connections, pieces_come_in_order_and_end)
{
    static struct house house = {.pieces = "nnn."};
    house_open(&house);
    size_t bytes = 0;
    char *heard = hear_pieces(&house, GET_PIECES, &bytes);
    cr_expect(begins(heard, "HTTP/1.1 200") &&
              strstr(heard, "\r\nTransfer-Encoding: chunked\r\n") != NULL);
    cr_expect_str_eq(heard + bytes - 7, "\r\n0\r\n\r\n");
    const char *b = strchr(strstr(heard, "\r\n\r\n"), 'b');
    cr_assert(b != NULL && letters(heard, 'b') >= PIECE_BYTES &&
              letters(heard, 'c') >= PIECE_BYTES && letters(heard, 'd') >= PIECE_BYTES);
    cr_expect_lt(strrchr(heard, 'b'), strrchr(heard, 'd'));
    free(heard);
    house_close(&house);
}

Test(connections, what_is_broken_has_no_end)
{
    static struct house house = {.pieces = "nx"};
    house_open(&house);
    size_t bytes = 0;
    char *heard = hear_pieces(&house, GET_PIECES, &bytes);
    cr_expect(begins(heard, "HTTP/1.1 200"));
    cr_expect_str_neq(heard + bytes - 7, "\r\n0\r\n\r\n");
    free(heard);
    house_close(&house);
}

static void *completes(void *self)
{
    struct house *house = self;
    for (int times = 0; times < 2; times++) {
        struct pw_http_request *request;
        while ((request = atomic_exchange(&house->waiting, NULL)) == NULL) {
            usleep(1000);
        }
        cr_expect_gt(pw_http_waiting(house->server), 0, "who ends a server waits for it");
        pw_http_complete(request);
    }
    return NULL;
}

Test(connections, pieces_that_come_later)
{
    static struct house house = {.pieces = "lnln.", .options.stage_seconds = {9, 9, 9, 9}};
    pthread_t thread;
    size_t bytes = 0;
    house_open(&house);
    pthread_create(&thread, NULL, completes, &house);
    char *heard = hear_pieces(&house, GET_PIECES, &bytes);
    pthread_join(thread, NULL);
    cr_expect_str_eq(heard + bytes - 7, "\r\n0\r\n\r\n");
    cr_expect_eq(atomic_load(&house.asked), 5);
    free(heard);
    while (pw_http_waiting(house.server) > 0) {
        usleep(1000);
    }
    house_close(&house);
}

Test(connections, nobody_asks_for_pieces_that_are_not_read)
{
    static struct house house = {
        .pieces = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
        .options.stage_seconds = {1, 1, 1, 1}};
    house_open(&house);
    int fd = dial(&house);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, GET_PIECES);
    while (timed_out(&house, PW_STAGE_SEND) == 0) {
        usleep(10000);
    }
    cr_expect_lt(atomic_load(&house.asked), strlen(house.pieces));
    close(fd);
    house_close(&house);
}

Test(connections, the_head_of_pieces)
{
    static struct house house = {.pieces = ""};
    house_open(&house);
    size_t bytes = 0;
    char *heard = hear_pieces(
        &house, "HEAD /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &bytes);
    cr_expect(begins(heard, "HTTP/1.1 200"));
    cr_expect_eq(atomic_load(&house.asked), 0);
    free(heard);
    while (pw_http_waiting(house.server) > 0) {
        usleep(1000);
    }
    house_close(&house);
}
