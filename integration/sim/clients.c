/* integration/sim/clients.c: who asks, and the ways between them and the nodes. A client repeats its command under
 * its key, at any node, until it has an answer or has had enough. A node forwards once, as api/ does. */
#include "integration/sim/sim.h"

#include <stdlib.h>

struct
try {
    struct pw_job job; /* First, so that a job leads back to its try. */
    struct world *world;
    struct op *op;
    uint32_t client;
    uint32_t number;
    uint32_t entry; /* The node that the client asked. */
    uint32_t at;    /* The node that has the job. */
    bool forwarded;
    struct pw_id
        prepared_by; /* Incarnation of the node that has sealed what is personal; or nil. */
    struct sealed sealed;
};

static uint64_t draw(struct world *world, uint64_t below)
{
    return sim_draw(&world->random_net, below);
}

static bool is_unknown(enum pw_code code)
{
    enum pw_error_kind kind = pw_error_info(code)->kind;
    return kind == PW_KIND_UNAVAILABLE || kind == PW_KIND_INTERNAL;
}

static bool is_turned_away(enum pw_code code)
{
    return code == PW_ERR_COMMAND_ID_TOO_OLD || code == PW_ERR_COMMAND_ID_FROM_FUTURE ||
           code == PW_ERR_KEY_REUSED;
}

/* --- Messages --- */

static int64_t delay_us(struct world *world)
{
    bool slow = sim_chance(&world->random_net, world->rates[FAULT_NETWORK]);
    return (int64_t)draw(world, slow ? 400 : 3) * PW_US_PER_MS;
}

static bool is_lost(struct world *world)
{
    return sim_chance(&world->random_net, world->rates[FAULT_NETWORK]);
}

static void drop(struct try *try)
{
    try->world->open_tries--;
    free(try);
}

static void post(struct try *try, bool is_answer, int64_t due_us)
{
    struct world *world = try->world;
    assert(world->message_count < MESSAGES_MAX);
    world->messages[world->message_count++] =
        (struct message){due_us, world->message_order++, try, is_answer};
}

static void send_answer(struct try *try)
{
    if (is_lost(try->world)) {
        sim_effect(try->world, EFFECT_ANSWER_LOST, 1);
        drop(try);
        return;
    }
    post(try, true, sim_now(try->world) + delay_us(try->world));
}

static void fail_try(struct try *try, enum pw_code code)
{
    try->job.err = (struct pw_err){0};
    pw_fail(&try->job.err, code, "%s", "");
    send_answer(try);
}

/* --- What nodes answer --- */

/* Whatever a node says for good must be the same each time, and no older than the request. */
static void hold_against(struct try *try)
{
    struct op *op = try->op;
    const struct pw_job *job = &try->job;
    struct world *world = try->world;
    if (job->position.offset < op->log_end) {
        sim_fail(world, "no answer is older than its request",
                 "op %u, %s: its record is at offset %lld, the log ended at %lld when it was asked",
                 op->number, pw_error_info(job->err.code)->name, (long long)job->position.offset,
                 (long long)op->log_end);
    }
    if (!op->answered) {
        op->answered = true;
        op->answer = job->err;
        op->stream_id = job->stream_id;
        op->stream_version = job->stream_version;
        op->position = job->position;
        return;
    }
    if (op->answer.code != job->err.code || op->position.offset != job->position.offset ||
        op->stream_version != job->stream_version ||
        memcmp(op->position.head, job->position.head, sizeof op->position.head) != 0 ||
        !pw_id_equal(&op->stream_id, &job->stream_id)) {
        sim_fail(world, "one answer to one key", "op %u: first %s of offset %lld, then %s of %lld",
                 op->number, pw_error_info(op->answer.code)->name, (long long)op->position.offset,
                 pw_error_info(job->err.code)->name, (long long)job->position.offset);
    }
}

static void check_turned_away(const struct try *try)
{
    const struct world *world = try->world;
    int64_t made_at_us;
    int64_t slack_us = 3 * PW_US_PER_SECOND; /* What clocks and the order of decisions may add. */
    int64_t now_us = sim_now(world) + world->nodes[try->at].skew_us;
    pw_id_v7_time(&try->job.command_id, &made_at_us);
    bool too_old = now_us + slack_us >= made_at_us + world->horizon_us;
    bool too_new = made_at_us > now_us - slack_us + PW_KEY_AHEAD_MAX_US;
    if ((try->job.err.code == PW_ERR_COMMAND_ID_TOO_OLD && !too_old) ||
        (try->job.err.code == PW_ERR_COMMAND_ID_FROM_FUTURE && !too_new)) {
        sim_fail(world, "nobody is turned away without reason", "op %u: %s", try->op->number,
                 pw_error_info(try->job.err.code)->name);
    }
}

static bool send_on(struct try *try)
{
    struct world *world = try->world;
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (i != try->at && strcmp(world->nodes[i].name, try->job.led_by) == 0 && !try->forwarded) {
            sim_effect(world, EFFECT_FORWARDED, 1);
            try->forwarded = true;
            try->at = i;
            if (!pw_id_is_nil(&try->prepared_by)) { /* The client's own words are sent on. */
                try->prepared_by = (struct pw_id){{0}};
                try->job.command = try->op->request.command;
                op_make_ids(world, &try->job);
            }
            post(try, false, sim_now(world) + delay_us(world));
            return true;
        }
    }
    return false;
}

