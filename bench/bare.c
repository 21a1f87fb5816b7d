/* bench_bare: the bare path, the limit that a booking is measured against: libmicrohttpd, jansson
 * over the body, one record of a real booking's bytes to Kafka with the ledger's settings, and the
 * answer once Kafka has acknowledged it. No token, no decision, no hash, no order.
 *
 *   bench_bare --listen HOST:PORT --kafka HOST:PORT --topic NAME --record FILE
 *              [--partitions 1] [--loops 1]
 *
 * Each loop is a thread with a daemon and a producer of its own. On SIGTERM it prints the median of
 * the time from produce to its report, in milliseconds, and ends. */
#include <arpa/inet.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define LOOPS_MAX 8
#define ACKS_MAX  1000000

struct request {
    struct MHD_Connection *connection;
    char body[4096];
    size_t body_bytes;
    bool acknowledged;
    int64_t produced_ns;
};

struct loop {
    pthread_t thread;
    struct MHD_Daemon *daemon;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *reports;
    int report_fd;
    uint32_t turn;
    uint32_t *acks_us;
    uint32_t ack_count;
};

static const char *listen_host = "127.0.0.1";
static int listen_port;
static const char *servers;
static const char *topic_name;
static const char *record_file;
static int partition_count = 1;
static int loop_count = 1;
static uint8_t record[1 << 16];
static size_t record_bytes;
static struct loop loops[LOOPS_MAX];
static volatile sig_atomic_t stop;

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "bench_bare: %s\n", what);
        exit(1);
    }
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static enum MHD_Result answer(struct request *request)
{
    static const char yes[] = "{\"id\":\"01a2042a-f96f-74e7-9218-aba64d526148\",\"version\":1,"
                              "\"position\":\"9:5:05898300\"}";
    struct MHD_Response *response = MHD_create_response_from_buffer(
        sizeof yes - 1, (void *)(uintptr_t)yes, MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result queued = MHD_queue_response(request->connection, 201, response);
    MHD_destroy_response(response);
    return queued;
}

static void produce(struct loop *loop, struct request *request)
{
    int32_t partition = (int32_t)(loop->turn++ % (uint32_t)partition_count);
    request->produced_ns = now_ns();
    must(rd_kafka_produce(loop->topic, partition, RD_KAFKA_MSG_F_COPY, record, record_bytes,
                          "01a2042a-f96f-74e7-9218-aba64d526148", 36, request) == 0,
         "produce");
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **context)
{
    struct request *request = *context;
    (void)url;
    (void)method;
    (void)version;
    if (request == NULL) {
        request = calloc(1, sizeof *request);
        must(request != NULL, "memory");
        request->connection = connection;
        *context = request;
        return MHD_YES;
    }
    if (*data_bytes > 0) {
        must(request->body_bytes + *data_bytes < sizeof request->body, "body");
        memcpy(request->body + request->body_bytes, data, *data_bytes);
        request->body_bytes += *data_bytes;
        *data_bytes = 0;
        return MHD_YES;
    }
    if (request->acknowledged) {
        return answer(request);
    }
    json_t *json = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    must(json != NULL, "JSON");
    json_decref(json);
    MHD_suspend_connection(connection);
    produce(self, request);
    return MHD_YES;
}

static void on_end(void *self, struct MHD_Connection *connection, void **context,
                   enum MHD_RequestTerminationCode why)
{
    (void)self;
    (void)connection;
    (void)why;
    free(*context);
    *context = NULL;
}

static void take_reports(struct loop *loop)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(loop->reports, 0)) != NULL) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event)) != NULL) {
            struct request *request = message->_private;
            must(message->err == 0, rd_kafka_err2str(message->err));
            if (loop->ack_count < ACKS_MAX) {
                int64_t ns = now_ns() - request->produced_ns;
                loop->acks_us[loop->ack_count++] = (uint32_t)(ns / 1000);
            }
            request->acknowledged = true;
            MHD_resume_connection(request->connection);
        }
        rd_kafka_event_destroy(event);
    }
}

