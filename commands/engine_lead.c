/* commands/engine_lead.c: who leads, when to bid, when to hand over, and whether the clocks allow
 * it. Leadership is for speed only: whatever is decided here, nothing wrong is accepted. */
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

/* A stranger's comes after all others. */
static uint32_t rank_of(const struct partition *partition, const char *node_id)
{
    const struct pw_ranks *nodes = partition->engine->config.nodes;
    uint32_t rank = 0;
    while (rank < nodes->count && strcmp(nodes->node_ids[partition->order[rank]], node_id) != 0) {
        rank++;
    }
    return rank;
}

void lead_init(struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    const struct pw_ranks *nodes = engine->config.nodes;
    partition->deposed.wait_us = partition->claim.wait_us = DEPOSED_MIN_US;
    partition->retry.wait_us = RETRY_MIN_US;
    partition->led_since_boot_us = NEVER;
    partition->free_since_boot_us = NEVER;
    if (nodes != NULL) {
        pw_ranks_order(nodes, partition->number, partition->order);
        partition->rank = rank_of(partition, engine->node_id);
    }
}

/* --- Who leads --- */

static void set_leader(struct partition *partition, struct pw_str node_id,
                       const struct pw_id *incarnation)
{
    size_t bytes = node_id.len < PW_NODE_ID_BYTES_MAX ? node_id.len : PW_NODE_ID_BYTES_MAX;
    memcpy(partition->leader_node_id, node_id.ptr, bytes);
    partition->leader_node_id[bytes] = '\0';
    partition->leader_incarnation = *incarnation;
    partition->leader_known = true;
    partition->free_since_boot_us = NEVER;
    partition->next_look_boot_us = partition->engine->boot_us;
}

/* A `leader` record of another hand, or a late one of our own, was accepted. One that names us and
 * that we did not write hands the partition over to us: our own bid on it follows at once, for only
 * a record of ours that is confirmed lets us lead. */
void lead_folded(struct partition *partition, const struct pw_leader *leader)
{
    const struct pw_engine *engine = partition->engine;
    set_leader(partition, leader->node_id, &leader->incarnation);
    if (pw_id_equal(&leader->incarnation, &engine->config.incarnation) &&
        !pw_hash_equal(&partition->fold.chain.head, &partition->own_bid)) {
        engine_log(partition, "info", "is handed the lead at height %llu",
                   (unsigned long long)partition->fold.chain.height);
        partition->deposed.until_boot_us = engine->boot_us;
        partition->retry.until_boot_us = engine->boot_us;
    }
}

static bool leader_is_us(const struct partition *partition)
{
    return partition->leader_known &&
           pw_id_equal(&partition->leader_incarnation, &partition->engine->config.incarnation);
}

/* What the ledger and the named node itself say of the place. */
static void look(struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    const struct pw_engine_config *config = &engine->config;
    enum pw_liveness leader = PW_PEER_DEAD;
    if (partition->leader_known && !leader_is_us(partition)) {
        leader = config->peers.leads(config->peers.self, pw_str_of(partition->leader_node_id),
                                     &partition->leader_incarnation, partition->number);
    }
    partition->next_look_boot_us = engine->boot_us + LOOK_EVERY_US;
    partition->led_elsewhere = leader != PW_PEER_DEAD;
    if (leader != PW_PEER_DEAD) {
        partition->free_since_boot_us = NEVER;
    } else if (partition->free_since_boot_us == NEVER) {
        partition->free_since_boot_us = engine->boot_us;
    }
}

/* How long those whose turn comes before ours are waited for. Who does not stand by has no turn. */
static int64_t turn_us(const struct partition *partition)
{
    const struct pw_engine_config *config = &partition->engine->config;
    int64_t wait_us = 0;
    struct pw_id incarnation;
    if (config->nodes == NULL || leader_is_us(partition)) {
        return 0;
    }
    for (uint32_t rank = 0; rank < partition->rank; rank++) {
        const char *node_id = config->nodes->node_ids[partition->order[rank]];
        if (config->peers.stands_by(config->peers.self, pw_str_of(node_id), &incarnation)) {
            wait_us += RANK_US;
        }
    }
    return wait_us;
}

/* --- Back-off --- */