static void done(struct pw_job *job)
{
    struct try *try = (struct try *)job;
    struct world *world = try->world;
    enum pw_code code = job->err.code;
    bool is_gone = world->nodes[try->at].engine == NULL;
    if (!is_unknown(code) && !is_turned_away(code)) {
        hold_against(try);
        sim_effect(world, EFFECT_REPLAYED, job->replayed);
    } else if (is_turned_away(code)) {
        check_turned_away(try);
        sim_effect(world, EFFECT_TOO_OLD, code == PW_ERR_COMMAND_ID_TOO_OLD);
        sim_effect(world, EFFECT_KEY_REUSED, code == PW_ERR_KEY_REUSED);
    } else if (pw_error_info(code)->kind == PW_KIND_INTERNAL && !world->is_replaced) {
        sim_fail(world, "no engine fails", "op %u: %s %s", try->op->number,
                 pw_error_info(code)->name, job->err.detail);
    }
    if (is_gone) { /* A crash: nobody hears what it still had to say. */
        drop(try);
    } else if (code != PW_ERR_NO_LEADER || job->led_by[0] == '\0' || !send_on(try)) {
        send_answer(try);
    }
}

/* --- What arrives --- */

/* Takes some time; and what one process has prepared is gone with it. True: not to be submitted now. */
static bool prepares(struct try *try, struct node *node)
{
    struct world *world = try->world;
    if (!keys_are_wanted(&try->job)) {
        return false;
    }
    if (!pw_id_is_nil(&try->prepared_by)) {
        bool is_gone = !pw_id_equal(&try->prepared_by, &node->incarnation);
        if (is_gone) {
            sim_effect(world, EFFECT_KEY_DIED, 1);
            drop(try);
        }
        return is_gone;
    }
    enum pw_code code = keys_prepare(node, &try->job, &try->sealed);
    if (code != PW_OK) {
        fail_try(try, code);
        return true;
    }
    try->prepared_by = node->incarnation;
    uint64_t ms_max = draw(world, 10) == 0 ? 2000 : 40;
    post(try, false, sim_now(world) + (int64_t)draw(world, ms_max) * PW_US_PER_MS);
    return true;
}

static void arrive_at_node(struct try *try)
{
    struct world *world = try->world;
    struct node *node = &world->nodes[try->at];
    if (node->engine == NULL) {
        fail_try(try, PW_ERR_NO_LEADER); /* The connection is refused. */
        return;
    }
    if (node->paused_until_us > sim_now(world)) {
        post(try, false, node->paused_until_us);
        return;
    }
    if (try->forwarded && node->cut_from[try->entry]) {
        sim_effect(world, EFFECT_ANSWER_LOST, 1);
        drop(try);
        return;
    }
    if (prepares(try, node)) {
        return;
    }
    try->job.done = done;
    enum pw_code code = pw_engine_submit(node->engine, &try->job);
    if (code != PW_OK) {
        sim_effect(world, EFFECT_QUEUE_FULL, code == PW_ERR_QUEUE_FULL);
        fail_try(try, code);
    }
    pw_engine_kick(node->engine);
}

static void settle(struct world *world, struct client *client, const struct try *try)
{
    struct op *op = client->op;
    bool is_first = !op->settled;
    op->settled = true;
    sim_trace(world, "client %u: %s: %s%s", try->client,
              pw_command_info(op->request.command.type)->name,
              try->job.err.code == PW_OK ? "yes" : pw_error_info(try->job.err.code)->name,
              try->job.replayed ? ", as before" : "");
    if (is_first && try->job.err.code == PW_OK) {
        op_learn(world, op);
    }
    client->op = NULL;
    client->waits = false;
    client->next_us = sim_now(world) + (int64_t)draw(world, (uint64_t)world->think_us_max);
}

static void arrive_at_client(struct try *try)
{
    struct world *world = try->world;
    struct client *client = &world->clients[try->client];
    const struct node *entry = &world->nodes[try->entry];
    bool is_heard = entry->engine != NULL && entry->paused_until_us <= sim_now(world);
    if (client->op == try->op && client->waits && client->try_number == try->number && is_heard) {
        if (is_unknown(try->job.err.code)) {
            client->waits = false;
            client->next_us = sim_now(world) + (int64_t)draw(world, 500) * PW_US_PER_MS;
        } else {
            settle(world, client, try);
        }
    }
    drop(try);
}

/* In the order in which they are due, and sent. */
static void deliver(struct world *world)
{
    for (;;) {
        uint32_t first = world->message_count;
        for (uint32_t i = 0; i < world->message_count; i++) {
            const struct message *at = &world->messages[i];
            const struct message *best = &world->messages[first];
            if (at->due_us <= sim_now(world) &&
                (first == world->message_count || at->due_us < best->due_us ||
                 (at->due_us == best->due_us && at->order < best->order))) {
                first = i;
            }
        }
        if (first == world->message_count) {
            return;
        }
        struct message message = world->messages[first];
        world->messages[first] = world->messages[--world->message_count];
        if (message.is_answer) {
            arrive_at_client(message.try);
        } else {
            arrive_at_node(message.try);
        }
    }
}

