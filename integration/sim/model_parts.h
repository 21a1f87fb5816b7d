/* integration/sim/model_parts.h: what the pages of the model share. Nobody else includes it.
 *
 *   model.c         tenants, exams and slots; who is asked about what; and what the house must have made of it
 *   model_seats.c   seats: who may have one, who waits, and what becomes of it
 *   model_due.c     what time alone brings about
 *   model_people.c  (which shares nothing) people and their sessions */
#ifndef PW_SIM_MODEL_PARTS_H
#define PW_SIM_MODEL_PARTS_H

#include "integration/sim/sim.h"

#define EXAMS_MAX 512
#define SLOTS_MAX 512
#define SEATS_MAX 4096
#define MINUTE(n) ((n)*PW_US_PER_MINUTE)

struct content {
    struct pw_str title;
    uint32_t duration;
    uint32_t lead_time;
    uint32_t buffer;
};

struct exam {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id owner;
    struct content draft;
    struct content published;
    uint32_t published_number;
    bool is_gone;
    uint32_t version;
};

#define PROCTORS_MAX 16

struct slot {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id exam;
    struct content content;
    int64_t starts_at;
    uint32_t capacity;
    bool is_closed; /* Its waiting list. */
    bool is_shut;   /* No further seats. */
    bool is_off;    /* It does not take place; */
    uint32_t why;   /* for this reason. */
    bool by_exam;   /* Because its exam was withdrawn, and it has no record of that yet. */
    struct pw_id proctors[PROCTORS_MAX];
    uint32_t proctor_count;
    uint32_t version;
};

struct seat {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id slot;
    struct pw_id student;
    enum {
        HELD,
        BOOKED,
        CANCELLED,
        RUN_OUT,
        WAITING,
        LEFT,
        OFFERED,
        DECLINED,
        LAPSED,
        ATTENDED,
        MISSED
    } state;
    int64_t expires_at; /* While it is held or offered. */
    uint32_t priority;
    bool by_offer;
    bool was_left; /* The slot of its offered seat, for another one of the exam. */
    uint32_t version;
};

struct tenant {
    struct pw_id id;
    struct pw_tenant_trust_issuer issuers[PW_ISSUERS_MAX];
    uint32_t issuer_count;
    bool keeps_accounts;
    uint32_t hold_minutes;
    uint32_t offer_minutes;
    uint32_t version;
};

struct model {
    struct tenant tenants[TENANTS_MAX];
    struct exam exams[EXAMS_MAX];
    struct slot slots[SLOTS_MAX];
    struct seat seats[SEATS_MAX];
    uint32_t tenant_count;
    uint32_t exam_count;
    uint32_t slot_count;
    uint32_t seat_count;
    struct people *people;
};

/* Places in the lists; UINT32_MAX: there is none. */
uint32_t exam_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t slot_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t seat_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t tenant_at(const struct model *model, const struct pw_id *id);

/* --- model_seats.c --- */

/* The slot that a command is about a seat of; NULL: it is about none. */
const struct pw_id *slot_asked(const struct model *model, const struct pw_job *request);

/* Whether something may still become of it; and whether it counts as cancelled, and has no record yet that says so. */
bool seat_is_open(const struct seat *seat);
bool seat_is_off(const struct model *model, const struct seat *seat);

/* Seats of a slot that are taken. */
uint32_t taken(const struct model *model, const struct pw_id *slot);

/* Who is next to be offered a seat of the slot; SEATS_MAX: nobody waits. */
uint32_t first_waiting(const struct model *model, const struct slot *slot);

/* From then on nothing is offered, and no student gives a seat back. */
int64_t offers_end_at(const struct slot *slot);

/* Whether somebody proctors a slot: their place among its proctors; or how many there are. */
uint32_t proctor_at(const struct slot *slot, const struct pw_id *id);

/* Of the students' commands, and what is said of them. */
enum pw_code seat_decide(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes);
uint32_t seat_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                    const struct pw_id *stream_id);

#endif
