/* commands/tests/office_draw.c: who asks a booking office for what, and when: few seats, and people who mostly know what they have. */
#include "commands/tests/office_parts.h"

#define STUDENTS 7
#define TEACHERS 2
#define PROCTORS 3

/* --- Choosing --- */

static uint64_t mixed(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

uint64_t office_draw(struct office *office, uint64_t below)
{
    office->random += UINT64_C(0x9e3779b97f4a7c15);
    return mixed(office->random) % below;
}

bool office_one_in(struct office *office, uint64_t count)
{
    return office_draw(office, count) == 0;
}

struct pw_id office_id(enum kind kind, uint32_t tenant, uint32_t number)
{
    struct pw_id id = {{(uint8_t)kind, (uint8_t)tenant, [6] = 0x80, [8] = 0x80}};
    id.bytes[14] = (uint8_t)(number >> 8);
    id.bytes[15] = (uint8_t)number;
    return id;
}

struct pw_id office_tenant(uint32_t number)
{
    return office_id(KIND_TENANT, number, 0);
}

struct choice office_choose(struct office *office)
{
    return (struct choice){.salt = office_draw(office, UINT64_MAX), .best = UINT64_MAX};
}

void office_consider(struct choice *choice, const struct pw_id *id, const void *what)
{
    uint64_t low;
    memcpy(&low, &id->bytes[8], sizeof low);
    uint64_t weight = mixed(choice->salt ^ mixed(low));
    if (weight < choice->best) {
        choice->best = weight;
        choice->chosen = what;
    }
}

typedef bool seat_test(const struct office *office, const struct seat *seat);

static const struct slot *slot_of(const struct office *office, const struct seat *seat)
{
    return &office->model->slots[slot_at(office->model, &seat->tenant, &seat->slot)];
}

static bool is_held(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat->state == HELD;
}

static bool is_waiting(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat->state == WAITING;
}

static bool is_offered(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat->state == OFFERED;
}

static bool is_kept(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat->state == HELD || seat->state == BOOKED;
}

static bool is_booked(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat->state == BOOKED;
}

static bool is_something(const struct office *office, const struct seat *seat)
{
    (void)office;
    return seat_is_open(seat);
}

static bool has_begun(const struct office *office, const struct seat *seat)
{
    return (seat->state == BOOKED || seat->state == ATTENDED || seat->state == MISSED) &&
           slot_of(office, seat)->starts_at <= office->now_us;
}

/* Mostly one that fits; NULL: there is none at all. */
static const struct seat *any_seat(struct office *office, const struct pw_id *tenant,
                                   seat_test *fits)
{
    struct choice fitting = office_choose(office);
    struct choice any = fitting;
    bool must_fit = !office_one_in(office, 12);
    for (uint32_t i = 0; i < office->model->seat_count; i++) {
        const struct seat *seat = &office->model->seats[i];
        if (pw_id_equal(&seat->tenant, tenant)) {
            office_consider(&any, &seat->id, seat);
            if (fits(office, seat)) {
                office_consider(&fitting, &seat->id, seat);
            }
        }
    }
    return must_fit && fitting.chosen != NULL ? fitting.chosen : any.chosen;
}

typedef bool slot_test(const struct office *office, const struct slot *slot);

static bool is_to_come(const struct office *office, const struct slot *slot)
{
    return slot->starts_at > office->now_us && !slot->is_off;
}

static bool has_room(const struct office *office, const struct slot *slot)
{
    return is_to_come(office, slot) && !slot->is_shut &&
           taken(office->model, &slot->id) < slot->capacity;
}

static bool is_full(const struct office *office, const struct slot *slot)
{
    return is_to_come(office, slot) && !slot->is_shut && !has_room(office, slot);
}

/* Mostly one that fits, and is of the exam where one is named, else one that is to come; NULL: there is none at all. */
static const struct slot *any_slot(struct office *office, const struct pw_id *tenant,
                                   slot_test *fits, const struct pw_id *exam)
{
    struct choice fitting = office_choose(office);
    struct choice to_come = fitting;
    struct choice any = fitting;
    bool must_fit = !office_one_in(office, 12);
    for (uint32_t i = 0; i < office->model->slot_count; i++) {
        const struct slot *slot = &office->model->slots[i];
        if (pw_id_equal(&slot->tenant, tenant)) {
            office_consider(&any, &slot->id, slot);
            if (is_to_come(office, slot)) {
                office_consider(&to_come, &slot->id, slot);
            }
            if ((exam == NULL || pw_id_equal(&slot->exam, exam)) && fits(office, slot)) {
                office_consider(&fitting, &slot->id, slot);
            }
        }
    }
    return must_fit && fitting.chosen != NULL   ? fitting.chosen
           : must_fit && to_come.chosen != NULL ? to_come.chosen
                                                : any.chosen;
}

const struct exam *office_any_exam(struct office *office, const struct pw_id *tenant)
{
    struct choice fitting = office_choose(office);
    struct choice any = fitting;
    bool must_fit = !office_one_in(office, 12);
    for (uint32_t i = 0; i < office->model->exam_count; i++) {
        const struct exam *exam = &office->model->exams[i];
        if (pw_id_equal(&exam->tenant, tenant)) {
            office_consider(&any, &exam->id, exam);
            if (!exam->is_gone) {
                office_consider(&fitting, &exam->id, exam);
            }
        }
    }
    return must_fit && fitting.chosen != NULL ? fitting.chosen : any.chosen;
}

static const struct accommodation *any_accommodation(struct office *office,
                                                     const struct pw_id *tenant)
{
    struct choice any = office_choose(office);
    for (uint32_t i = 0; i < office->model->accommodation_count; i++) {
        const struct accommodation *granted = &office->model->accommodations[i];
        if (pw_id_equal(&granted->tenant, tenant)) {
            office_consider(&any, &granted->id, granted);
        }
    }
    return any.chosen;
}

/* --- Time --- */

static void note_moment(const struct office *office, int64_t at_us, int64_t *next_us)
{
    if (at_us > office->now_us && at_us < *next_us) {
        *next_us = at_us;
    }
}

/* The next at which something of somebody ends or begins; now: there is none soon. */
static int64_t next_moment(const struct office *office)
{
    const struct model *model = office->model;
    int64_t next_us = INT64_MAX;
    for (uint32_t i = 0; i < model->slot_count; i++) {
        const struct slot *slot = &model->slots[i];
        note_moment(office, slot->starts_at, &next_us);
        note_moment(office, offers_end_at(slot), &next_us);
        note_moment(office, slot->reminds_at, &next_us);
        note_moment(office, slot->starts_at + MINUTE((int64_t)slot->content.duration), &next_us);
    }
    for (uint32_t i = 0; i < model->seat_count; i++) {
        const struct seat *seat = &model->seats[i];
        if (seat->state == HELD || seat->state == OFFERED) {
            note_moment(office, seat->expires_at, &next_us);
        }
    }
    return next_us < office->now_us + MINUTE(2 * GRID) ? next_us : office->now_us;
}

void office_turn_clock(struct office *office)
{
    uint64_t dice = office_draw(office, 100);
    int64_t to_us = dice < 70   ? office->now_us
                    : dice < 85 ? office->now_us + MINUTE((int64_t)office_draw(office, 3))
                    : dice < 99 ? next_moment(office) + (int64_t)office_draw(office, 3) - 1
                                : office->now_us + MINUTE((int64_t)office_draw(office, 40));
    office->now_us = to_us > office->now_us ? to_us : office->now_us;
}

/* --- People --- */

static struct pw_id any_student(struct office *office, uint32_t tenant)
{
    return office_id(KIND_STUDENT, tenant, (uint32_t)office_draw(office, STUDENTS));
}

static struct pw_id any_proctor(struct office *office, uint32_t tenant)
{
    return office_id(KIND_PROCTOR, tenant, (uint32_t)office_draw(office, PROCTORS));
}

void office_by(struct pw_job *job, struct pw_id actor, enum pw_role role)
{
    job->actor_id = actor;
    job->role = role;
}

void office_by_teacher(struct office *office, struct pw_job *job, uint32_t tenant,
                       const struct exam *exam)
{
    bool owns = exam != NULL && !office_one_in(office, 15);
    office_by(job,
              owns ? exam->owner
                   : office_id(KIND_TEACHER, tenant, (uint32_t)office_draw(office, TEACHERS)),
              PW_ROLE_TEACHER);
}

static void by_staff(struct office *office, struct pw_job *job, uint32_t tenant,
                     const struct exam *exam)
{
    office_by_teacher(office, job, tenant, exam);
    if (office_one_in(office, 4)) {
        office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    }
}

static void by_whose_it_is(struct office *office, struct pw_job *job, uint32_t tenant,
                           const struct seat *seat)
{
    bool own = seat != NULL && !office_one_in(office, 15);
    office_by(job, own ? seat->student : any_student(office, tenant), PW_ROLE_STUDENT);
}

/* --- What they ask for --- */

uint32_t office_reason(struct office *office)
{
    return (uint32_t)office_draw(office, PW_REASON_COUNT);
}

uint32_t office_grid(struct office *office, uint32_t from, uint32_t count)
{
    return GRID * (from + (uint32_t)office_draw(office, count));
}

static void ask_of_tenant(struct office *office, struct pw_job *job, uint32_t tenant)
{
    struct pw_command *command = &job->command;
    const struct pw_str issuer = PW_STR("https://sso.example");
    struct pw_hash key = {{(uint8_t)office_draw(office, 2)}};
    office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    if (command->type == PW_COMMAND_TENANT_SET_RULES) {
        command->tenant_set_rules =
            (struct pw_tenant_set_rules){job->boundary_id, 1 + (uint32_t)office_draw(office, 20),
                                         1 + (uint32_t)office_draw(office, 60)};
        return;
    }
    job->role = PW_ROLE_OPERATOR;
    if (command->type == PW_COMMAND_TENANT_CREATE) {
        command->tenant_create = (struct pw_tenant_create){job->boundary_id, PW_STR("Graz"),
                                                           PW_STR("Europe/Vienna"), PW_STR("de")};
    } else if (command->type == PW_COMMAND_TENANT_TRUST_ISSUER) {
        command->tenant_trust_issuer =
            (struct pw_tenant_trust_issuer){job->boundary_id, issuer, key};
    } else {
        command->tenant_distrust_issuer =
            (struct pw_tenant_distrust_issuer){job->boundary_id, issuer, key};
    }
}

static void ask_for_slot(struct office *office, struct pw_job *job, uint32_t tenant,
                         struct pw_id made)
{
    const struct exam *exam = office_any_exam(office, &job->boundary_id);
    int64_t grid_us = MINUTE(GRID);
    int64_t starts_at = (office->now_us / grid_us + (int64_t)office_draw(office, 14)) * grid_us;
    starts_at += office_one_in(office, 8) ? PW_REMINDER_US : 0; /* So that its reminder is soon. */
    int64_t longest = office_grid(office, 0, 4) + (exam != NULL ? exam->published.duration : 0);
    longest -= office_one_in(office, 8) ? GRID : 0;
    by_staff(office, job, tenant, exam);
    job->command.slot_open = (struct pw_slot_open){
        .slot_id = made,
        .exam_id = exam != NULL ? exam->id : made,
        .starts_at = starts_at,
        .capacity = 1 + (uint32_t)office_draw(office, 3),
        .hard_end_at = office_one_in(office, 2) ? starts_at + MINUTE(longest) : 0,
    };
}

static void ask_of_slot(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made)
{
    struct pw_command *command = &job->command;
    const struct slot *slot = any_slot(office, &job->boundary_id, is_to_come, NULL);
    const struct exam *exam =
        slot != NULL ? &office->model->exams[exam_at(office->model, &slot->tenant, &slot->exam)]
                     : NULL;
    struct pw_id id = slot != NULL && !office_one_in(office, 60) ? slot->id : made;
    struct pw_id proctor = any_proctor(office, tenant);
    by_staff(office, job, tenant, exam);
    if (command->type == PW_COMMAND_SLOT_CHANGE_CAPACITY) {
        command->slot_change_capacity =
            (struct pw_slot_change_capacity){id, 1 + (uint32_t)office_draw(office, 4)};
    } else if (command->type == PW_COMMAND_SLOT_CLOSE) {
        command->slot_close.slot_id = id;
    } else if (command->type == PW_COMMAND_SLOT_CANCEL) {
        command->slot_cancel = (struct pw_slot_cancel){id, office_reason(office)};
    } else if (command->type == PW_COMMAND_SLOT_ASSIGN_PROCTOR) {
        command->slot_assign_proctor = (struct pw_slot_assign_proctor){id, proctor};
    } else {
        command->slot_release_proctor = (struct pw_slot_release_proctor){id, proctor};
    }
}

static void ask_for_seat(struct office *office, struct pw_job *job, uint32_t tenant,
                         struct pw_id made)
{
    struct pw_command *command = &job->command;
    bool waits = command->type == PW_COMMAND_RESERVATION_JOIN_WAITLIST;
    const struct slot *slot = any_slot(office, &job->boundary_id, waits ? is_full : has_room, NULL);
    struct pw_id id = slot != NULL && !office_one_in(office, 60) ? slot->id : made;
    office_by(job, any_student(office, tenant), PW_ROLE_STUDENT);
    if (command->type == PW_COMMAND_RESERVATION_RESERVE) {
        command->reservation_reserve = (struct pw_reservation_reserve){id, made};
    } else if (command->type == PW_COMMAND_RESERVATION_HOLD) {
        command->reservation_hold = (struct pw_reservation_hold){id, made};
    } else {
        command->reservation_join_waitlist = (struct pw_reservation_join_waitlist){id, made};
    }
}

static seat_test *fitting(enum pw_command_type type)
{
    switch (type) {
    case PW_COMMAND_RESERVATION_CONFIRM_HOLD: return is_held;
    case PW_COMMAND_RESERVATION_LEAVE_WAITLIST:
    case PW_COMMAND_RESERVATION_PRIORITISE: return is_waiting;
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER:
    case PW_COMMAND_RESERVATION_DECLINE_OFFER: return is_offered;
    case PW_COMMAND_RESERVATION_CANCEL: return is_kept;
    case PW_COMMAND_RESERVATION_RESCHEDULE:
    case PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF: return is_booked;
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW: return has_begun;
    default: return is_something;
    }
}

static struct pw_id any_slot_to_move_to(struct office *office, const struct pw_job *job,
                                        const struct seat *seat, struct pw_id made)
{
    const struct pw_id *exam =
        seat != NULL && !office_one_in(office, 6) ? &slot_of(office, seat)->exam : NULL;
    slot_test *fits = office_one_in(office, 4) ? is_to_come : has_room;
    const struct slot *slot = any_slot(office, &job->boundary_id, fits, exam);
    return slot != NULL && !office_one_in(office, 30) ? slot->id : made;
}

static void ask_of_seat(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made)
{
    struct pw_command *command = &job->command;
    const struct seat *seat = any_seat(office, &job->boundary_id, fitting(command->type));
    struct pw_id id = seat != NULL && !office_one_in(office, 60) ? seat->id : made;
    by_whose_it_is(office, job, tenant, seat);
    memcpy(pw_command_body(command), &id, sizeof id); /* The first field of each. */
    if (command->type == PW_COMMAND_RESERVATION_RESCHEDULE) {
        command->reservation_reschedule.slot_id = any_slot_to_move_to(office, job, seat, made);
    } else if (command->type == PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF) {
        command->reservation_reschedule_by_staff.slot_id =
            any_slot_to_move_to(office, job, seat, made);
        command->reservation_reschedule_by_staff.reason = office_reason(office);
        office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    } else if (command->type == PW_COMMAND_RESERVATION_PRIORITISE) {
        command->reservation_prioritise.priority = (uint32_t)office_draw(office, 3);
        office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    } else if (command->type == PW_COMMAND_RESERVATION_CANCEL_BY_STAFF) {
        command->reservation_cancel_by_staff.reason = office_reason(office);
        office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    } else if (command->type == PW_COMMAND_RESERVATION_MARK_ATTENDED ||
               command->type == PW_COMMAND_RESERVATION_MARK_NO_SHOW) {
        office_by(job, any_proctor(office, tenant), PW_ROLE_PROCTOR);
        if (office_one_in(office, 2)) {
            office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
        }
    }
    if (command->type == PW_COMMAND_RESERVATION_MARK_NO_SHOW) {
        command->reservation_mark_no_show.reason = office_reason(office);
    }
}

static void ask_for_time(struct office *office, struct pw_job *job, uint32_t tenant,
                         struct pw_id made)
{
    struct pw_command *command = &job->command;
    const struct accommodation *known = any_accommodation(office, &job->boundary_id);
    struct pw_id id = known != NULL ? known->id : made;
    uint32_t factor = 100 + 25 * (uint32_t)office_draw(office, 5);
    uint32_t fixed = office_one_in(office, 2) ? 0 : office_grid(office, 0, 3);
    uint32_t breaks = office_one_in(office, 3) ? 7 : 0;
    int64_t from = office->now_us / MINUTE(GRID) * MINUTE(GRID) +
                   MINUTE((int64_t)office_grid(office, 0, 16)) - MINUTE(4 * GRID);
    int64_t until = from + MINUTE((int64_t)office_grid(office, 0, 30));
    office_by(job, office_id(KIND_ADMIN, tenant, 0), PW_ROLE_ADMIN);
    if (command->type == PW_COMMAND_ACCOMMODATION_GRANT) {
        const struct seat *seat = any_seat(office, &job->boundary_id, is_something);
        command->accommodation_grant = (struct pw_accommodation_grant){
            .student_id = seat != NULL ? seat->student : any_student(office, tenant),
            .accommodation_id = made,
            .factor_percent = factor,
            .fixed_minutes = fixed,
            .rest_break_minutes = breaks,
            .valid_from = from,
            .valid_until = until,
        };
    } else if (command->type == PW_COMMAND_ACCOMMODATION_REVISE) {
        command->accommodation_revise =
            (struct pw_accommodation_revise){id, factor, fixed, breaks, from, until};
    } else {
        command->accommodation_revoke.accommodation_id = id;
    }
}

/* Mostly of what there is: what came last, or what came long ago. */
static void ask_to_mark(struct office *office, struct pw_job *job, uint32_t tenant)
{
    job->actor_id = office_id(KIND_STUDENT, tenant, (uint32_t)office_draw(office, STUDENTS));
    job->role = PW_ROLE_STUDENT;
    job->command.inbox_mark_read =
        (struct pw_inbox_mark_read){.student_id = job->actor_id,
                                    .number = 1 + (uint32_t)office_draw(office, 90),
                                    .and_older = (uint32_t)office_draw(office, 2)};
}

/* --- Who wants what how often --- */

static const struct wish {
    enum pw_command_type type;
    uint32_t weight;
} wishes[] = {
    {PW_COMMAND_TENANT_CREATE, 1},
    {PW_COMMAND_TENANT_SET_RULES, 5},
    {PW_COMMAND_TENANT_TRUST_ISSUER, 4},
    {PW_COMMAND_TENANT_DISTRUST_ISSUER, 3},
    {PW_COMMAND_ITEM_DRAFT, 6},
    {PW_COMMAND_ITEM_REVISE, 8},
    {PW_COMMAND_ITEM_RETIRE, 2},
    {PW_COMMAND_ITEM_CORRECT_KEY, 6},
    {PW_COMMAND_EXAM_DRAFT, 6},
    {PW_COMMAND_EXAM_REVISE_DRAFT, 8},
    {PW_COMMAND_EXAM_SET_RULES, 6},
    {PW_COMMAND_EXAM_BIND_ITEMS, 12},
    {PW_COMMAND_EXAM_PUBLISH, 20},
    {PW_COMMAND_EXAM_WITHDRAW, 3},
    {PW_COMMAND_SLOT_OPEN, 110},
    {PW_COMMAND_SLOT_CHANGE_CAPACITY, 30},
    {PW_COMMAND_SLOT_CLOSE, 4},
    {PW_COMMAND_SLOT_CANCEL, 4},
    {PW_COMMAND_SLOT_ASSIGN_PROCTOR, 12},
    {PW_COMMAND_SLOT_RELEASE_PROCTOR, 6},
    {PW_COMMAND_RESERVATION_RESERVE, 200},
    {PW_COMMAND_RESERVATION_HOLD, 90},
    {PW_COMMAND_RESERVATION_CONFIRM_HOLD, 50},
    {PW_COMMAND_RESERVATION_CANCEL, 60},
    {PW_COMMAND_RESERVATION_CANCEL_BY_STAFF, 25},
    {PW_COMMAND_RESERVATION_RESCHEDULE, 110},
    {PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF, 30},
    {PW_COMMAND_RESERVATION_MARK_ATTENDED, 30},
    {PW_COMMAND_RESERVATION_MARK_NO_SHOW, 20},
    {PW_COMMAND_RESERVATION_JOIN_WAITLIST, 170},
    {PW_COMMAND_RESERVATION_LEAVE_WAITLIST, 12},
    {PW_COMMAND_RESERVATION_PRIORITISE, 20},
    {PW_COMMAND_RESERVATION_ACCEPT_OFFER, 100},
    {PW_COMMAND_RESERVATION_DECLINE_OFFER, 12},
    {PW_COMMAND_ACCOMMODATION_GRANT, 40},
    {PW_COMMAND_ACCOMMODATION_REVISE, 25},
    {PW_COMMAND_ACCOMMODATION_REVOKE, 12},
    {PW_COMMAND_INBOX_MARK_READ, 40},
};

static enum pw_command_type draw_wish(struct office *office)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < PW_COUNT(wishes); i++) {
        sum += wishes[i].weight;
    }
    uint64_t dice = office_draw(office, sum);
    size_t i = 0;
    while (dice >= wishes[i].weight) {
        dice -= wishes[i++].weight;
    }
    return wishes[i].type;
}

