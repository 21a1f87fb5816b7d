/* commands/engine_internal.h: what the engine's pages share. Nobody else includes it.
 *
 *   engine.c          the turn of the loop, jobs in, status out
 *   engine_queue.c    jobs wait in lanes, one a boundary, served in turn
 *   engine_decide.c   decide, encode, evolve, append
 *   engine_due.c      what time alone brings about
 *   engine_confirm.c  reports in, in order; confirm, resolve, step down
 *   engine_read.c     follow, read on, look up one record
 *   engine_lead.c     who leads: bids, claims, hand-over, clocks
 *   engine_snapshot.c going on from a snapshot, and writing them
 *
 * A partition in its phases (enum pw_phase):
 *
 *   FOLLOWING   reads on; when its turn comes, bids:              -> BIDDING
 *   BIDDING     its own leader record is accepted:                -> LEADING
 *   LEADING     its own hand-over to another node is accepted:    -> FOLLOWING
 *   BIDDING, LEADING
 *               a report does not fit, so the log is read on:     -> RESOLVING
 *   RESOLVING   its own records were found:                       -> where it was
 *   BIDDING, LEADING, RESOLVING
 *               an own record is void or not found, a foreign one
 *               accepted, an append failed, the clock is off:     -> FOLLOWING
 *   any         damaged, diverged, a setting wrong:               -> STOPPED
 *
 * In FOLLOWING nothing is in flight and the state is the confirmed one. In the others the state is
 * confirmed plus in flight, and the undo log leads back. The reader reads in FOLLOWING and
 * RESOLVING; in LEADING it looks one record up, or follows the log's tail while nothing is written,
 * so that a leader without work sees as well that another has taken its place. */
#ifndef PW_COMMANDS_ENGINE_INTERNAL_H
#define PW_COMMANDS_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "commands/due.h"
#include "commands/engine.h"
#include "commands/fold.h"
#include "commands/remembered.h"

#define PATIENCE_US (2 * PW_US_PER_SECOND) /* A job waits so long for somebody to lead. */
#define FLIGHT_PATIENCE_US                                                                         \
    (4200 * PW_US_PER_MS)                       /* A broker that hangs is replaced in 3 to 3.8 s. */
#define READ_PATIENCE_US  PW_US_PER_SECOND      /* Beyond that, for what a report left open. */
#define ANSWER_US         (4800 * PW_US_PER_MS) /* A job's whole wait, once it has been in flight. */
#define TURN_JOBS_MAX     64                    /* Of one boundary, before the next one's turn. */
#define STEP_JOBS_MAX     4096 /* Of one step, before reports are looked at again. */
#define STEP_EVENTS_MAX   8192
#define CLOCK_OFF_MAX_US  PW_US_PER_SECOND       /* From the broker's, to decide. */
#define CLOCK_BACK_MAX_US (2 * PW_US_PER_SECOND) /* Behind the last decision, to lead. */
#define CHECK_EVERY_US                                                                             \
    (10 * PW_US_PER_SECOND)                    /* Settings, when several partitions bid at once. \
                                                   */
#define VERIFY_EVERY_US   PW_US_PER_SECOND     /* The own head, while writing. */
#define RETRY_MIN_US      (100 * PW_US_PER_MS) /* After a failure of the log. */
#define RETRY_MAX_US      (5 * PW_US_PER_SECOND)
#define DEPOSED_MIN_US    PW_US_PER_SECOND /* After another node's bid. */
#define DEPOSED_MAX_US    (30 * PW_US_PER_SECOND)
#define RANK_US           (150 * PW_US_PER_MS)    /* For each node whose turn comes before. */
#define LOOK_EVERY_US     (50 * PW_US_PER_MS)     /* Whether the leader lives. */
#define LED_MIN_US        (10 * PW_US_PER_SECOND) /* Before it hands over to one that bids. */
#define REAP_EVERY_US     (20 * PW_US_PER_MS)     /* While a child writes. */
#define SNAPSHOT_RETRY_US (60 * PW_US_PER_SECOND)
#define NEVER             INT64_MAX

struct job_list {
    struct pw_job *first;
    struct pw_job *last;
};

/* The jobs of one boundary, in the order they came. */
struct lane {
    struct pw_id boundary_id;
    struct job_list jobs;
    struct lane *next;
};

/* A time before which something is not tried again; it doubles until it was not needed for long. */
struct back_off {
    int64_t wait_us;
    int64_t until_boot_us;
};

enum flight_kind { FLIGHT_DECISIONS, FLIGHT_BID, FLIGHT_HAND_OVER };

/* A record of ours that is not confirmed yet. */
struct flight {
    struct pw_hash hash;
    uint64_t height;
    int64_t decided_at_us;
    uint64_t undo_mark; /* Everything newer is this record's or later. */
    int64_t sent_boot_us;
    int64_t reported_offset;
    bool reported;
    enum flight_kind kind;
    struct job_list jobs;
    uint8_t *kept_value; /* Where the observer wants its events; else NULL. */
    size_t kept_bytes;
};

