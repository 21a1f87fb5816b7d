/* commands/tenant_state.h: a tenant's state as the aggregates of this room see it. Private to
 * commands/.
 *
 * Contract  Whatever changes is saved first: entries by pw_map_put and pw_map_remove, members of
 *           the struct by pw_undo_save. Each event of the tables has one function here, which
 *           applies it or finds that it does not fit (LEDGER_DAMAGED); the stream version was
 *           checked before.
 */
#ifndef PW_COMMANDS_TENANT_STATE_H
#define PW_COMMANDS_TENANT_STATE_H

#include "commands/decide.h"
#include "commands/inbox.h"
#include "commands/order.h"

/* The open reservations of a student, those of which a sitting was marked, and those that end their entitlement to others: a chain through
 * pw_reservation.next_id, newest first. */
struct pw_student {
    struct pw_id first_id;
    const struct pw_reservation
        *first; /* The same, found; NULL also where it was not looked for. */
};

/* The accommodations of a student that are not revoked: a chain through pw_accommodation.next_id. */
struct pw_accommodated {
    struct pw_id first_id;
};

struct pw_tenant {
    struct pw_id id;
    uint32_t version;
    uint32_t issuer_count;
    struct pw_issuer issuers[PW_ISSUERS_MAX]; /* Those past issuer_count mean nothing. */
    struct pw_id equality_key_id;             /* Nil: there are no accounts. */
    uint32_t admin_count;                     /* Active people who are admins. */
    uint32_t hold_minutes;                    /* 0: never set. */
    uint32_t offer_minutes;                   /* Likewise. */
    struct pw_id due_slots;                   /* The order of its slots by when something is due. */
    int64_t due_at_us;                        /* When the first of them is due; 0: never. */
    int64_t listed_due_at_us;     /* The same, as the state's order of tenants has it. */
    struct pw_map *users;         /* id -> struct pw_user */
    struct pw_map *passwords;     /* id of a user -> struct pw_password */
    struct pw_map *emails;        /* email_tag -> id of a user */
    struct pw_map *sessions;      /* id -> struct pw_session */
    struct pw_map *items;         /* id -> struct pw_item */
    struct pw_map *item_versions; /* pw_item_version_key -> struct pw_item_version */
    struct pw_map *exams;         /* id -> struct pw_exam */
    struct pw_map *slots;         /* id -> struct pw_slot */
    struct pw_map *proctors;      /* struct pw_assignment */
    struct pw_map *reservations;  /* id -> struct pw_reservation */
    struct pw_map *students;      /* id -> struct pw_student; only those with a live reservation. */
    struct pw_map
        *expiring; /* The places of held and offered reservations in their slots' orders. */
    struct pw_map *waiting;        /* Those of the ones that wait. */
    struct pw_map *moved;          /* Those of open ones that began in another slot. */
    struct pw_map *due;            /* The places of slots in due_slots. */
    struct pw_map *accommodations; /* id -> struct pw_accommodation */
    struct pw_map *accommodated;   /* id of a student -> struct pw_accommodated */
    struct pw_map *inboxes;        /* id of a student -> struct pw_inbox */
};

#define PW_EVENT(aggregate, lower, ...)                                                            \
    enum pw_code pw_##aggregate##_##lower##_evolve(struct pw_tenant *tenant,                       \
                                                   const struct pw_event *event,                   \
                                                   struct pw_undo *undo, struct pw_err *err);
#include "schemas/all.def"

/* Tenants are made in order and never go, except by undo. One that was undone stays in its place,
 * empty again by then, and serves the next that is created: so undo needs to know nothing of its
 * maps. */
struct pw_state {
    struct pw_map *by_id; /* Tenant id -> struct pw_tenant * */
    struct pw_map *due;   /* The places of tenants in due_tenants. */
    struct pw_id due_tenants;
    struct pw_tenant **tenants;
    uint32_t tenant_count;
    uint32_t made_count; /* From tenant_count to here: those that were undone. */
    uint32_t room;
};

/* A tenant of which nothing is known yet but its id. */
struct pw_tenant *pw_state_tenant_add(struct pw_state *state, const struct pw_id *id,
                                      struct pw_undo *undo);

/* LEDGER_DAMAGED: the event's name and what does not fit. */
enum pw_code pw_misfit(struct pw_err *err, const struct pw_event *event, const char *why);