static void wait_longer(struct back_off *back_off, int64_t now_us, int64_t min_us, int64_t max_us)
{
    if (now_us - back_off->until_boot_us >= 2 * max_us) {
        back_off->wait_us = min_us; /* It was long ago. */
    }
    back_off->until_boot_us = now_us + back_off->wait_us;
    back_off->wait_us = 2 * back_off->wait_us < max_us ? 2 * back_off->wait_us : max_us;
}

void lead_back_off(struct partition *partition, enum step_down_why why)
{
    int64_t now_us = partition->engine->boot_us;
    struct back_off *deposed = partition->led_since_boot_us == NEVER && partition->is_claim
                                   ? &partition->claim
                                   : &partition->deposed;
    if (why == DOWN_FAILED) {
        wait_longer(&partition->retry, now_us, RETRY_MIN_US, RETRY_MAX_US);
    } else {
        wait_longer(deposed, now_us, DEPOSED_MIN_US, DEPOSED_MAX_US);
    }
}

static void not_now(struct partition *partition, enum pw_code code, int64_t wait_us,
                    const char *detail)
{
    if (partition->problem.code != code) {
        engine_log(partition, "warning", "does not lead: %s", detail);
    }
    partition->problem = (struct pw_err){0};
    pw_fail(&partition->problem, code, "%s", detail);
    partition->retry.until_boot_us = partition->engine->boot_us + wait_us;
    partition->dirty = true;
}

/* --- Bids --- */

/* What the ledger rests on. Where the log itself is asked, once for partitions that bid together. */
static bool settings_are_good(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    const struct pw_ledger_checks *checks = &engine->config.checks;
    struct pw_err err = {0};
    if (checks->check == NULL && engine->checked_boot_us != NEVER &&
        engine->boot_us - engine->checked_boot_us < CHECK_EVERY_US) {
        return true;
    }
    enum pw_code code = checks->check != NULL ? checks->check(checks->self, &err)
                                              : engine->ledger.check(engine->ledger.self, &err);
    if (code == PW_OK) {
        engine->checked_boot_us = engine->boot_us;
        return true;
    }
    if (code == PW_ERR_SETTING_WRONG) {
        partition_stop(partition, code, err.detail);
    } else {
        not_now(partition, code, checks->check != NULL ? LOOK_EVERY_US : PW_US_PER_SECOND,
                err.detail);
    }
    return false;
}

/* Whose rank comes first among those that stand by bids although another leads, so that load spreads
 * as nodes come and go: where the leader is idle that is accepted, otherwise it asks for a
 * hand-over. */
static bool may_claim(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    const struct pw_peers *peers = &engine->config.peers;
    return engine->config.nodes != NULL && engine->boot_us >= partition->claim.until_boot_us &&
           (!engine->broker_known || lead_clock_good(partition->engine)) &&
           rank_of(partition, partition->leader_node_id) > partition->rank &&
           turn_us(partition) == 0 &&
           peers->leads(peers->self, pw_str_of(partition->leader_node_id),
                        &partition->leader_incarnation, partition->number) == PW_PEER_ALIVE;
}

static bool is_our_turn(struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    int64_t now_us = engine->boot_us;
    if (now_us < partition->deposed.until_boot_us || now_us < partition->retry.until_boot_us) {
        return false;
    }
    partition->is_claim = partition->free_since_boot_us == NEVER;
    if (partition->is_claim) {
        return may_claim(partition);
    }
    return partition->at_end && now_us - partition->free_since_boot_us >= turn_us(partition);
}

static bool may_bid(struct partition *partition)
{
    const struct pw_chain *chain = &partition->fold.chain;
    if (chain->head_offset < 0) {
        partition_stop(partition, PW_ERR_LEDGER_DAMAGED,
                       "no genesis: run `proctorwise admin ledger create`");
        return false;
    }
    if (!is_our_turn(partition)) {
        return false;
    }
    if (partition->engine->wall_us < chain->decided_at_us - CLOCK_BACK_MAX_US) {
        not_now(partition, PW_ERR_CLOCK_OFF, PW_US_PER_SECOND,
                "the clock is behind the ledger's last decision");
        return false;
    }
    return settings_are_good(partition);
}