static void producer_open(struct loop *loop)
{
    static const char *const settings[][2] = {
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"linger.ms", "0"},
        {"socket.nagle.disable", "true"},
    };
    char text[200] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    must(rd_kafka_conf_set(conf, "bootstrap.servers", servers, text, sizeof text) == 0, text);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        must(rd_kafka_conf_set(conf, settings[i][0], settings[i][1], text, sizeof text) == 0, text);
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    loop->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    must(loop->client != NULL, text);
    loop->topic = rd_kafka_topic_new(loop->client, topic_name, NULL);
    loop->reports = rd_kafka_queue_get_main(loop->client);
    loop->report_fd = eventfd(0, EFD_NONBLOCK);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(loop->reports, loop->report_fd, &one, sizeof one);
}

static void daemon_open(struct loop *loop)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listen_port)};
    inet_pton(AF_INET, listen_host, &address.sin_addr);
    loop->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, (uint16_t)listen_port, NULL, NULL,
        on_request, loop, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
    must(loop->daemon != NULL, "the address is taken");
}

static void *run(void *self)
{
    struct loop *loop = self;
    int epoll_fd = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    struct pollfd fds[2] = {{.fd = epoll_fd, .events = POLLIN},
                            {.fd = loop->report_fd, .events = POLLIN}};
    while (!stop) {
        MHD_UNSIGNED_LONG_LONG wait_ms = 100;
        bool timed = MHD_get_timeout(loop->daemon, &wait_ms) == MHD_YES && wait_ms < 100;
        if (poll(fds, 2, timed ? (int)wait_ms : 100) > 0 && (fds[1].revents & POLLIN) != 0) {
            uint64_t rings;
            must(read(loop->report_fd, &rings, sizeof rings) > 0, "read");
        }
        take_reports(loop);
        MHD_run(loop->daemon);
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void arguments_read(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        char *value = argv[i + 1];
        if (strcmp(argv[i], "--listen") == 0) {
            char *colon = strrchr(value, ':');
            must(colon != NULL, "--listen HOST:PORT");
            *colon = '\0';
            listen_host = value;
            listen_port = atoi(colon + 1);
        } else if (strcmp(argv[i], "--kafka") == 0) {
            servers = value;
        } else if (strcmp(argv[i], "--topic") == 0) {
            topic_name = value;
        } else if (strcmp(argv[i], "--record") == 0) {
            record_file = value;
        } else if (strcmp(argv[i], "--partitions") == 0) {
            partition_count = atoi(value);
        } else if (strcmp(argv[i], "--loops") == 0) {
            loop_count = atoi(value);
        }
    }
    must(servers != NULL && topic_name != NULL && record_file != NULL && listen_port > 0 &&
             loop_count >= 1 && loop_count <= LOOPS_MAX && partition_count >= 1,
         "--listen, --kafka, --topic and --record are needed");
}

int main(int argc, char **argv)
{
    arguments_read(argc, argv);
    FILE *file = fopen(record_file, "rb");
    must(file != NULL, record_file);
    record_bytes = fread(record, 1, sizeof record, file);
    fclose(file);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    for (int i = 0; i < loop_count; i++) {
        loops[i].acks_us = calloc(ACKS_MAX, sizeof *loops[i].acks_us);
        producer_open(&loops[i]);
        daemon_open(&loops[i]);
        must(pthread_create(&loops[i].thread, NULL, run, &loops[i]) == 0, "thread");
    }
    puts("serves");
    fflush(stdout);
    for (int i = 0; i < loop_count; i++) {
        pthread_join(loops[i].thread, NULL);
    }
    qsort(loops[0].acks_us, loops[0].ack_count, sizeof(uint32_t), by_size);
    printf("%.3f\n", loops[0].acks_us[loops[0].ack_count / 2] / 1e3);
    return 0;
}