enum read_mode { READ_NOTHING, READ_FOLLOW, READ_RESOLVE, READ_LOOKUP, READ_VERIFY, READ_TAIL };

struct partition {
    struct pw_engine *engine;
    uint32_t number;
    enum pw_phase phase;
    struct pw_fold fold;
    struct pw_undo *undo;
    struct pw_remembered *remembered;
    struct pw_map *pending; /* Memory key -> struct pw_job * that is decided but not confirmed. */

    struct flight *flights; /* A ring; sequence numbers are the tags of appends. */
    uint64_t first_seq;
    uint64_t next_seq;
    uint64_t
        burst_end; /* What is decided in one turn of the loop is a burst; it ends before this. */
    struct pw_chain_point tip; /* Where the next record goes: after everything in flight. */
    int64_t last_decided_at_us;
    int64_t due_retry_boot_us; /* After something that was due could not be decided. */
    uint32_t turn_jobs;        /* Decided in the last turn. */

    enum read_mode read_mode;
    bool check_head;         /* The first record read must be the expected one. */
    int64_t expected_offset; /* The head as it was when the read began. */
    struct pw_hash expected_head;
    int64_t void_checked_at; /* The head that was checked because a void record came after it. */
    int64_t
        told_end; /* The last one that following, or the tail, has come to: markers of transactions are before it. */
    bool at_end;
    bool caught_up;
    int64_t resolve_target; /* Read up to this offset, or to the high watermark (-1). */
    uint64_t resolve_seq;   /* The flight whose report did not fit. */
    int64_t resolve_until_boot_us;
    struct job_list lookups; /* Repeats: position.offset is where their answer lies. */
    int64_t next_verify_boot_us;

    struct pw_map *lanes;    /* Boundary -> struct lane *. */
    struct lane *first_lane; /* Those with jobs, in turn. */
    struct lane *last_lane;
    struct job_list answers; /* Decided in this turn, not yet on a record. */
    uint32_t answer_count;
    size_t answer_bytes;

    uint8_t order[PW_NODES_MAX]; /* Of the nodes; rank 0 first. */
    uint32_t rank;               /* Ours. */
    char leader_node_id[PW_NODE_ID_BYTES_MAX + 1];
    struct pw_id leader_incarnation;
    bool leader_known;
    bool led_elsewhere;         /* By a node that is not known to be dead, when last asked. */
    int64_t next_look_boot_us;  /* Whether the leader lives. */
    int64_t free_since_boot_us; /* NEVER: somebody else leads, or that is not known yet. */
    struct back_off deposed;    /* Who lost a race or its place, or has a clock that is off. */
    struct back_off claim;      /* Who bid in vain although another led. */
    struct back_off retry;      /* The log, a clock or a setting was in the way. */
    bool is_claim;              /* The bid under way is one. */
    struct pw_hash own_bid;     /* The last one's hash. */
    int64_t led_since_boot_us;  /* NEVER: does not lead. */
    uint64_t led_height;        /* Of our leader record. */
    bool has_heir;              /* Decides no more; once nothing is in flight, hands over. */
    char heir_node_id[PW_NODE_ID_BYTES_MAX + 1];
    struct pw_id heir_incarnation;
    struct pw_err problem;

    bool restore_tried;
    uint64_t snapshot_height;      /* Of the newest snapshot that is known to be whole. */
    int64_t next_snapshot_boot_us; /* After a failure. */
    int64_t hush_boot_us; /* Since when nothing is decided, so that one can be taken; 0: it is. */

    bool dirty;                          /* The status is to be published. */
    struct pw_partition_status counters; /* Counts only; the rest is filled by publish. */
};

/* The process that writes a snapshot. One at a time. */
struct snapshot_child {
    pid_t pid;  /* 0: none. */
    int errors; /* What it has to say, if it fails. */
    struct partition *partition;
    uint64_t height;
    int64_t offset;
    int64_t since_boot_us;
};

struct pw_engine {
    struct pw_engine_config config;
    struct pw_ledger ledger;
    char node_id[PW_NODE_ID_BYTES_MAX + 1];
    struct partition *partitions;
    uint32_t partition_count;
    int32_t index_of[PW_PARTITIONS_MAX];
    int64_t wall_us; /* As of this step. */
    int64_t boot_us;
    bool down;         /* The log told that it is out of reach. */
    bool renew_wanted; /* An append failed: the producer is to be made anew. */
    bool bids_no_more; /* It is stopping, or never leads. */
    int64_t checked_boot_us;
    struct snapshot_child child;
    int64_t child_rests_until_boot_us; /* It has taken its share of the time. */

    /* The broker's clock by the last delivery report. */
    bool broker_known;
    int64_t broker_at_us;
    int64_t broker_sent_boot_us;
    int64_t broker_reported_boot_us;

    struct pw_buffer value;
    struct pw_arena arena;
    struct lane *free_lanes;
    struct pw_answer *answers_scratch;
    struct pw_decision decision;

