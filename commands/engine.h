/* commands/engine.h: the shell around the deciders: lead partitions, decide, confirm, answer.
 *
 * Contract  An engine owns some partitions of one ledger and one handle on it. A job is one
 *           command; it is answered exactly once, by job->done: with what is confirmed on record
 *           (yes, or a refusal of the tables), or with what is turned away (COMMAND_ID_TOO_OLD,
 *           COMMAND_ID_FROM_FUTURE, KEY_REUSED), or with what is not known (NO_LEADER,
 *           OUTCOME_UNKNOWN, CLOCK_OFF, STOPPING, LEDGER_DOWN, LEDGER_DAMAGED, LEDGER_DIVERGED):
 *           then the same command id asks again. Leadership is for speed only: any number of
 *           engines may believe that they lead the same partition, and nothing wrong is accepted.
 * Owner     A submitted job belongs to the engine until done is called; then to the submitter
 *           again, who may free it there.
 * Units     *_us: microseconds. Wall time decides, boot time (CLOCK_BOOTTIME) only measures.
 * Threads   pw_engine_submit, pw_engine_kick, pw_engine_stop and pw_engine_status from any thread;
 *           step from the one that runs the engine. done and the observer are called there: they
 *           must be quick and must not call step. */
#ifndef PW_COMMANDS_ENGINE_H
#define PW_COMMANDS_ENGINE_H

#include "commands/decide.h"
#include "commands/ranks.h"
#include "eventstore/chain.h"
#include "eventstore/ledger.h"

#define PW_IN_FLIGHT_MAX 8192  /* Records of one partition that are not confirmed yet. */
#define PW_QUEUE_MAX     65536 /* Jobs of one engine that are not decided yet. */
#define PW_DUE_MAX       64
#define PW_DUE_SHARE                                                                               \
    4 /* While somebody asks, one part in so many of that, or of the jobs of the turn before. */
#define PW_KEY_AHEAD_MAX_US (5 * PW_US_PER_MINUTE)

struct pw_clock {
    void *self;
    int64_t (*wall_us)(void *self);
    int64_t (*boot_us)(void *self);
};

/* The clocks of this machine. */
struct pw_clock pw_clock_system(void);

/* What is known of another node. */
enum pw_liveness { PW_PEER_UNKNOWN, PW_PEER_ALIVE, PW_PEER_DEAD };

struct pw_peers {
    void *self;
    /* Is the node with that id and incarnation up, and does it say that it leads this partition?
     * UNKNOWN: not asked long enough yet; the engine waits. */
    enum pw_liveness (*leads)(void *self, struct pw_str node_id, const struct pw_id *incarnation,
                              uint32_t partition);
    /* Is the node with that id up and ready to lead, and as which incarnation? */
    bool (*stands_by)(void *self, struct pw_str node_id, struct pw_id *ret_incarnation);
};

/* Whether what the ledger rests on is set as it must be, asked before each lead; must not wait.
 * check NULL: the ledger itself is asked, which may take seconds. */
struct pw_ledger_checks {
    void *self;
    enum pw_code (*check)(void *self, struct pw_err *err);
};

/* Told of each confirmed event of the types asked for, in order, while replaying and while leading; `at`: partition and offset of its record.
 */
struct pw_engine_observer {
    void *self;
    struct pw_event_set event_types; /* What it is told of. */
    void (*event)(void *self, const struct pw_position *at, const struct pw_id *boundary_id,
                  const struct pw_event *event);

    /* Told in place of the events that a snapshot stands for: the state that they made. Or NULL. */
    void (*restored)(void *self, const struct pw_state *state);
};

/* Where and when snapshots are written (docs/snapshots.md). A child process writes them, so that
 * the leader pauses only to fork; it ends when the thread that steps does. */
struct pw_engine_snapshots {
    const char *dir;       /* NULL: none are read or written. Outlives the engine. */
    uint64_t every;        /* Accepted records of a partition. */
    bool without_children; /* Written in place: for tests, and whoever simulates time. */
};

struct pw_job {
    /* The request. */
    struct pw_command command; /* Made and derived fields filled. */
    struct pw_id boundary_id;
    struct pw_id command_id;
    struct pw_id actor_id;
    struct pw_id correlation_id;
    enum pw_role role;
    struct pw_fingerprint fingerprint;
    int64_t if_match; /* -1: none. */
    bool
        is_question; /* Whether it is a repeat: answered as one, or turned away (NOT_FOUND) and not decided. */

    /* The answer. */
    struct pw_err err;      /* err.code is PW_OK for a yes. */
    struct pw_id stream_id; /* Nil where no stream is meant. */
    uint32_t stream_version;
    struct pw_position
        position;  /* Of the record that holds the decision; offset -1 where there is none. */
    bool replayed; /* The decision is an earlier one. */
    /* With NO_LEADER: the node that leads instead, as far as known; else empty. */
    char led_by[PW_NODE_ID_BYTES_MAX + 1];
    void (*done)(struct pw_job *job);

    /* The engine's own. */
    struct pw_job *next;
    struct pw_job *waiters; /* Repeats of this command id that wait for it. */
    int64_t decided_at_us;
    int64_t submitted_boot_us;
    int64_t give_up_boot_us; /* Undecided until then: answered 503. */
    bool was_in_flight;      /* It was decided, but that was put back: it may be on record. */
    bool is_due;             /* The engine's own: a deadline's. */
    struct pw_id memory_key;
};