/* Appends a `leader` record on the head. */
static struct flight *append_leader(struct partition *partition, const char *node_id,
                                    const struct pw_id *incarnation)
{
    struct pw_engine *engine = partition->engine;
    struct pw_leader leader = {pw_str_of(node_id), *incarnation};
    partition->tip = pw_chain_next(&partition->fold.chain);
    enum pw_code code = pw_record_write_leader(&engine->value, &partition->tip, &leader);
    assert(code == PW_OK && flight_count(partition) == 0);
    (void)code;
    partition->dirty = true;
    return flight_push(partition, (struct pw_str){0}, pw_undo_mark(partition->undo),
                       partition->tip.decided_at_us);
}

static void bid(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    read_stop(partition);
    struct flight *flight = append_leader(partition, engine->node_id, &engine->config.incarnation);
    if (flight == NULL) {
        read_start(partition, READ_FOLLOW);
        not_now(partition, PW_ERR_LEDGER_DOWN, partition->retry.wait_us,
                "the log takes no appends");
        return;
    }
    flight->kind = FLIGHT_BID;
    partition->own_bid = flight->hash;
    partition->phase = PW_PHASE_BIDDING;
    partition->counters.bid_count++;
}

void lead_confirmed(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    set_leader(partition, pw_str_of(engine->node_id), &engine->config.incarnation);
    partition->led_elsewhere = false;
    partition->led_since_boot_us = engine->boot_us;
    partition->led_height = partition->fold.chain.height;
    partition->next_verify_boot_us = engine->boot_us + VERIFY_EVERY_US;
    partition->problem = (struct pw_err){0};
    if (partition->phase == PW_PHASE_BIDDING) {
        partition->phase = PW_PHASE_LEADING;
    }
    engine_log(partition, "info", "leads from height %llu on",
               (unsigned long long)partition->fold.chain.height);
}

/* --- Hand-over --- */

static void set_heir(struct partition *partition, struct pw_str node_id,
                     const struct pw_id *incarnation)
{
    snprintf(partition->heir_node_id, sizeof partition->heir_node_id, "%.*s", (int)node_id.len,
             node_id.ptr);
    partition->heir_incarnation = *incarnation;
    partition->has_heir = true;
}

/* A void record may be another node's bid. It cannot reach us, or has rank 0: it shall lead, unless
 * it speaks of a time before ours, or we have only just begun. */
void lead_saw_void(struct partition *partition, const struct pw_ledger_event *event)
{
    struct pw_engine *engine = partition->engine;
    struct pw_record record;
    pw_arena_reset(&engine->arena);
    if (partition->led_since_boot_us == NEVER || partition->has_heir ||
        event->value_bytes < PW_RECORD_HEAD_BYTES ||
        pw_record_parse(event->value, event->value_bytes, &engine->arena, &record, NULL) != PW_OK ||
        record.kind != PW_RECORD_LEADER ||
        pw_id_equal(&record.leader.incarnation, &engine->config.incarnation)) {
        return;
    }
    if (record.height > partition->led_height &&
        engine->boot_us - partition->led_since_boot_us >= LED_MIN_US) {
        set_heir(partition, record.leader.node_id, &record.leader.incarnation);
    }
}

/* Who stops hands over to the next rank that stands by. */
static void choose_heir(struct partition *partition)
{
    const struct pw_engine_config *config = &partition->engine->config;
    for (uint32_t rank = 0; config->nodes != NULL && rank < config->nodes->count; rank++) {
        struct pw_id incarnation;
        struct pw_str node_id = pw_str_of(config->nodes->node_ids[partition->order[rank]]);
        if (rank != partition->rank &&
            config->peers.stands_by(config->peers.self, node_id, &incarnation)) {
            set_heir(partition, node_id, &incarnation);
            return;
        }
    }
}

static void hand_over(struct partition *partition)
{
    struct flight *flight =
        append_leader(partition, partition->heir_node_id, &partition->heir_incarnation);
    if (flight != NULL) {
        flight->kind = FLIGHT_HAND_OVER;
    }
}

void lead_handed_over(struct partition *partition)
{
    engine_log(partition, "info", "hands over to node %s at height %llu", partition->heir_node_id,
               (unsigned long long)partition->fold.chain.height);
    set_leader(partition, pw_str_of(partition->heir_node_id), &partition->heir_incarnation);
    partition->counters.hand_over_count++;
    step_down(partition, DOWN_HANDED_OVER, "handed over");
}

