/* integration/sim/sim.h: a whole ProctorWise in one thread, under faults, out of one seed.
 *
 * Contract  A run is a function of its plan: seed, number of commands, faults that are left out. Nothing
 *           in it reads a real clock or anything random. Engines, deciders, snapshots and workers are
 *           the real ones; the ledger is eventstore/sim.h, the read models lie in store.c, and peers,
 *           forwarding and clients are doubles of what api/ does.
 * Pages     run.c      a run from start to verdict, and the turn of the world
 *           nodes.c    processes: engine and workers, what they know of each other
 *           tap.c      between engine and ledger: what was appended, and what became of it
 *           clients.c  clients, and the network between them and the nodes
 *           commands.c what they ask for; commands_exams.c, about exams and items; commands_people.c, about accounts
 *           keys.c     the keys of personal data: each node's part in making, using and destroying them; keys_judge.c
 *           faults.c   what goes wrong, and when
 *           store.c    the read models, in a cluster that loses and lies
 *           judge.c    what must hold, held against the log alone, and the rules of the domain by commands/tests/model.h
 *           main.c     campaigns: many seeds, two processes, shortening what failed
 * Errors    What must not be is told by sim_fail, which ends the process with the rule's name. */
#ifndef PW_INTEGRATION_SIM_SIM_H
#define PW_INTEGRATION_SIM_SIM_H

#include "commands/engine.h"
#include "commands/tests/model.h"
#include "eventstore/sim.h"
#include "projections/worker.h"

#define NODES_MAX      4
#define PARTITIONS_MAX 4
#define WORKERS_MAX    8 /* One a read model. */
#define TENANTS_MAX    MODEL_TENANTS_MAX
#define CLIENTS_MAX    32
#define OPS_MAX        6000
#define MESSAGES_MAX   512
#define IDS_MAX        1024
#define ACCOUNTS_MAX   512
#define DEVICES_MAX    1024
#define LIST_BYTES_MAX 80 /* Of the list that a command has. */
#define SEALED_MAX     64 /* Bytes of a name or an address, sealed. */
#define START_US       INT64_C(1800000000000000)

enum fault {
#define SIM_FAULT(name, text) FAULT_##name,
#include "integration/sim/words.def"
    FAULT_COUNT
};

enum effect {
#define SIM_EFFECT(name, text) EFFECT_##name,
#include "integration/sim/words.def"
    EFFECT_COUNT
};

struct plan {
    uint64_t seed;
    uint32_t commands;
    uint32_t without; /* Bit 1 << enum fault. */
    bool trace;
};

/* What a run adds to its campaign. */
struct tally {
    uint64_t effects[EFFECT_COUNT];
    uint64_t commands;
    uint64_t accepted;
    uint64_t refused;
    uint64_t unknown; /* The client gave up, or was turned away. */
    uint64_t simulated_us;
};

struct world;
struct store;
struct tap;
struct keys;
struct node_keys;
struct op;

/* What one node last heard of another. */
struct view {
    enum pw_liveness liveness;
    struct pw_id incarnation;
    bool stands_by;
    bool leads[PARTITIONS_MAX];
    uint32_t missed_count[PARTITIONS_MAX];
    uint32_t timed_out_count;
    int64_t next_us;
};

struct sim_worker {
    struct node *node;
    const struct pw_projection *projection;
    struct pw_worker *worker; /* NULL: not run by this node, or not running now. */
    int64_t next_us;
};

struct node {
    struct world *world;
    uint32_t number;
    struct pw_engine *engine; /* NULL: not running. */
    struct tap *tap;          /* The engine's; good while the engine is. */
    char name[16];
    struct pw_id incarnation;
    struct node_keys *keys;
    struct sim_worker workers[WORKERS_MAX];
    char snapshots_dir[80];
    int64_t skew_us; /* Of its wall clock. */
    int64_t paused_until_us;
    int64_t due_us;
    int64_t restart_us; /* While it does not run. */
    bool woken;
    bool stopping;
    bool cut_from[NODES_MAX]; /* It hears nothing of that node. */
    struct view views[NODES_MAX];
    struct pw_partition_status statuses[PARTITIONS_MAX];
};

/* A client's command. Its number stands in its id, so that the log leads back here. */
struct op {
    struct pw_job request; /* As the client fills it; copied for each try. */
    uint32_t number;
    uint32_t tenant;
    uint32_t tries;
    uint32_t twin;         /* The op whose key this one uses again, or its own number. */
    int64_t first_sent_us; /* 0: not yet. */
    int64_t log_end;       /* Of its partition, when it was first sent. */
    bool settled;          /* The client knows: a yes, a refusal, or that it was turned away. */
    uint8_t list[LIST_BYTES_MAX];
    char password[24]; /* What the one that it sets comes to, hashed and sealed. */
    bool answered;     /* A node has said yes or no, heard or not: what follows is that. */
    struct pw_err answer;
    struct pw_id stream_id;
    uint32_t stream_version;
    struct pw_position position;

