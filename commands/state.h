/* commands/state.h: the folded state of one partition: its tenants with their exams, slots,
 * reservations and calendars.
 *
 * Contract  evolve applies one accepted event; it never refuses and knows no clock. An event that
 *           does not fit the state (a seat in a slot that does not exist) is a damaged ledger:
 *           LEDGER_DAMAGED, and the state is not to be used further. Whatever evolve takes leaves
 *           a state from which every decision gives events that evolve takes. Two states that
 *           were folded from the same events serialise to the same bytes, whatever way they came
 *           (replay, or live with step-downs between).
 * Owner     The state owns its memory. Pointers that it gives live until the next evolve or undo;
 *           those to tenants as long as the tenant is there.
 * Units     *_at_us: microseconds since 1970. *_minutes: at most PW_MINUTES_MAX, so that sums of
 *           moments and durations stay far inside 64 bits.
 * Threads   One owner.
 */
#ifndef PW_COMMANDS_STATE_H
#define PW_COMMANDS_STATE_H

#include "commands/map.h"
#include "schemas/schema.h"
#include "schemas/wire.h"

#define PW_ISSUERS_MAX  16
#define PW_SESSIONS_MAX 8 /* Live ones of one person; a further one ends the oldest. */
#define PW_REMINDER_US                                                                             \
    (24 * 60 * PW_US_PER_MINUTE) /* So long before its start students are reminded of an exam. */
#define PW_MINUTES_MAX                                                                             \
    100000 /* A duration, lead time or buffer of an event above this is damage. */

struct pw_issuer {
    char name[PW_TEXT_BYTES_MAX];
    uint32_t name_bytes;
    struct pw_hash public_key;
};

/* An item of the bank. */
struct pw_item {
    struct pw_id owner_id;
    uint32_t version;       /* Of the stream. */
    uint32_t newest_number; /* Of its versions, from 1. */
    uint32_t is_retired;
};

/* A version of an item, as far as decisions need it; its texts stand in the events only. */
struct pw_item_version {
    struct pw_id item_id;
    struct pw_hash
        content_hash; /* As schemas/item.def defines it: with the key that it came with. */
    struct pw_hash first_answers_hash; /* Of that, */
    struct pw_hash answers_hash;       /* and of the key as it is now. */
    uint32_t number;
    uint32_t key_number; /* 1: what it came with. */
    uint32_t kind;
    uint32_t scoring;
    uint32_t choice_count;
    uint32_t maximum_mark;
    uint32_t penalty_max;
};

/* What a version of an exam is. Decisions need no titles; the read models get them from here, since they read no row. */
struct pw_exam_content {
    char title[PW_TEXT_BYTES_MAX];
    uint32_t title_bytes;
    uint32_t duration_minutes;
    uint32_t lead_time_minutes;
    uint32_t buffer_minutes;
    uint32_t item_count;       /* 0: no item is bound, and the two below are zero. */
    uint32_t maximum_mark;     /* The sum of theirs. */
    struct pw_hash items_hash; /* Of the list of what is bound; that itself stands in its event. */
    struct pw_hash hash;       /* Of all that, as schemas/exam.def defines it. */
};

struct pw_exam {
    struct pw_id owner_id;
    uint32_t version;          /* Of the stream. */
    uint32_t published_number; /* 0: none, and `published` is zero. */
    uint32_t is_withdrawn;
    struct pw_exam_content draft;
    struct pw_exam_content published;
};

/* The numbers are for ever: read models have them. */
enum pw_slot_state {
    PW_SLOT_OPEN = 1,
    PW_SLOT_CLOSED,
    PW_SLOT_CANCELLED,
    PW_SLOT_WITHDRAWN /* It counts as cancelled, by its exam; its own record of that is to come. */
};

struct pw_slot {
    struct pw_id exam_id;
    uint32_t version;
    uint32_t state;         /* enum pw_slot_state */
    uint32_t cancel_reason; /* enum pw_reason, of one that is cancelled, or withdrawn. */
    uint32_t exam_version;
    int64_t starts_at_us;
    int64_t ends_at_us;
    uint32_t lead_time_minutes;
    uint32_t buffer_minutes;
    uint32_t capacity;
    uint32_t taken_count;  /* Folded from reservations: those that have a seat. */
    uint32_t joined_count; /* Everybody who ever waited. */
    uint32_t waitlist_closed;
    uint32_t open_count;     /* Folded likewise: those that may still become something. */
    uint32_t waiting_count;  /* Those of them that wait, */
    uint32_t held_count;     /* whose seat is held, */
    uint32_t offered_count;  /* or offered. */
    uint32_t attended_count; /* Those that were marked: who came, */
    uint32_t no_show_count;  /* and who did not. */
    struct pw_id
        newest_id; /* The chain of those that began here (of_slot_next_id), newest first. Of a cancelled slot: from an open one on. */
    struct pw_id moved;     /* The order of the open ones that were moved here: its root. */
    int64_t hard_end_at_us; /* Nobody sits longer; 0: there is no such end. */
    struct pw_id
        expiring; /* The order of its held and offered reservations by when they run out: its root. */
    struct pw_id waiting;   /* That of those who wait, by priority, then by turn. */
    int64_t reminds_at_us;  /* Who has a seat then is told that the exam is near; 0: nobody is. */
    uint32_t is_reminded;   /* That moment has come. */
    struct pw_id untold_id; /* Of those who are to be told: the first who began here, */
    struct pw_id untold_moved_id; /* and the first who was moved here; nil: none. */
};