    atomic_uint queued_count; /* Submitted or in lanes; grows under the lock. */
    atomic_bool kick_wanted;  /* Jobs were submitted, and nobody woke the engine for them. */
    pthread_mutex_t lock;     /* Guards what follows. */
    struct job_list submitted;
    bool stopping;
    bool idle;
    struct pw_partition_status *statuses;
};

/* engine.c */
void engine_log(struct partition *partition, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* engine_queue.c */
void list_push(struct job_list *list, struct pw_job *job);
void list_push_front(struct job_list *list, struct pw_job *job);
struct pw_job *list_pop(struct job_list *list);
void queue_push(struct partition *partition, struct pw_job *job);
void queue_push_front(struct partition *partition, struct pw_job *job);
struct lane *
queue_next_lane(struct partition *partition); /* Takes it out of the turn; give it back. */
void queue_give_back(struct partition *partition, struct lane *lane);
void queue_expire(struct partition *partition, bool all);
void job_finish(struct partition *partition,
                struct pw_job *job); /* done, for it and its waiters. */
void job_turn_away(struct partition *partition, struct pw_job *job, enum pw_code code,
                   const char *detail);
void job_refuse_key(struct partition *partition, struct pw_job *job); /* KEY_REUSED. */
/* Back in front of its queue, to be decided anew; a deadline's is dropped: it is found again in the state. */
void job_put_back(struct partition *partition, struct pw_job *job);

/* engine_decide.c */
void decide_turns(struct partition *partition);
bool decide_has_room(const struct partition *partition);
/* Whether so many more records may be in flight, beside what a decision under way may need. */
bool decide_fits(const struct partition *partition, uint32_t records);
/* When the next decision is made. */
int64_t decide_at_us(const struct partition *partition);
/* Decides on the state as it is. False when the log took no more: the job was put back. */
bool decide_job(struct partition *partition, struct pw_job *job, int64_t at_us);
struct flight *flight_push(struct partition *partition, struct pw_str key_text, uint64_t undo_mark,
                           int64_t decided_at_us);

/* engine_due.c */
/* Writes what is due and bears on the job's decision. False when there is no room for it, or the log took no more. */
bool due_before(struct partition *partition, const struct pw_job *job);
/* Writes some of what is due by now. */
void due_turn(struct partition *partition);
/* When something is due, while this node leads. */
int64_t due_boot_us(const struct partition *partition);

/* engine_confirm.c */
void confirm_reports(struct partition *partition);
void confirm_delivered(struct partition *partition, const struct pw_ledger_event *event);
void resolve_record(struct partition *partition, const struct pw_ledger_event *event);
void resolve_end(struct partition *partition);
enum step_down_why { DOWN_DEPOSED, DOWN_HANDED_OVER, DOWN_FAILED, DOWN_CLOCK };
void step_down(struct partition *partition, enum step_down_why why, const char *text);

/* engine_read.c */
void read_start(struct partition *partition, enum read_mode mode);
void read_stop(struct partition *partition);
void read_record(struct partition *partition, const struct pw_ledger_event *event);
void read_end(struct partition *partition, const struct pw_ledger_event *event);
void read_lost(struct partition *partition, const struct pw_ledger_event *event);
void read_follow_record(struct partition *partition, const struct pw_ledger_event *event);
void lookup_next(struct partition *partition);
void lookups_give_back(struct partition *partition);
void partition_stop(struct partition *partition, enum pw_code code, const char *detail);
void observe_value(struct partition *partition, const uint8_t *value, size_t bytes);

/* engine_lead.c */
void lead_init(struct partition *partition);
void lead_timers(struct partition *partition);
void lead_confirmed(struct partition *partition);
void lead_handed_over(struct partition *partition);
void lead_folded(struct partition *partition, const struct pw_leader *leader);
void lead_saw_void(struct partition *partition, const struct pw_ledger_event *event);
void lead_back_off(struct partition *partition, enum step_down_why why);
bool lead_clock_good(struct pw_engine *engine);
int64_t lead_due_boot_us(const struct partition *partition);
int64_t lead_flight_due_boot_us(
    const struct partition *partition); /* When the oldest record in flight is given up. */

/* engine_snapshot.c */
/* Once it is known whose log this is. True: reading was stopped, and is to begin at the head. */
bool snapshot_restore(struct partition *partition);
bool snapshot_turn(struct partition *partition); /* True: nothing is to be decided just now. */
void snapshot_reap(struct pw_engine *engine);
int64_t snapshot_due_boot_us(const struct pw_engine *engine);
void snapshot_close(
    struct pw_engine *engine); /* Ends the child that writes one, if there is one. */

static inline struct flight *flight_at(struct partition *partition, uint64_t seq)
{
    return &partition->flights[seq % PW_IN_FLIGHT_MAX];
}

static inline uint64_t flight_count(const struct partition *partition)
{
    return partition->next_seq - partition->first_seq;
}

#endif
