#include "eventstore/kafka_parts.h"

/* LISTENER: a reader whose handle only reads, as those of projections and audits do. */
enum side { READER = 1, WRITER = 2, BOTH = 3, LISTENER = 4 };

struct own_setting {
    const char *name;
    const char *value; /* NULL: nobody sets it. */
    enum side side;
};

/* What the ledger rests on. Nobody overrides these; librdkafka's other names for them follow. */
static const struct own_setting own_settings[] = {
    /* Nothing is confirmed before every replica in sync has it. */
    {"acks", "all", WRITER},
    {"enable.idempotence", "true", WRITER},
    {"transactional.id", NULL, WRITER},
    /* A record leaves at once; those that come meanwhile travel together. */
    {"linger.ms", "0", WRITER},
    {"socket.nagle.disable", "true", BOTH},
    /* A broker that hangs instead of dying is given up after 3 s, not after a minute. */
    {"socket.timeout.ms", "3000", BOTH},
    {"message.timeout.ms", "10000", WRITER},
    {"topic.metadata.refresh.interval.ms", "1000", BOTH},
    {"reconnect.backoff.max.ms", "200", BOTH},
    /* Above any record of ours, below the topic's max.message.bytes. */
    {"message.max.bytes", "1048576", WRITER},
    {"delivery.report.only.error", "false", WRITER},
    /* A typing error must not make a topic; `admin ledger create` does. */
    {"allow.auto.create.topics", "false", BOTH},
    /* A stranger's transaction must neither hide nor hold up what lies behind it. */
    {"isolation.level", "read_uncommitted", READER},
    /* A follower tells an end that its leader has gone past. */
    {"client.rack", NULL, READER},
    {"check.crcs", "true", READER},
    {"enable.partition.eof", "true", READER},
    /* A log without our offset is seen, never skipped. */
    {"auto.offset.reset", "error", READER},
    /* Offsets are ours to keep. */
    {"group.id", NULL, READER},
    {"enabled_events", NULL, BOTH},
    {"request.required.acks", NULL, WRITER},
    {"queue.buffering.max.ms", NULL, WRITER},
    {"delivery.timeout.ms", NULL, WRITER},
};

/* What suits the ledger, for those who have no wish of their own. */
static const struct own_setting usual_settings[] = {
    {"client.id", "proctorwise", BOTH},
    {"socket.keepalive.enable", "true", BOTH},
    {"reconnect.backoff.ms", "50", BOTH},
    /* How soon a partition's new broker leader is asked for. */
    {"topic.metadata.refresh.fast.interval.ms", "100", BOTH},
    /* 16 partitions with 8,192 records in flight each need 131,072; their bytes are bounded too. */
    {"queue.buffering.max.messages", "1000000", WRITER},
    /* A fetch that waits for news holds up the next read_from, and the news that there is none. */
    {"fetch.wait.max.ms", "20", READER},
    /* Several listen on each node: news comes to them in pieces that are worth a request. */
    {"fetch.wait.max.ms", "10", LISTENER},
    {"fetch.min.bytes", "65536", LISTENER},
    {"fetch.error.backoff.ms", "50", READER},
    /* A short queue stays in the cache of the processor; kafka_reader.c refills it in time. */
    {"queued.min.messages", "12000", READER},
    /* A replay of one busy partition asks half as often as by default. */
    {"max.partition.fetch.bytes", "2097152", READER},
    {"queued.max.messages.kbytes", "65536", READER},
};

static enum pw_code settings_apply(rd_kafka_conf_t *conf, const struct own_setting *settings,
                                   size_t count, uint32_t sides, struct pw_err *err)
{
    for (size_t i = 0; i < count; i++) {
        char text[KAFKA_ERROR_BYTES];
        if (settings[i].value != NULL && (settings[i].side & sides) != 0 &&
            rd_kafka_conf_set(conf, settings[i].name, settings[i].value, text, sizeof text) !=
                RD_KAFKA_CONF_OK) {
            return pw_fail(err, PW_ERR_SETTING_WRONG, "%s", text);
        }
    }
    return PW_OK;
}

/* Refuses what is ours, whoever sets it to whatever. */
static enum pw_code given_apply(rd_kafka_conf_t *conf, const struct pw_kafka_setting *given,
                                struct pw_err *err)
{
    for (size_t i = 0; i < PW_COUNT(own_settings); i++) {
        if (strcmp(given->name, own_settings[i].name) == 0) {
            const char *value = own_settings[i].value;
            return pw_fail(err, PW_ERR_SETTING_WRONG,
                           "kafka.%s is %s, must be left out: the ledger rests on %s%s",
                           given->name, given->value, value == NULL ? "its absence" : "",
                           value == NULL ? "" : value);
        }
    }
    char text[KAFKA_ERROR_BYTES];
    if (rd_kafka_conf_set(conf, given->name, given->value, text, sizeof text) != RD_KAFKA_CONF_OK) {
        return pw_fail(err, PW_ERR_SETTING_WRONG, "kafka.%s is %s: %s", given->name, given->value,
                       text);
    }
    return PW_OK;
}

/* librdkafka's own lines are no JSON; what matters in them comes as events. With `kafka.debug` they
 * go where librdkafka sends them, to stderr. */
static void log_nothing(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client;
    (void)level;
    (void)facility;
    (void)text;
}

static enum pw_code conf_fill(rd_kafka_conf_t *conf, const struct pw_kafka_config *config,
                              uint32_t sides, struct pw_err *err)
{
    enum pw_code code = settings_apply(conf, usual_settings, PW_COUNT(usual_settings), sides, err);
    bool has_servers = false;
    bool has_debug = false;
    for (size_t i = 0; code == PW_OK && i < config->setting_count; i++) {
        const struct pw_kafka_setting *given = &config->settings[i];
        code = given_apply(conf, given, err);
        has_servers = has_servers || strcmp(given->name, "bootstrap.servers") == 0 ||
                      strcmp(given->name, "metadata.broker.list") == 0;
        has_debug = has_debug || strcmp(given->name, "debug") == 0;
    }
    if (code == PW_OK && !has_servers) {
        return pw_fail(err, PW_ERR_SETTING_WRONG,
                       "kafka.bootstrap.servers is not set, must name a broker as host:port");
    }
    if (!has_debug) {
        rd_kafka_conf_set_log_cb(conf, log_nothing);
    }
    if (code == PW_OK) {
        code = settings_apply(conf, own_settings, PW_COUNT(own_settings), sides, err);
    }
    return code;
}

enum pw_code kafka_client_new(const struct pw_kafka_config *config, rd_kafka_type_t type,
                              rd_kafka_t **ret_client, struct pw_err *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    uint32_t reading = config->reads_only ? READER | LISTENER : READER;
    enum pw_code code = conf_fill(conf, config, type == RD_KAFKA_PRODUCER ? WRITER : reading, err);
    if (code != PW_OK) {
        rd_kafka_conf_destroy(conf);
        return code;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR |
                                       (type == RD_KAFKA_PRODUCER ? RD_KAFKA_EVENT_DR : 0));
    char text[KAFKA_ERROR_BYTES];
    rd_kafka_t *client = rd_kafka_new(type, conf, text, sizeof text);
    if (client == NULL) {
        rd_kafka_conf_destroy(conf);
        return pw_fail(err, PW_ERR_SETTING_WRONG, "kafka: %s", text);
    }
    *ret_client = client;
    return PW_OK;
}