/* The issuer's place among those trusted, or -1. */
int pw_tenant_issuer_index(const struct pw_tenant *tenant, struct pw_str name,
                           const struct pw_hash *public_key);

/* Counts an event that was applied in the inbox of whom it concerns. */
void pw_inbox_take(struct pw_tenant *tenant, const struct pw_event *event, struct pw_undo *undo);

/* Puts a reservation into the order of its slot that its state, as it is now, has it in, or takes it out of the one that it was in. The slot
 * is to be listed afterwards. */
void pw_due_enter(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                  struct pw_undo *undo);
void pw_due_leave(struct pw_tenant *tenant, const struct pw_id *reservation_id,
                  struct pw_undo *undo);

/* Whether seats that are free are offered to who waits. */
static inline bool pw_slot_offers(const struct pw_slot *slot)
{
    return slot->state == PW_SLOT_OPEN && !slot->waitlist_closed;
}

/* Whether the sitting does not take place. */
static inline bool pw_slot_is_off(const struct pw_slot *slot)
{
    return slot->state == PW_SLOT_CANCELLED || slot->state == PW_SLOT_WITHDRAWN;
}

/* Whether the moment is to come at which its students are reminded; or has come, and those who are not told yet are. */
static inline bool pw_slot_is_to_remind(const struct pw_slot *slot)
{
    return slot->reminds_at_us > 0 && !slot->is_reminded;
}

static inline bool pw_slot_is_telling(const struct pw_slot *slot)
{
    return slot->reminds_at_us > 0 && slot->is_reminded && !pw_slot_is_off(slot);
}

/* SLOT_CANCELLED, with the reason. */
enum pw_code pw_slot_fail_cancelled(struct pw_err *err, const struct pw_slot *slot);

/* Lists a slot, and with it the tenant, anew by what is due first. */
void pw_due_list_slot(struct pw_tenant *tenant, const struct pw_id *slot_id, struct pw_undo *undo);

/* When the lead time before the start begins: until then, inclusive, students cancel; from then on nothing is offered. */
int64_t pw_slot_lead_at_us(const struct pw_slot *slot);

/* Lists the tenant anew among the others where something else is due first. */
void pw_due_list_tenant(struct pw_state *state, struct pw_tenant *tenant, struct pw_undo *undo);

/* An accommodation as it is about to be; `after` NULL: it is about to be revoked. */
struct pw_accommodation_change {
    const struct pw_id *id;
    const struct pw_accommodation *after;
};

/* What is valid for a student's sitting that starts then, or NULL; after the change, where that is not NULL. */
const struct pw_accommodation *pw_accommodation_at(const struct pw_tenant *tenant,
                                                   const struct pw_id *student_id, int64_t at_us,
                                                   const struct pw_accommodation_change *change);

/* Puts one into its student's chain. */
void pw_accommodation_link(struct pw_tenant *tenant, const struct pw_id *id, struct pw_undo *undo);

/* When somebody sits in a slot, with an accommodation or NULL. */
struct pw_sitting {
    int64_t starts_at_us;
    int64_t ends_at_us;
    int64_t free_again_at_us; /* End plus buffer. */
    int64_t over_minutes;     /* So far beyond the slot's hard end, rounded up; 0: it fits. */
};
struct pw_sitting pw_sitting_of(const struct pw_slot *slot,
                                const struct pw_accommodation *accommodation);

/* Adds what the change makes of the sittings that the student has booked and not begun. ACCOMMODATION_AFFECTS_TOO_MANY: there is no room
 * for all of it. */
enum pw_code pw_reservations_refit(const struct pw_tenant *tenant, const struct pw_id *student_id,
                                   const struct pw_accommodation_change *change,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err);

/* Adds what ends the person's live sessions, but for `kept_id` where that is not nil, to a decision. */
void pw_session_end_all(const struct pw_tenant *tenant, const struct pw_user *user,
                        const struct pw_id *kept_id, struct pw_str reason, struct pw_decision *out);

/* Whether this sealed password is the person's now. */
bool pw_user_has_password(const struct pw_tenant *tenant, const struct pw_id *user_id,
                          const struct pw_hash *sealed_hash);

/* What a version of an item is found by: the UUIDv5 of its number, four bytes big-endian, in the item's id. */
struct pw_id pw_item_version_key(const struct pw_id *item_id, uint32_t number);

#endif
