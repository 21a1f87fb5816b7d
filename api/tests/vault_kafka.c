/* api/tests/vault_kafka.c: the keys of running nodes on a real broker, PW_TEST_KAFKA=host:port, which hangs once, by way of
 * PW_TEST_KAFKA_CONTROL. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/log.h"
#include "api/tests/vault_rig.h"
#include "eventstore/key_adapters.h"
#include "eventstore/tests/kafka_rig.h"

#define PATIENCE_MS 30000
#define MANY        500

static struct kafka_rig rig;
static struct pw_masters *masters;

static enum pw_code open_kafka(bool reads_only, struct pw_key_log *ret_log, struct pw_err *err)
{
    struct pw_kafka_config config = rig.config;
    config.reads_only = reads_only;
    return pw_key_kafka_open(&config, PATIENCE_MS, ret_log, err);
}

static void broker(const char *verb)
{
    const char *dir = getenv("PW_TEST_KAFKA_CONTROL");
    char command[1024];
    CHECK(dir != NULL);
    snprintf(command, sizeof command, "%s/integration/cluster/kafka %s 1 --dir %s", PW_ROOT_DIR,
             verb, dir);
    CHECK_EQ(system(command), 0);
}

static void case_two_nodes(void)
{
    struct node a;
    struct node b;
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&a, open_kafka, masters);
    node_open(&b, open_kafka, masters);
    struct pw_id kept = node_make(&b);
    struct pw_id key_id = node_make_and_look(&a);
    CHECK_EQ(node_seal(&a, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&b, &key_id, sealed), PW_OK);
    pw_vault_forget(a.vault, &key_id);
    CHECK_EQ(node_unseal(&a, &key_id, sealed), PW_ERR_NOT_FOUND);
    node_await(&a, PW_VAULT_DESTROYED, 1);
    node_look(&b);
    CHECK_EQ(node_unseal(&b, &key_id, sealed), PW_ERR_NOT_FOUND);
    CHECK_EQ(node_counts(&a).lingering, 1); /* For an hour at least. */
    CHECK_EQ(node_seal(&a, &kept, sealed), PW_OK);
    node_close(&a);
    node_open(&a, open_kafka, masters); /* The ledger tells it again. */
    pw_vault_forget(a.vault, &key_id);
    node_await(&a, PW_VAULT_DESTROYED, 1);
    struct found found = rig_find(open_kafka, &key_id);
    CHECK(found.values == 1 && found.tombstones == 2);
    CHECK_EQ(node_unseal(&b, &kept, sealed), PW_OK);
    node_close(&b);
    node_close(&a);
}

static void case_many(void)
{
    static struct call calls[MANY];
    struct node node;
    uint8_t sealed[RIG_SEALED_BYTES];
    node_open(&node, open_kafka, masters);
    for (size_t i = 0; i < MANY; i++) {
        call_begin(&calls[i], &node);
    }
    for (size_t i = 0; i < MANY; i++) {
        call_end(&calls[i]);
        CHECK_EQ(calls[i].code, PW_OK);
    }
    node_close(&node);
    node_open(&node, open_kafka, masters);
    CHECK_EQ(node_counts(&node).keys, MANY);
    for (size_t i = 0; i < MANY; i++) {
        CHECK_EQ(node_seal(&node, &calls[i].key_id, sealed), PW_OK);
    }
    node_close(&node);
}

static void case_a_broker_that_hangs(void)
{
    static struct call call;
    struct node node;
    uint8_t sealed[RIG_SEALED_BYTES];
    struct pw_id unknown = {{1}};
    node_open(&node, open_kafka, masters);
    struct pw_id key_id = node_make_and_look(&node);
    broker("pause");
    call_begin(&call, &node);
    CHECK_EQ(node_seal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_OK);
    CHECK_EQ(node_seal(&node, &unknown, sealed), PW_ERR_LEDGER_DOWN);
    pw_vault_forget(node.vault, &key_id);
    CHECK_EQ(node_unseal(&node, &key_id, sealed), PW_ERR_NOT_FOUND);
    broker("resume");
    call_end(&call);
    CHECK_EQ(call.code, PW_OK);
    CHECK_EQ(node_seal(&node, &call.key_id, sealed), PW_OK);
    for (uint64_t rounds = 1; rig_find(open_kafka, &key_id).tombstones == 0; rounds++) {
        node_await(&node, PW_VAULT_DESTROYED, rounds);
        node_turn_clock(&node, RIG_HOUR_US);
    }
    node_close(&node);
}

/* What waits for a broker that hangs is ended by a stop. */
static void case_stopped_while_a_broker_hangs(void)
{
    static struct call call;
    struct node node;
    node_open(&node, open_kafka, masters);
    broker("pause");
    call_begin(&call, &node);
    pw_vault_stop(node.vault);
    call_end(&call);
    CHECK_EQ(call.code, PW_ERR_LEDGER_DOWN);
    node_close(&node);
    broker("resume");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        {"two_nodes", case_two_nodes},
        {"many", case_many},
        {"a_broker_that_hangs", case_a_broker_that_hangs},
        {"stopped_while_a_broker_hangs", case_stopped_while_a_broker_hangs},
    };
    CHECK(sodium_init() >= 0);
    pw_log_init("error");
    masters = rig_masters();
    for (size_t i = 0; i < PW_COUNT(cases); i++) {
        if (case_begins("vault on kafka", cases[i].name, argc, argv)) {
            bool created = false;
            kafka_rig_open(&rig);
            GOOD(pw_key_kafka_create(&rig.config, rig.replica_count, &created, &err));
            cases[i].run();
            kafka_rig_close(&rig);
        }
    }
    pw_masters_free(masters);
    return cases_end("vault on kafka");
}