    /* By the log. */
    uint32_t decided_count;
    int64_t decided_offset;
    enum pw_code decided_code;
    uint8_t decided_head[4];
    struct pw_id decided_stream_id;
    uint32_t decided_version;
    uint32_t key_count; /* Decisions under its key, whatever they were about. */
};

struct client {
    struct op *op; /* NULL: it thinks. */
    int64_t next_us;
    bool waits; /* For an answer, until next_us. */
    uint32_t try_number;
};

/* On its way between a client and a node, or between two nodes. */
struct message {
    int64_t due_us;
    uint64_t order;
    struct try *try;
    bool is_answer;
};

struct ids {
    struct pw_id ids[IDS_MAX];
    uint32_t count;
};

/* What clients know of people: who there is, and which op set what is good now. */
struct account {
    struct pw_id id;
    const struct op *password_by; /* NULL: none is known. */
    uint32_t token_by;
};

struct accounts {
    struct account list[ACCOUNTS_MAX];
    uint32_t count;
};

/* A session, as who opened it knows it. */
struct device {
    struct pw_id id;
    struct pw_id user_id;
    uint32_t version;
};

struct devices {
    struct device list[DEVICES_MAX];
    uint32_t count;
};

struct world {
    struct plan plan;
    struct tally *tally;
    struct pw_sim_log *log;
    int64_t now_us; /* As the log has it. */
    struct pw_id ledger_id;
    struct store *store;
    struct keys *keys;
    struct appends *appends;
    uint64_t random_commands; /* Each part draws from a stream of its own. */
    uint64_t random_faults;
    uint64_t random_turn;
    uint64_t random_net;
    uint64_t random_keys;
    uint32_t rates[FAULT_COUNT]; /* In 1/1000; 0: this run does not have it. */
    struct pw_sim_faults log_faults;
    uint32_t node_count;
    uint32_t partition_count;
    int64_t horizon_us;
    bool calm; /* Nothing goes wrong any more. */
    bool is_down;
    bool loses_at_rest; /* The read models lose something once more, when nothing comes. */
    int64_t down_until_us;
    int64_t lags_until_us[PARTITIONS_MAX]; /* By partition: its end is shown short; 0: it is not. */
    int64_t lull_until_us;
    struct pw_ranks ranks;
    struct node nodes[NODES_MAX];
    struct client clients[CLIENTS_MAX];
    uint32_t client_count;
    int64_t think_us_max;
    struct op *ops;
    uint32_t op_count;
    struct message messages[MESSAGES_MAX];
    uint32_t message_count;
    uint64_t message_order;
    uint32_t open_tries;
    uint32_t again_next; /* Up to again_end: what is asked once more. */
    uint32_t again_end;
    bool is_replaced; /* The log is not any more what it was. */
    struct pw_id tenants[TENANTS_MAX];
    struct pw_id teachers[TENANTS_MAX];
    struct ids exams[TENANTS_MAX];
    struct ids items[TENANTS_MAX];
    struct ids slots[TENANTS_MAX];
    struct ids reservations[TENANTS_MAX];
    struct ids owners[TENANTS_MAX]; /* Of these reservations, */
    struct ids asked[TENANTS_MAX];  /* and the slots that they were asked for. */
    struct ids won[TENANTS_MAX];    /* Those of them that were gained by an offer. */
    struct ids marked[TENANTS_MAX]; /* Those of them that were marked: who came, and who did not. */
    struct ids accommodations[TENANTS_MAX];
    struct accounts accounts[TENANTS_MAX];
    struct devices devices[TENANTS_MAX];
    uint32_t tenant_count;
    uint32_t student_count;
    uint64_t leader_moments; /* Partitions that had two leaders at the last look, as bits. */
};