/* Who proctors a slot. */
struct pw_assignment {
    struct pw_id slot_id;
    struct pw_id proctor_id;
};

enum pw_user_state { PW_USER_ACTIVE = 1, PW_USER_DEACTIVATED, PW_USER_ERASED };

/* A person. What is personal stands in the events only, sealed; decisions need the address's tag. */
struct pw_user {
    struct pw_id key_id;
    struct pw_hash email_tag; /* Of one that was erased: zeros. */
    struct pw_hash reset_token_hash;
    int64_t reset_expires_at_us;   /* 0: there is no token. */
    struct pw_id first_session_id; /* The live sessions, newest first; nil: none. */
    uint32_t version;
    uint32_t roles; /* Bits, PW_ROLE(...). */
    uint32_t state; /* enum pw_user_state */
};

#define PW_SEALED_PASSWORD_BYTES_MAX 192

struct pw_password {
    uint32_t bytes;
    uint8_t sealed[PW_SEALED_PASSWORD_BYTES_MAX];
};

/* A session that lives; one that has ended is forgotten. */
struct pw_session {
    struct pw_id user_id;
    struct pw_id next_id; /* The person's next older session, or nil. */
    int64_t refreshed_at_us;
    int64_t expires_at_us;
    int64_t ends_at_us;
    uint32_t version;
};

/* The numbers are for ever: read models have them. */
enum pw_reservation_state {
    PW_RESERVATION_CONFIRMED = 1,
    PW_RESERVATION_GIVEN_BACK, /* Cancelled. */
    PW_RESERVATION_ON_HOLD,
    PW_RESERVATION_RUN_OUT, /* Its hold has expired. */
    PW_RESERVATION_WAITING,
    PW_RESERVATION_LEFT,
    PW_RESERVATION_ON_OFFER,
    PW_RESERVATION_TURNED_DOWN, /* Its offer was declined. */
    PW_RESERVATION_LAPSED,      /* Its offer has expired. */
    PW_RESERVATION_ATTENDED,
    PW_RESERVATION_NO_SHOW,
    PW_RESERVATION_STATE_COUNT
};

struct pw_reservation;
struct pw_tenant; /* Opaque outside commands/'s deciders: commands/tenant_state.h. */

/* Whether one in that state blocks its student's calendar. */
bool pw_reservation_blocks_calendar(uint32_t state);

bool pw_slot_is_proctored_by(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                             const struct pw_id *proctor_id);

/* Whether one in that state may still become something. */
bool pw_reservation_is_open(uint32_t state);

/* What an event moves from one slot to another, by whomever; NULL: it moves nothing. */
const struct pw_reservation_rescheduled *pw_reservation_move(const struct pw_event *event);

/* How many reservations of a cancelled slot have no record yet that says so; 0 of any other. */
uint32_t pw_slot_left_count(const struct pw_slot *slot);

struct pw_reservation {
    struct pw_id slot_id;
    struct pw_id exam_id;
    struct pw_id student_id;
    struct pw_id
        of_slot_next_id; /* The next older one that began in the same slot as this one did, or nil. */
    struct pw_id next_id;              /* The student's next live reservation, or nil. */
    const struct pw_reservation *next; /* The same, found; NULL also where it was not looked for. */
    uint32_t version;
    uint32_t state; /* enum pw_reservation_state */
    int64_t starts_at_us;
    int64_t ends_at_us;
    int64_t free_again_at_us;
    int64_t expires_at_us; /* Of one that is held or offered; else 0. */
    uint32_t priority;     /* Of one that waits. */
    uint32_t turn;         /* The how manieth of its slot to wait; 0: it never did. */
    uint32_t by_offer;     /* enum pw_by_offer */
    uint32_t is_told;      /* Of a booked one: its student is not to be reminded any more. */
    uint32_t
        needs_replacement; /* enum pw_replacement; of one that blocks its student's calendar. */
};

/* Why a reservation cannot have the time that its student is granted. The numbers are for ever: read models have them. */
enum pw_replacement {
    PW_REPLACEMENT_NONE,     /* It has it. */
    PW_REPLACEMENT_HARD_END, /* It would end after the slot's hard end. */
    PW_REPLACEMENT_CALENDAR  /* It would run into another sitting of the student. */
};

/* Whether a seat was gained by an offer. */
enum pw_by_offer {
    PW_BY_OFFER_NO,
    PW_BY_OFFER_YES,
    PW_BY_OFFER_MOVED /* It was, and the student preferred another slot of the exam: it counts as given back. */
};

#define PW_FACTOR_PERCENT_MAX 400