static bool is_of_a_seat(enum pw_command_type type)
{
    return pw_command_info(type)->aggregate == PW_AGGREGATE_reservation &&
           type != PW_COMMAND_RESERVATION_RESERVE && type != PW_COMMAND_RESERVATION_HOLD &&
           type != PW_COMMAND_RESERVATION_JOIN_WAITLIST;
}

/* Mostly one for which somebody has what it is about. */
static enum pw_command_type any_wish(struct office *office, const struct pw_id *tenant)
{
    enum pw_command_type wish = draw_wish(office);
    for (uint32_t tries = 0; tries < 8 && is_of_a_seat(wish) && !office_one_in(office, 10);
         tries++) {
        const struct seat *seat = any_seat(office, tenant, fitting(wish));
        if (seat != NULL && fitting(wish)(office, seat)) {
            break;
        }
        wish = draw_wish(office);
    }
    return wish;
}

/* Before there is a slot, mostly what leads to one. */
static enum pw_command_type wish_for(struct office *office, const struct pw_id *tenant)
{
    enum pw_command_type wish = any_wish(office, tenant);
    const struct exam *exam = office_any_exam(office, tenant);
    bool begins = any_slot(office, tenant, is_to_come, NULL) == NULL && !office_one_in(office, 8);
    return tenant_at(office->model, tenant) == UINT32_MAX ? PW_COMMAND_TENANT_CREATE
           : !begins                                      ? wish
           : exam == NULL                                 ? PW_COMMAND_EXAM_DRAFT
           : exam->published_number == 0                  ? PW_COMMAND_EXAM_PUBLISH
                                                          : PW_COMMAND_SLOT_OPEN;
}