/* run.c */
void sim_run(const struct plan *plan, struct tally *tally);
_Noreturn void sim_fail(const struct world *world, const char *rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void sim_trace(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
uint64_t sim_draw(uint64_t *random, uint64_t below); /* below 0: all 64 bits. */
bool sim_chance(uint64_t *random, uint32_t per_mille);
struct pw_id sim_id(struct world *world, uint64_t *random);
int64_t sim_now(const struct world *world);
void sim_turn(struct world *world, int64_t us); /* Moves time, and whoever has something to do. */
void sim_effect(struct world *world, enum effect effect, uint64_t count);
extern const char *const sim_fault_names[FAULT_COUNT];
extern const char *const sim_effect_names[EFFECT_COUNT];

/* nodes.c */
void nodes_open(struct world *world);
void nodes_close(struct world *world);
void node_start(struct node *node);
void node_crash(struct node *node);
void node_stop(struct node *node); /* In good order. */
void nodes_turn(struct world *world);
struct node *nodes_leader(struct world *world, uint32_t partition); /* NULL: none, or several. */
void nodes_settle(struct world *world); /* Runs until every node has everything, or fails. */

/* tap.c */
struct append {
    struct pw_hash hash;
    uint32_t partition;
    uint32_t node;
    uint64_t handle;
    uint64_t tag;
    int64_t sent_us;
    int64_t given_up_us; /* INT64_MAX: never. */
    int64_t reported_offset;
    bool reported;
    bool failed;
    int64_t landed_offset; /* -1: not, as far as the judge has read. */
};
struct appends *appends_new(void);
void appends_free(struct appends *appends);
struct append *appends_find(struct appends *appends, const struct pw_hash *hash);
struct append *appends_all(struct appends *appends, uint32_t *ret_count);
struct pw_ledger tap_open(struct node *node, const struct pw_ledger *inner);
/* The node has stepped down: what it has in flight is given up. */
void tap_give_up(struct node *node, uint32_t partition);

/* clients.c */
void clients_furnish(struct world *world); /* Tenants, exams, slots; before anything goes wrong. */
void clients_turn(struct world *world);
bool clients_done(const struct world *world); /* Every command was sent, and is settled. */
void clients_ask_again(struct world *world);  /* Each once more, under its key. */
void clients_close(struct world *world);

/* commands.c */
struct op *op_new(struct world *world, uint32_t tenant, enum pw_command_type type,
                  struct pw_id actor, enum pw_role role);
struct op *op_seal(struct op *op); /* It is complete: gives it its fingerprint. */
struct op *op_any(struct world *world);
struct op *op_tenant(struct world *world, uint32_t tenant);
struct op *op_open(struct world *world, uint32_t tenant, bool is_first);
struct op *op_rules(struct world *world, uint32_t tenant);
void op_make_ids(struct world *world, struct pw_job *job); /* As the shell does, at each try. */
void op_learn(struct world *world, const struct op *op);   /* What a yes was about. */
uint32_t op_number_of(const struct pw_id *command_id);

/* One that is there, or now and then one that is not. */
struct pw_id op_any_of(struct world *world, const struct ids *ids);

/* commands_exams.c */
struct op *op_draft(struct world *world, uint32_t tenant);
struct op *op_publish(struct world *world, uint32_t tenant, const struct pw_id *exam);
struct op *op_withdraw(struct world *world, uint32_t tenant);
struct op *op_exam(struct world *world, uint32_t tenant);
struct op *op_bank(struct world *world, uint32_t tenant); /* About items, and who asks them. */

/* commands_people.c */
struct op *op_people(struct world *world, uint32_t tenant);
struct op *op_accounts(struct world *world, uint32_t tenant);
struct op *op_register(struct world *world, uint32_t tenant, bool is_first);
void op_learn_people(struct world *world, const struct op *op);

/* keys.c */
struct sealed {
    uint8_t email[SEALED_MAX];
    uint8_t name[SEALED_MAX];
};
struct keys *keys_new(struct world *world);
void keys_free(struct keys *keys);
void keys_start(struct node *node, struct pw_engine_observer *ret_observer);
void keys_end(struct node *node);
void keys_turn(struct node *node);
bool keys_are_wanted(const struct pw_job *job);
/* What the shell does before the queue: a key that is on record, and what is sealed under it. Anything but
 * PW_OK: the client is told to come again. */
enum pw_code keys_prepare(struct node *node, struct pw_job *job, struct sealed *sealed);
void keys_strike(struct world *world); /* The log of keys, in a turn of the storm. */
void keys_clean(struct world *world);  /* The cleaner comes. */
void keys_land(struct world *world);   /* Nothing is under way any more. */
void keys_rotate(struct world *world); /* An operator has every key wrapped anew. */
bool keys_are_settled(const struct node *node);

/* keys_judge.c: what the ledger says of keys, then whether the log of keys holds to it. */
void keys_begin(struct world *world);
void keys_saw(struct world *world, const struct pw_id *tenant_id, const struct pw_event *event,
              const struct op *op);
void keys_judge(struct world *world, bool counts);

/* faults.c */
void faults_choose(struct world *world);
void faults_turn(struct world *world);
void faults_end(struct world *world);
void faults_tear(struct world *world, struct node *node);
void faults_replace_log(struct world *world); /* And sees that everybody sees it. */

/* store.c */
struct store *store_new(struct world *world);
void store_free(struct store *store);
void store_lose(struct store *store); /* The newest transactions, and nobody is told. */
struct pw_storage store_session(struct store *store);
struct pw_stored_position store_position(struct store *store, const char *projection,
                                         uint32_t partition);

/* A row as it stands there, NULL: none. */
const struct pw_batch_row *store_row(const struct store *store, uint32_t number);
uint32_t store_row_count(const struct store *store); /* Of numbers. */
const struct pw_batch_row *store_find(struct store *store, const struct pw_batch_row *like);
void store_put(struct store *store,
               const struct pw_batch_row *row); /* At once, whatever is there. */

/* judge.c */
void judge(struct world *world, bool counts); /* counts: what faults and answers came to. */

#endif
