/* commands/engine_lead.c: who leads, when to bid, and whether the clocks allow it. Leadership is
 * for speed only. */
#include <stdio.h>

#include "commands/engine_internal.h"

/* The broker appended our last reported record between our sending it and its report: so its clock
 * now lies between those two, carried on by boot time. */
bool lead_clock_good(struct pw_engine *engine)
{
    int64_t earliest = engine->broker_at_us + (engine->boot_us - engine->broker_reported_boot_us);
    int64_t latest = engine->broker_at_us + (engine->boot_us - engine->broker_sent_boot_us);
    return engine->broker_known && engine->wall_us >= earliest - CLOCK_OFF_MAX_US &&
           engine->wall_us <= latest + CLOCK_OFF_MAX_US;
}

static void not_now(struct partition *partition, enum pw_code code, int64_t wait_us,
                    const char *detail)
{
    if (partition->problem.code != code) {
        engine_log(partition, "warning", "does not lead: %s", detail);
    }
    partition->problem = (struct pw_err){0};
    pw_fail(&partition->problem, code, "%s", detail);
    partition->next_bid_boot_us = partition->engine->boot_us + wait_us;
    partition->dirty = true;
}

/* True when nobody else leads, as far as the ledger and the named node itself say. */
static bool place_is_free(struct partition *partition)
{
    const struct pw_engine_config *config = &partition->engine->config;
    char detail[120];
    partition->leader_alive = false;
    if (!partition->leader_known ||
        pw_id_equal(&partition->leader_incarnation, &config->incarnation)) {
        return true;
    }
    switch (config->peers.leads(config->peers.self, pw_str_of(partition->leader_node_id),
                                &partition->leader_incarnation, partition->number)) {
    case PW_PEER_DEAD: return true;
    case PW_PEER_ALIVE:
        partition->leader_alive = true;
        snprintf(detail, sizeof detail, "node %s leads", partition->leader_node_id);
        not_now(partition, PW_ERR_NO_LEADER, partition->deposed_us, detail);
        partition->deposed_us =
            partition->deposed_us * 2 < DEPOSED_MAX_US ? partition->deposed_us * 2 : DEPOSED_MAX_US;
        return false;
    case PW_PEER_UNKNOWN:
        snprintf(detail, sizeof detail, "asking whether node %s still leads",
                 partition->leader_node_id);
        not_now(partition, PW_ERR_NO_LEADER, RETRY_MIN_US, detail);
        return false;
    }
    return false;
}

/* What the ledger rests on is looked at again before each lead, once for partitions that bid
 * together. */
static bool settings_are_good(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    struct pw_err err = {0};
    if (engine->checked_boot_us != NEVER &&
        engine->boot_us - engine->checked_boot_us < CHECK_EVERY_US) {
        return true;
    }
    enum pw_code code = engine->ledger.check(engine->ledger.self, &err);
    if (code == PW_OK) {
        engine->checked_boot_us = engine->boot_us;
        return true;
    }
    if (code == PW_ERR_SETTING_WRONG) {
        partition_stop(partition, code, err.detail);
    } else {
        not_now(partition, code, PW_US_PER_SECOND, err.detail);
    }
    return false;
}

static bool may_bid(struct partition *partition)
{
    const struct pw_chain *chain = &partition->fold.chain;
    if (chain->head_offset < 0) {
        partition_stop(partition, PW_ERR_LEDGER_DAMAGED,
                       "no genesis: run `proctorwise admin ledger create`");
        return false;
    }
    if (!place_is_free(partition)) {
        return false;
    }
    if (partition->engine->wall_us < chain->decided_at_us - CLOCK_BACK_MAX_US) {
        not_now(partition, PW_ERR_CLOCK_OFF, PW_US_PER_SECOND,
                "the clock is behind the ledger's last decision");
        return false;
    }
    return settings_are_good(partition);
}

static void bid(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    struct pw_leader leader = {pw_str_of(engine->node_id), engine->config.incarnation};
    partition->tip = pw_chain_next(&partition->fold.chain);
    enum pw_code code = pw_record_write_leader(&engine->value, &partition->tip, &leader);
    assert(code == PW_OK);
    (void)code;
    read_stop(partition);
    struct flight *flight = flight_push(
        partition, (struct pw_str){0}, pw_undo_mark(partition->undo), partition->tip.decided_at_us);
    if (flight == NULL) {
        read_start(partition, READ_FOLLOW);
        not_now(partition, PW_ERR_LEDGER_DOWN, partition->retry_us, "the log takes no appends");
        return;
    }
    flight->is_leader = true;
    partition->phase = PW_PHASE_BIDDING;
    partition->counters.bid_count++;
    partition->dirty = true;
}

void lead_confirmed(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    memcpy(partition->leader_node_id, engine->node_id, sizeof partition->leader_node_id);
    partition->leader_incarnation = engine->config.incarnation;
    partition->leader_known = true;
    partition->leader_alive = false;
    partition->led_since_boot_us = engine->boot_us;
    partition->next_verify_boot_us = engine->boot_us + VERIFY_EVERY_US;
    partition->verified_count = partition->fold.chain.accepted_count;
    partition->problem = (struct pw_err){0};
    if (partition->phase == PW_PHASE_BIDDING) {
        partition->phase = PW_PHASE_LEADING;
    }
    engine_log(partition, "info", "leads from height %llu on",
               (unsigned long long)partition->fold.chain.height);
}

void lead_timers(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    if (partition->phase == PW_PHASE_FOLLOWING) {
        if (partition->read_mode == READ_NOTHING &&
            engine->boot_us >= partition->next_bid_boot_us) {
            partition->next_bid_boot_us = engine->boot_us + RETRY_MIN_US;
            read_start(partition, READ_FOLLOW);
        }
        if (partition->at_end && !engine->bids_no_more && !engine->down &&
            engine->boot_us >= partition->next_bid_boot_us && may_bid(partition)) {
            bid(partition);
        }
    } else if (partition->phase == PW_PHASE_LEADING) {
        if (engine->boot_us - partition->led_since_boot_us >= STEADY_US) {
            partition->deposed_us = DEPOSED_MIN_US;
            partition->retry_us = RETRY_MIN_US;
        }
        lookup_next(partition);
    } else if (partition->phase == PW_PHASE_RESOLVING &&
               (partition->read_mode == READ_NOTHING ||
                engine->boot_us >= partition->resolve_until_boot_us)) {
        step_down(partition, DOWN_FAILED, "the log cannot be read");
    }
}

/* When lead_timers next has something to do. */
int64_t lead_due_boot_us(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    if (partition->phase == PW_PHASE_FOLLOWING &&
        (partition->at_end || partition->read_mode == READ_NOTHING)) {
        return partition->next_bid_boot_us > engine->boot_us ? partition->next_bid_boot_us
                                                             : engine->boot_us + RETRY_MIN_US;
    }
    if (partition->phase == PW_PHASE_RESOLVING) {
        return partition->resolve_until_boot_us;
    }
    if (partition->phase == PW_PHASE_LEADING && partition->read_mode == READ_NOTHING &&
        (engine->down || partition->fold.chain.accepted_count != partition->verified_count)) {
        return partition->next_verify_boot_us;
    }
    return NEVER;
}