/* --- The turn --- */

static void follow_turn(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    if (partition->read_mode == READ_NOTHING && engine->boot_us >= partition->retry.until_boot_us) {
        partition->retry.until_boot_us = engine->boot_us + RETRY_MIN_US;
        read_start(partition, READ_FOLLOW);
    }
    if (engine->down && engine->boot_us >= partition->next_verify_boot_us) {
        partition->next_verify_boot_us = engine->boot_us + VERIFY_EVERY_US;
        read_start(partition, READ_FOLLOW); /* Its end is what tells that the log is back. */
    }
    if (!partition->caught_up ||
        (engine->boot_us < partition->next_look_boot_us && partition->first_lane == NULL)) {
        return; /* A job looks at once: it is to be forwarded, or waits for the turn. */
    }
    look(partition);
    if (partition->read_mode == READ_FOLLOW && !engine->bids_no_more && !engine->down &&
        may_bid(partition)) {
        bid(partition);
    }
}

static void lead_turn(struct partition *partition)
{
    struct pw_engine *engine = partition->engine;
    bool is_quiet = flight_count(partition) == 0 && partition->answer_count == 0;
    if (engine->bids_no_more && is_quiet && !partition->has_heir && partition->first_lane == NULL &&
        partition->lookups.first == NULL) {
        choose_heir(partition);
    }
    if (partition->has_heir && is_quiet && !engine->down && !engine->renew_wanted) {
        hand_over(partition);
    }
    lookup_next(partition);
}

int64_t lead_flight_due_boot_us(const struct partition *partition)
{
    return flight_count(partition) == 0
               ? NEVER
               : partition->flights[partition->first_seq % PW_IN_FLIGHT_MAX].sent_boot_us +
                     FLIGHT_PATIENCE_US;
}

/* The log hangs: it neither takes our records nor says that it is down. Whoever waits is not kept
 * waiting, and a new producer may find what the old one does not. */
static void give_up_flights(struct partition *partition)
{
    engine_log(partition, "warning", "the log has said nothing of our records for %lld ms",
               (long long)(FLIGHT_PATIENCE_US / PW_US_PER_MS));
    partition->engine->renew_wanted = true;
}

void lead_timers(struct partition *partition)
{
    if ((partition->phase == PW_PHASE_LEADING || partition->phase == PW_PHASE_BIDDING) &&
        partition->engine->boot_us >= lead_flight_due_boot_us(partition)) {
        give_up_flights(partition);
        return;
    }
    if (partition->phase == PW_PHASE_FOLLOWING) {
        follow_turn(partition);
    } else if (partition->phase == PW_PHASE_LEADING) {
        lead_turn(partition);
    } else if (partition->phase == PW_PHASE_RESOLVING &&
               (partition->read_mode == READ_NOTHING ||
                partition->engine->boot_us >= partition->resolve_until_boot_us)) {
        step_down(partition, DOWN_FAILED, "the log cannot be read");
    }
}

/* When lead_timers next has something to do. */
int64_t lead_due_boot_us(const struct partition *partition)
{
    const struct pw_engine *engine = partition->engine;
    if (partition->phase == PW_PHASE_STOPPED) {
        return NEVER;
    }
    if (partition->phase == PW_PHASE_FOLLOWING && partition->read_mode == READ_NOTHING) {
        return partition->retry.until_boot_us;
    }
    if (partition->phase == PW_PHASE_FOLLOWING && partition->caught_up) {
        return partition->next_look_boot_us;
    }
    if (partition->phase == PW_PHASE_RESOLVING) {
        return partition->resolve_until_boot_us;
    }
    bool reads = partition->read_mode != READ_NOTHING && partition->read_mode != READ_TAIL;
    if (!reads && (partition->read_mode == READ_NOTHING || engine->down)) {
        int64_t soon = engine->boot_us + RETRY_MIN_US; /* What is overdue could not be begun. */
        int64_t due = lead_flight_due_boot_us(partition);
        soon = partition->next_verify_boot_us > engine->boot_us ? partition->next_verify_boot_us
                                                                : soon;
        return soon < due ? soon : due;
    }
    return lead_flight_due_boot_us(partition);
}
