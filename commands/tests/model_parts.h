/* commands/tests/model_parts.h: what the pages of the model share. office.c draws from these lists; nobody else includes it.
 *
 *   model.c                 tenants, exams and slots; who is asked about what; and what the house must have made of it
 *   model_seats.c           seats: who may have one, who waits, and what becomes of it
 *   model_due.c             what time alone brings about
 *   model_rules.c           whether all of that keeps the rules
 *   model_accommodations.c  more time, and what becomes of what is booked
 *   model_inbox.c           what students are told
 *   model_items.c           the bank of items
 *   model_people.c          (which shares nothing) people and their sessions */
#ifndef PW_COMMANDS_TESTS_MODEL_PARTS_H
#define PW_COMMANDS_TESTS_MODEL_PARTS_H

#include "commands/inbox.h"
#include "commands/tests/model.h"

#define EXAMS_MAX          512
#define SLOTS_MAX          512
#define SEATS_MAX          4096
#define ACCOMMODATIONS_MAX 1024
#define INBOXES_MAX        128
#define ITEMS_MAX          256
#define ITEM_VERSIONS_MAX  64
#define BOUND_MAX          4 /* Items of an exam. */
#define TOLD_MAX           4096
#define MINUTE(n)          ((n)*PW_US_PER_MINUTE)

struct content {
    struct pw_str title;
    uint32_t duration;
    uint32_t lead_time;
    uint32_t buffer;
    struct pw_exam_item items[BOUND_MAX];
    uint32_t item_count;
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
    int64_t hard_end; /* 0: there is none. */
    uint32_t capacity;
    bool is_closed;     /* Its waiting list. */
    bool is_shut;       /* No further seats. */
    bool is_off;        /* It does not take place; */
    uint32_t why;       /* for this reason. */
    bool by_exam;       /* Because its exam was withdrawn, and it has no record of that yet. */
    int64_t reminds_at; /* When its students are reminded; 0: they are not. */
    bool is_reminded;
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
    int64_t more;         /* Minutes, besides the slot's; of one that is live. */
    uint32_t replacement; /* enum pw_replacement; likewise. */
    bool by_offer;
    bool is_told;  /* Of a booked one: it needs no reminder, or had it. */
    bool was_left; /* The slot of its offered seat, for another one of the exam. */
    uint32_t version;
};

struct accommodation {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id student;
    uint32_t factor;
    uint32_t fixed;
    uint32_t breaks;
    int64_t from;
    int64_t until;
    bool is_revoked;
    uint32_t version;
};

struct inbox {
    struct pw_id tenant;
    struct pw_id student;
    bool is_read[TOLD_MAX]; /* By number. */
    uint32_t count;
    uint32_t version;
};

struct item_content {
    struct pw_str title;
    struct pw_str prompt;
    struct pw_list choices;
    struct pw_list answers;
    uint32_t kind;
    uint32_t scoring;
    uint32_t maximum;
    uint32_t penalty;
};

struct item_version {
    struct item_content content; /* With the key as it is now. */
    uint32_t key_number;
};

struct item {
    struct pw_id tenant;
    struct pw_id id;
    struct pw_id owner;
    struct item_version versions[ITEM_VERSIONS_MAX];
    uint32_t version_count;
    bool is_retired;
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
    struct tenant tenants[MODEL_TENANTS_MAX];
    struct exam exams[EXAMS_MAX];
    struct slot slots[SLOTS_MAX];
    struct seat seats[SEATS_MAX];
    struct accommodation accommodations[ACCOMMODATIONS_MAX];
    struct inbox inboxes[INBOXES_MAX];
    struct item items[ITEMS_MAX];
    uint32_t tenant_count;
    uint32_t exam_count;
    uint32_t slot_count;
    uint32_t seat_count;
    uint32_t accommodation_count;
    uint32_t inbox_count;
    uint32_t item_count;
    struct people *people;
};

/* Places in the lists; UINT32_MAX: there is none. */
uint32_t exam_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t slot_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t seat_at(const struct model *model, const struct pw_id *tenant, const struct pw_id *id);
uint32_t tenant_at(const struct model *model, const struct pw_id *id);

/* --- model_items.c --- */

/* The items of an exam: what a list of them says, whether a teacher may have it, and what they give at most. */
void items_read(const struct pw_list *list, struct content *content);
enum pw_code items_bind(const struct model *model, const struct pw_job *request,
                        const struct content *content);
uint32_t items_sum(const struct model *model, const struct pw_id *tenant,
                   const struct content *content);
enum pw_code items_decide(const struct model *model, const struct pw_job *request,
                          bool *ret_changes);
uint32_t items_apply(struct model *model, const struct pw_job *request, const struct pw_id *id);
uint32_t items_version(const struct model *model, const struct pw_job *request);
bool items_differ(const struct model *model, const struct pw_tenant *tenant,
                  const struct pw_id *tenant_id);

/* --- model_seats.c --- */

/* The slot that a command is about a seat of; NULL: it is about none. */
const struct pw_id *slot_asked(const struct model *model, const struct pw_job *request);

/* The slot that a command moves a seat to; NULL: it moves none. */
const struct pw_id *slot_moved_to(const struct pw_command *command);

/* Whether something may still become of it; and whether it counts as cancelled, and has no record yet that says so. */
bool seat_is_open(const struct seat *seat);
bool seat_is_off(const struct model *model, const struct seat *seat);

/* Seats of a slot that are taken. */
uint32_t taken(const struct model *model, const struct pw_id *slot);

/* Who is next to be offered a seat of the slot; SEATS_MAX: nobody waits. */
uint32_t first_waiting(const struct model *model, const struct slot *slot);

/* From then on nothing is offered, and no student gives a seat back. */
int64_t offers_end_at(const struct slot *slot);

/* Until when somebody who sits so much longer in a slot is busy. */
int64_t free_again(const struct slot *slot, int64_t more);

/* Whether somebody proctors a slot: their place among its proctors; or how many there are. */
uint32_t proctor_at(const struct slot *slot, const struct pw_id *id);

/* Of the students' commands, and what is said of them. */
enum pw_code seat_decide(const struct model *model, const struct pw_job *request, int64_t now_us,
                         bool *ret_changes);
uint32_t seat_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                    const struct pw_id *stream_id);

/* A seat is booked now: who comes after the slot's reminder needs none. */
void seat_book(struct model *model, struct seat *seat);

/* --- model_inbox.c --- */

/* Something has happened to what a student has. */
void inbox_tell(struct model *model, const struct seat *seat);

enum pw_code inbox_decide(const struct model *model, const struct pw_job *request,
                          bool *ret_changes);
uint32_t inbox_apply(struct model *model, const struct pw_job *request);
bool inbox_differs(const struct inbox *inbox, const struct pw_inbox *folded);

/* --- model_accommodations.c --- */

uint32_t accommodation_at(const struct model *model, const struct pw_id *tenant,
                          const struct pw_id *id);

/* How much longer a student would sit in a slot than others, and whether that is too long for it. */
int64_t minutes_granted(const struct model *model, const struct pw_id *student,
                        const struct slot *slot);
bool is_too_long(const struct slot *slot, int64_t more);

/* Of the office's commands about them. */
enum pw_code accommodation_decide(const struct model *model, const struct pw_job *request,
                                  int64_t now_us, bool *ret_changes);
uint32_t accommodation_apply(struct model *model, const struct pw_job *request, int64_t now_us,
                             const struct pw_id *stream_id);
bool accommodation_differs(const struct accommodation *accommodation,
                           const struct pw_accommodation *folded);

#endif
