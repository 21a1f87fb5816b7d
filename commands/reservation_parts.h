/* commands/reservation_parts.h: what the pages of a reservation share. Nobody else includes it.
 *
 *   reservation.c         its life as a table, and what a student's calendar says
 *   reservation_book.c    seats that are booked, held, given back and moved
 *   reservation_wait.c    the waiting list, and offers
 *   reservation_attend.c  who came, and who did not
 *   reservation_refit.c   what another accommodation makes of it
 *   reservation_evolve.c  what happened */
#ifndef PW_COMMANDS_RESERVATION_PARTS_H
#define PW_COMMANDS_RESERVATION_PARTS_H

#include "commands/tenant_state.h"

#define RESERVATION_NONE 0 /* A reservation begins in no state. */

/* What a state is called, and what it means. An open one may still become something; a seat is one of its slot; and what blocks stands in
 * the student's calendar. */
struct reservation_meaning {
    const char *name;
    bool is_open;
    bool has_seat;
    bool blocks;
};
extern const struct reservation_meaning reservation_meanings[PW_RESERVATION_STATE_COUNT];

/* Held or booked, and not sat yet: its times follow what its student is granted. */
static inline bool reservation_is_ahead(uint32_t state)
{
    return reservation_meanings[state].is_open && reservation_meanings[state].blocks;
}

/* What leads from where to where. */
struct reservation_step {
    uint32_t from; /* enum pw_reservation_state, or NONE. */
    enum pw_command_type command;
    enum pw_event_type event;
    uint32_t to;
};

/* The step of the table; NULL: there is none. */
const struct reservation_step *reservation_step_by_command(uint32_t from,
                                                           enum pw_command_type command);
const struct reservation_step *reservation_step_by_event(uint32_t from, enum pw_event_type event);

/* What a command asks of a reservation that there is. */
struct reservation_ask {
    const struct pw_id *id;
    enum pw_command_type command;
    uint32_t done; /* In this state it is so already: a yes that changes nothing. NONE: never. */
    enum pw_code
        wrong; /* The refusal in any other state that the command leads nowhere from; PW_OK: a yes that changes nothing. */
    bool by_anybody; /* Not by its student alone. */
};

/* Gives the reservation where there is something to decide; else NULL, and the code is the answer. */
enum pw_code reservation_find(const struct pw_tenant *tenant, const struct reservation_ask *ask,
                              const struct pw_context *context,
                              const struct pw_reservation **ret_reservation, struct pw_err *err);

/* What a student's calendar says about a sitting; but for what they have as `except_id`, or NULL. */
struct reservation_calendar {
    struct pw_id in_slot_id; /* The open reservation in the same slot, or nil. */
    struct pw_id in_exam_id; /* The one in another slot of the exam that blocks, or nil. */
    bool clashes;
    struct pw_sitting sitting; /* When they would sit, with their accommodation. */
    bool
        is_forfeited; /* An offered seat was given back: of the slot, or, by moving away, of the exam. */
};
struct reservation_calendar reservation_calendar(const struct pw_tenant *tenant,
                                                 const struct pw_id *student_id,
                                                 const struct pw_id *slot_id,
                                                 const struct pw_slot *slot,
                                                 const struct pw_id *except_id);

/* ACCOMMODATION_DOES_NOT_FIT where a sitting goes beyond the slot's hard end. */
enum pw_code reservation_check_end(const struct pw_sitting *sitting, struct pw_err *err);

/* Adds what makes a reservation's times those of the sitting, which fits; nothing where they are, and no replacement is needed. */
void reservation_fit(const struct pw_id *id, const struct pw_reservation *reservation,
                     const struct pw_sitting *sitting, struct pw_decision *out);

/* What is wrong with the times of a sitting in an event; NULL: nothing. */
const char *reservation_times_misfit(int64_t starts_at, int64_t ends_at, int64_t free_again_at);

/* A refusal that names a reservation. */
enum pw_code reservation_fail_naming(struct pw_err *err, enum pw_code code, const struct pw_id *id);

/* Entries stay where they are, so that a chain is walked without a look-up a step; only what came out
 * of a snapshot is not found yet. */
static inline const struct pw_reservation *reservation_chained(const struct pw_tenant *tenant,
                                                               const struct pw_reservation *found,
                                                               const struct pw_id *id)
{
    return found != NULL || pw_id_is_nil(id) ? found : pw_tenant_reservation(tenant, id);
}

/* The fields that every event of a reservation begins with. */
#define RESERVATION_OF(reservation)                                                                \
    .slot_id = (reservation)->slot_id, .exam_id = (reservation)->exam_id,                          \
    .student_id = (reservation)->student_id

#endif