struct pw_engine;

struct pw_engine_config {
    struct pw_ledger ledger;    /* Taken over: closed with the engine. */
    const uint32_t *partitions; /* Those that this engine stands by for; borrowed for the call. */
    uint32_t partition_count;
    const char *node_id;      /* Outlives the engine. */
    struct pw_id incarnation; /* Random, per process start. */
    struct pw_clock clock;
    const struct pw_ranks *nodes; /* All that write to this ledger, this one among them; outlives
                                     the engine. NULL: this one alone. */
    struct pw_peers peers;
    struct pw_ledger_checks checks;
    struct pw_engine_observer observer;
    bool never_leads;   /* It follows, and answers jobs NO_LEADER. */
    uint32_t queue_max; /* Jobs that are not decided yet; 0: PW_QUEUE_MAX. */
    uint32_t
        due_max; /* Deadlines of a step that bear on no job's decision, while there is none; 0: PW_DUE_MAX. */
    struct pw_engine_snapshots snapshots;
    struct pw_ledger_wake wake; /* Called when step has something to do: from submit and stop. */
    void (*log)(void *self, const char *level, uint32_t partition, const char *text); /* Or NULL. */
    void *log_self;
};

enum pw_phase {
    PW_PHASE_FOLLOWING, /* Reads on; waits to bid. */
    PW_PHASE_BIDDING,   /* Its leader record is under way. */
    PW_PHASE_LEADING,
    PW_PHASE_RESOLVING, /* Leads, but a report did not fit: reads on before it decides further. */
    PW_PHASE_STOPPED    /* The ledger cannot be taken further; only a person starts it again. */
};

struct pw_partition_status {
    uint32_t partition;
    enum pw_phase phase;
    bool leads;                  /* LEADING, or RESOLVING in the middle of it. */
    bool caught_up;              /* Has read to the end once. */
    struct pw_position position; /* Confirmed. */
    int64_t next_offset; /* Everything before it was read, or is this node's own and confirmed. */
    uint64_t height;
    /* By the last accepted leader record; empty where there is none. */
    char leader_node_id[PW_NODE_ID_BYTES_MAX + 1];
    struct pw_id leader_incarnation;
    struct pw_err problem; /* Why it is stopped, or does not lead. */
    uint64_t decided_yes_count;
    uint64_t decided_no_count;
    uint64_t replayed_count;
    uint64_t void_count;
    uint64_t bid_count;
    uint64_t step_down_count; /* Ends of leading, hand-overs included. */
    uint64_t hand_over_count;
    uint64_t undone_count; /* Records in flight that a step-down put back. */
    uint32_t in_flight_count;
    int64_t restored_offset; /* Of the snapshot that it went on from; -1: of none. */
    int64_t snapshot_offset; /* Of the newest that is known to be whole; -1: none. */
    uint64_t snapshot_count; /* Written. */
    uint64_t snapshot_failed_count;
    int64_t snapshot_pause_us_max; /* How long deciding stood still for one. */
};

/* Takes the config's ledger over and begins to read. NULL with err set: the ledger handle is
 * closed. */
struct pw_engine *pw_engine_new(const struct pw_engine_config *config, struct pw_err *err);

/* One turn: takes in reports and jobs, decides, appends, answers. Never waits. Gives the time in
 * microseconds of boot time until it wants to be called again even if nothing wakes it. */
int64_t pw_engine_step(struct pw_engine *engine);

/* PW_OK: the job will be answered. Otherwise (QUEUE_FULL, STOPPING) it is still the caller's. The
 * engine is woken by pw_engine_kick: once for all jobs that come together, so that they are decided
 * together. */
enum pw_code pw_engine_submit(struct pw_engine *engine, struct pw_job *job);
void pw_engine_kick(
    struct pw_engine *engine); /* Nothing where nobody has submitted since the last. */

/* Takes no more jobs; those taken are decided and answered, then every partition that it leads is
 * handed over to the next rank that stands by, if there is one. pw_engine_idle: nothing is queued, in
 * flight or to be handed over any more. */
void pw_engine_stop(struct pw_engine *engine);
bool pw_engine_idle(struct pw_engine *engine);

/* Writes a snapshot of each partition that has moved since the last one and has nothing in flight.
 * Returns when they are written: for a stop, once the engine is idle. From the thread that steps. */
void pw_engine_save_snapshots(struct pw_engine *engine);

/* Answers what is left (STOPPING, OUTCOME_UNKNOWN) and frees everything. */
void pw_engine_free(struct pw_engine *engine);

/* Copies the state of the engine's i-th partition. */
void pw_engine_status(struct pw_engine *engine, uint32_t i, struct pw_partition_status *ret_status);

/* The confirmed state's canonical serialisation; only from the thread that steps, with nothing in
 * flight. False otherwise. */
bool pw_engine_serialise(struct pw_engine *engine, uint32_t i, struct pw_buffer *buffer);

/* 16 bytes of HMAC-SHA-256 under the ledger's secret over route, boundary id, actor id, If-Match
 * and the client's fields. */
struct pw_fingerprint pw_fingerprint_of(const uint8_t *secret, size_t secret_bytes,
                                        const struct pw_job *job);

#endif