/* More time for a student, in sittings that start in [valid_from_us, valid_until_us). */
struct pw_accommodation {
    struct pw_id student_id;
    struct pw_id next_id; /* The student's next one that is not revoked, in no order, or nil. */
    uint32_t version;
    uint32_t is_revoked;
    uint32_t factor_percent;
    uint32_t fixed_minutes;
    uint32_t rest_break_minutes;
    int64_t valid_from_us;
    int64_t valid_until_us;
};

struct pw_state;

/* Numbers what evolve makes of events, and how that is serialised: a state that was kept under another
 * number is not to be gone on from. tests/state_wire.c tells when it must be raised. */
#define PW_STATE_FORMAT 6

struct pw_state *pw_state_new(void);
void pw_state_free(struct pw_state *state);

const struct pw_tenant *pw_state_tenant(const struct pw_state *state,
                                        const struct pw_id *tenant_id); /* NULL: none. */

/* Every tenant, in no order that means anything: i from 0 on, NULL past the last. */
const struct pw_tenant *pw_state_tenant_at(const struct pw_state *state, uint32_t i);

/* Asks the processor for what this event will change, when there is something else to do first. */
void pw_state_prefetch(const struct pw_state *state, const struct pw_id *boundary_id,
                       const struct pw_event *event);

/* Applies one event of a boundary, under the undo log where there is one. Checks that
 * stream_version is the stream's next one. */
enum pw_code pw_state_evolve(struct pw_state *state, const struct pw_id *boundary_id,
                             const struct pw_event *event, struct pw_undo *undo,
                             struct pw_err *err);

/* Reads: NULL where there is none. */
const struct pw_exam *pw_tenant_exam(const struct pw_tenant *tenant, const struct pw_id *id);
const struct pw_slot *pw_tenant_slot(const struct pw_tenant *tenant, const struct pw_id *id);
const struct pw_reservation *pw_tenant_reservation(const struct pw_tenant *tenant,
                                                   const struct pw_id *id);
const struct pw_item *pw_tenant_item(const struct pw_tenant *tenant, const struct pw_id *id);
const struct pw_item_version *pw_tenant_item_version(const struct pw_tenant *tenant,
                                                     const struct pw_id *item_id, uint32_t number);
const struct pw_accommodation *pw_tenant_accommodation(const struct pw_tenant *tenant,
                                                       const struct pw_id *id);
const struct pw_user *pw_tenant_user(const struct pw_tenant *tenant, const struct pw_id *id);
const struct pw_session *pw_tenant_session(const struct pw_tenant *tenant, const struct pw_id *id);
/* The sealed password of a person; empty where there is none. */
struct pw_str pw_tenant_password(const struct pw_tenant *tenant, const struct pw_id *user_id);
/* Nil: the tenant keeps no accounts. */
const struct pw_id *pw_tenant_equality_key(const struct pw_tenant *tenant);

/* Walks all people, and all live sessions, in no order that means anything: as pw_map_next. */
bool pw_tenant_next_user(const struct pw_tenant *tenant, uint64_t *cursor,
                         const struct pw_id **ret_id, const struct pw_user **ret_user);
bool pw_tenant_next_session(const struct pw_tenant *tenant, uint64_t *cursor,
                            const struct pw_id **ret_id, const struct pw_session **ret_session);

const struct pw_issuer *pw_tenant_issuers(const struct pw_tenant *tenant, uint32_t *ret_count);
const struct pw_id *pw_tenant_id(const struct pw_tenant *tenant);
uint32_t pw_tenant_version(const struct pw_tenant *tenant);

/* As it was set last, or the default. */
uint32_t pw_tenant_hold_minutes(const struct pw_tenant *tenant);
uint32_t pw_tenant_offer_minutes(const struct pw_tenant *tenant);

/* How many streams of that kind the state knows; of sessions, those that live. */
uint64_t pw_tenant_stream_count(const struct pw_tenant *tenant, enum pw_aggregate aggregate);

/* The version of any stream of the tenant; 0 for one that does not exist (or tenant NULL). */
uint32_t pw_stream_version(const struct pw_tenant *tenant, enum pw_aggregate aggregate,
                           const struct pw_id *id);

/* The canonical serialisation: msgpack, tenants, then their streams, sorted by id. */
void pw_state_serialise(const struct pw_state *state, struct pw_buffer *buffer);

/* One tenant's part of it. */
void pw_tenant_serialise(const struct pw_tenant *tenant, struct pw_buffer *buffer);

/* Reads it into a new state. What it takes serialises to the same bytes; whatever else it is given,
 * the cursor is bad, and the state is only to be freed. Memory is bounded by the bytes: room is made
 * only for entries that can be there. */
void pw_state_read(struct pw_state *state, struct pw_cursor *cursor);

/* Whether children that are forked from now on have the state (commands/map.h). */
void pw_state_share(const struct pw_state *state, bool shared);

/* What the state holds in memory now, for metrics. */
uint64_t pw_state_memory_bytes(const struct pw_state *state);

#endif
