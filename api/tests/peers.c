/* api/tests/peers.c: what the answers of other nodes, or their silence, mean; and findings of an
 * audit. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "api/audit.h"
#include "api/peers.h"

static const struct pw_id ours = {{1}};
static const struct pw_id theirs = {{2}};
static const struct pw_id later = {{3}};

static struct pw_peers_probe *probe_of(const char *nodes)
{
    struct pw_peers_options options = {
        .nodes = nodes, .node_id = "a", .incarnation = ours, .cluster_key = PW_STR("k")};
    return pw_peers_new_idle(&options);
}

static enum pw_liveness leads(struct pw_peers_probe *probe, const char *node_id,
                              const struct pw_id *incarnation, uint32_t partition)
{
    struct pw_peers peers = pw_peers_port(probe);
    return peers.leads(peers.self, pw_str_of(node_id), incarnation, partition);
}

static void answers(struct pw_peers_probe *probe, const struct pw_id *incarnation,
                    const char *partitions)
{
    char id[PW_ID_TEXT_BYTES + 1];
    char body[256];
    pw_id_format(incarnation, id);
    snprintf(body, sizeof body, "{\"node_id\":\"b\",\"incarnation\":\"%s\",\"partitions\":[%s]}",
             id, partitions);
    pw_peers_tell(probe, "b", PW_PROBE_ANSWERED, pw_str_of(body));
}

static void is_silent(struct pw_peers_probe *probe, enum pw_probe_result how)
{
    pw_peers_tell(probe, "b", how, (struct pw_str){NULL, 0});
}

Test(peers, ourselves_and_strangers)
{
    struct pw_peers_probe *probe = probe_of("a=h:1,b=h:2");
    cr_expect_eq(leads(probe, "a", &ours, 0), PW_PEER_ALIVE);
    cr_expect_eq(leads(probe, "a", &later, 0), PW_PEER_DEAD, "our earlier life");
    cr_expect_eq(leads(probe, "c", &theirs, 0), PW_PEER_DEAD, "nobody knows c");
    cr_expect_eq(leads(probe, "b", &theirs, 0), PW_PEER_UNKNOWN, "not asked yet");
    pw_peers_free(probe);
}

Test(peers, three_time_outs_or_one_refusal)
{
    struct pw_peers_probe *probe = probe_of("a=h:1,b=h:2");
    answers(probe, &theirs, "0,5");
    cr_expect_eq(leads(probe, "b", &theirs, 5), PW_PEER_ALIVE);
    is_silent(probe, PW_PROBE_TIMED_OUT);
    is_silent(probe, PW_PROBE_TIMED_OUT);
    cr_expect_eq(leads(probe, "b", &theirs, 5), PW_PEER_ALIVE);
    is_silent(probe, PW_PROBE_TIMED_OUT);
    cr_expect_eq(leads(probe, "b", &theirs, 5), PW_PEER_DEAD);
    answers(probe, &theirs, "5");
    cr_expect_eq(leads(probe, "b", &theirs, 5), PW_PEER_ALIVE, "it is back");
    is_silent(probe, PW_PROBE_REFUSED);
    cr_expect_eq(leads(probe, "b", &theirs, 5), PW_PEER_DEAD);
    pw_peers_free(probe);
}

Test(peers, another_incarnation_or_partition)
{
    struct pw_peers_probe *probe = probe_of("b=h:2");
    answers(probe, &theirs, "0");
    cr_expect_eq(leads(probe, "b", &later, 0), PW_PEER_DEAD);
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_UNKNOWN, "the answer may be an old one");
    answers(probe, &theirs, "0");
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_UNKNOWN);
    answers(probe, &theirs, "0");
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_DEAD);
    for (int i = 0; i < 3; i++) {
        answers(probe, &theirs, "0");
    }
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_UNKNOWN, "asked anew: another record");
    answers(probe, &theirs, "0,1");
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_ALIVE);
    pw_peers_tell(probe, "b", PW_PROBE_ANSWERED, PW_STR("{\"node_id\":\"z\"}"));
    cr_expect_eq(leads(probe, "b", &theirs, 1), PW_PEER_DEAD, "that is not b");
    pw_peers_free(probe);
}

static uint64_t deaths_of_b(struct pw_peers_probe *probe)
{
    const char *node_id = NULL;
    uint64_t count = 0;
    cr_assert(pw_peers_deaths(probe, 0, &node_id, &count) && strcmp(node_id, "b") == 0);
    cr_assert(!pw_peers_deaths(probe, 1, &node_id, &count), "there are two nodes");
    return count;
}

Test(peers, deaths_are_counted_once)
{
    struct pw_peers_probe *probe = probe_of("a=h:1,b=h:2");
    is_silent(probe, PW_PROBE_REFUSED);
    cr_expect(pw_peers_is_dead(probe, "b"));
    cr_expect_eq(deaths_of_b(probe), 0, "it was never alive");
    answers(probe, &theirs, "0");
    cr_expect(!pw_peers_is_dead(probe, "b"));
    is_silent(probe, PW_PROBE_REFUSED);
    is_silent(probe, PW_PROBE_REFUSED);
    cr_expect(pw_peers_is_dead(probe, "b"));
    cr_expect_eq(deaths_of_b(probe), 1);
    answers(probe, &theirs, "");
    cr_expect(!pw_peers_is_dead(probe, "b"), "it leads nothing, and lives");
    cr_expect(pw_peers_is_dead(probe, "c"), "nobody knows c");
    pw_peers_free(probe);
}

Test(peers, who_stands_by)
{
    struct pw_peers_probe *probe = probe_of("a=h:1,b=h:2");
    struct pw_peers peers = pw_peers_port(probe);
    struct pw_id incarnation = {{0}};
    char address[PW_PEER_ADDRESS_BYTES_MAX];
    char id[PW_ID_TEXT_BYTES + 1];
    char body[256];
    answers(probe, &theirs, "0");
    cr_expect(!peers.stands_by(peers.self, PW_STR("b"), &incarnation), "it does not say so");
    pw_id_format(&theirs, id);
    snprintf(body, sizeof body,
             "{\"node_id\":\"b\",\"incarnation\":\"%s\",\"partitions\":[],\"stands_by\":true}", id);
    pw_peers_tell(probe, "b", PW_PROBE_ANSWERED, pw_str_of(body));
    cr_expect(peers.stands_by(peers.self, PW_STR("b"), &incarnation));
    cr_expect(pw_id_equal(&incarnation, &theirs));
    is_silent(probe, PW_PROBE_REFUSED);
    cr_expect(!peers.stands_by(peers.self, PW_STR("b"), &incarnation), "it is dead");
    cr_expect(pw_peers_address(probe, "b", address) && strcmp(address, "h:2") == 0, "%s", address);
    cr_expect(!pw_peers_address(probe, "c", address), "nobody knows c");
    pw_peers_free(probe);
}

Test(peers, nodes_have_ranks)
{
    struct pw_ranks ranks;
    struct pw_err err = {0};
    cr_expect(pw_peers_ranks("", &ranks, &err) == PW_OK && ranks.count == 0);
    cr_expect(pw_peers_ranks("b=h:2,a=h:1", &ranks, &err) == PW_OK && ranks.count == 2);
    cr_expect_str_eq(ranks.node_ids[0], "a");
    cr_expect(pw_peers_ranks("b=h:2,b=h:1", &ranks, &err) == PW_ERR_USAGE);
}

/* --- Findings about command ids --- */