/* --- Clients --- */

static void client_send(struct world *world, struct client *client, uint32_t number)
{
    struct op *op = client->op;
    struct try *try = calloc(1, sizeof *try);
    if (try == NULL) {
        abort();
    }
    *try = (struct try){.job = op->request, .world = world, .op = op, .client = number};
    op_make_ids(world, &try->job);
    try->number = ++client->try_number;
    try->entry = try->at = (uint32_t)draw(world, world->node_count);
    world->open_tries++;
    if (op->tries++ == 0) {
        uint32_t partition = pw_partition_of(&op->request.boundary_id, world->partition_count);
        op->first_sent_us = sim_now(world);
        op->log_end = pw_sim_end(world->log, partition);
    }
    sim_trace(world, "client %u: %s %s at node-%u, op %u, try %u", number,
              op->tries == 1 ? "asks" : "repeats", pw_command_info(op->request.command.type)->name,
              try->at, op->number, op->tries);
    client->waits = true;
    client->next_us = sim_now(world) + (int64_t)(500 + draw(world, 4500)) * PW_US_PER_MS;
    if (is_lost(world)) {
        drop(try);
        return;
    }
    post(try, false, sim_now(world) + (op->tries == 1 ? 0 : delay_us(world)));
}

/* NULL: there is nothing left to ask. */
static struct op *next_op(struct world *world)
{
    while (world->again_next < world->again_end) {
        struct op *op = &world->ops[world->again_next];
        world->again_next += 1 + (uint32_t)draw(world, 5);
        if (op->settled) {
            return op;
        }
    }
    return world->again_end == 0 && world->op_count < world->plan.commands && !world->calm
               ? op_any(world)
               : NULL;
}

static void client_turn(struct world *world, uint32_t number)
{
    struct client *client = &world->clients[number];
    int64_t now_us = sim_now(world);
    if (client->next_us > now_us) {
        return;
    }
    if (client->op == NULL) {
        if (now_us < world->lull_until_us || (client->op = next_op(world)) == NULL) {
            return;
        }
        client_send(world, client, number);
    } else if (client->waits) {
        sim_trace(world, "client %u: no answer, op %u", number, client->op->number);
        client->waits = false;
        client->next_us = now_us + (int64_t)draw(world, 300) * PW_US_PER_MS;
    } else if (!world->calm && draw(world, 40) == 0) {
        client->op = NULL; /* Has had enough: for this one it stays unknown. */
        client->next_us = now_us;
    } else {
        client_send(world, client, number);
    }
}

void clients_turn(struct world *world)
{
    deliver(world);
    for (uint32_t i = 0; i < world->client_count; i++) {
        client_turn(world, i);
    }
    deliver(world); /* What needs no time is there before the next step. */
}

bool clients_done(const struct world *world)
{
    bool done_ = world->again_end > 0 ? world->again_next >= world->again_end
                                      : world->calm || world->op_count >= world->plan.commands;
    for (uint32_t i = 0; i < world->client_count; i++) {
        done_ = done_ && world->clients[i].op == NULL;
    }
    return done_;
}

void clients_ask_again(struct world *world)
{
    world->again_next = 0;
    world->again_end = world->op_count;
}

void clients_close(struct world *world)
{
    for (uint32_t i = 0; i < world->message_count; i++) {
        drop(world->messages[i].try);
    }
    world->message_count = 0;
}

/* --- Before anything goes wrong --- */

static const struct op *insist(struct world *world, struct op *op)
{
    struct client *client = &world->clients[0];
    client->op = op;
    client->waits = false;
    client->next_us = 0;
    while (client->op == op) {
        client_turn(world, 0);
        deliver(world);
        sim_turn(world, PW_US_PER_MS);
        if (sim_now(world) > START_US + 60 * PW_US_PER_SECOND) {
            sim_fail(world, "answered in the end", "op %u, before anything went wrong", op->number);
        }
    }
    return op;
}

void clients_furnish(struct world *world)
{
    world->calm = true; /* So that nobody gives up. */
    for (uint32_t tenant = 0; tenant < world->tenant_count; tenant++) {
        world->tenants[tenant] = sim_id(world, &world->random_commands);
        world->teachers[tenant] = sim_id(world, &world->random_commands);
        insist(world, op_tenant(world, tenant));
        for (int i = 0; i < 3; i++) {
            const struct op *draft = insist(world, op_draft(world, tenant));
            insist(world, op_publish(world, tenant, &draft->stream_id));
        }
        for (int i = 0; i < 4; i++) {
            insist(world, op_open(world, tenant, true));
        }
        insist(world, op_rules(world, tenant));
        insist(world, op_accounts(world, tenant));
        insist(world, op_register(world, tenant, true));
    }
    world->calm = false;
}