struct pw_job office_ask(struct office *office)
{
    uint32_t tenant = office_one_in(office, 4) ? OFFICE_TENANTS - 1 : 0; /* A busy one. */
    struct pw_id made = office_id(KIND_MADE, tenant, office->step);
    struct pw_job job = {.boundary_id = office_tenant(tenant), .if_match = -1};
    enum pw_command_type type = wish_for(office, &job.boundary_id);
    job.command.type = type;
    switch (pw_command_info(type)->aggregate) {
    case PW_AGGREGATE_tenant: ask_of_tenant(office, &job, tenant); break;
    case PW_AGGREGATE_exam: office_ask_of_exam(office, &job, tenant, made); break;
    case PW_AGGREGATE_item: office_ask_of_item(office, &job, tenant, made); break;
    case PW_AGGREGATE_slot:
        type == PW_COMMAND_SLOT_OPEN ? ask_for_slot(office, &job, tenant, made)
                                     : ask_of_slot(office, &job, tenant, made);
        break;
    case PW_AGGREGATE_accommodation: ask_for_time(office, &job, tenant, made); break;
    case PW_AGGREGATE_inbox: ask_to_mark(office, &job, tenant); break;
    default:
        is_of_a_seat(type) ? ask_of_seat(office, &job, tenant, made)
                           : ask_for_seat(office, &job, tenant, made);
        break;
    }
    bool names_a_version =
        type == PW_COMMAND_SLOT_CHANGE_CAPACITY || type == PW_COMMAND_RESERVATION_RESERVE;
    if (names_a_version && office_one_in(office, 20)) {
        job.if_match = (int64_t)office_draw(office, 4);
    }
    return job;
}