#define HOUR_US (60 * PW_US_PER_MINUTE)

static struct pw_record commit_of(const struct pw_id *command_id, int64_t decided_at_us)
{
    return (struct pw_record){
        .kind = PW_RECORD_COMMIT,
        .decided_at_us = decided_at_us,
        .commit = {.boundary_id = {{5}}, .actor_id = {{6}}, .command_id = *command_id}};
}

Test(audit, early_late_and_repeated_decisions)
{
    static const uint8_t random[16] = {7};
    const int64_t at_us = INT64_C(1800000000000000);
    struct pw_id windowed = pw_id_v7(at_us, random);
    struct pw_id other = {{8, 8}};
    static const struct {
        bool is_windowed;
        int64_t after_us;
        uint64_t early, late, repeat; /* In all, so far. */
    } steps[] = {
        {true, -5 * PW_US_PER_MINUTE, 0, 0, 0},
        {true, -5 * PW_US_PER_MINUTE - 1, 1, 0, 1},
        {true, HOUR_US - 1, 1, 0, 2},
        {true, HOUR_US, 1, 1, 3},
        {false, 0, 1, 1, 3},
        {false, HOUR_US - 1, 1, 1, 4},
        {false, 2 * HOUR_US - 1, 1, 1, 4},
    };
    struct pw_audit_ids *ids = pw_audit_ids_new();
    struct pw_audit_findings findings = {0};
    for (size_t i = 0; i < PW_COUNT(steps); i++) {
        struct pw_record record =
            commit_of(steps[i].is_windowed ? &windowed : &other, at_us + steps[i].after_us);
        pw_audit_ids_take(ids, &record, HOUR_US, &findings);
        pw_audit_ids_finish(ids, &findings);
        cr_expect_eq(findings.early_count, steps[i].early, "step %zu", i);
        cr_expect_eq(findings.late_count, steps[i].late, "step %zu", i);
        cr_expect_eq(findings.repeat_count, steps[i].repeat, "step %zu", i);
    }
    pw_audit_ids_free(ids);
}
