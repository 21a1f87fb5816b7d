/* integration/sim/commands.c: what clients ask for: mostly seats, few of them, by students who know little. */
#include "integration/sim/sim.h"

static const uint8_t secret[32] = {1, 2, 3};

#define NEWEST 12

static uint64_t draw(struct world *world, uint64_t below)
{
    return sim_draw(&world->random_commands, below);
}

static struct pw_id student_of(uint32_t tenant, uint64_t number)
{
    return (struct pw_id){{0x57, (uint8_t)tenant, (uint8_t)number, 1}};
}

struct pw_id op_any_of(struct world *world, const struct ids *ids)
{
    if (ids->count == 0 || draw(world, 60) == 0) {
        return sim_id(world, &world->random_commands);
    }
    return ids->ids[draw(world, ids->count)];
}

/* Most keys are of now; some are as old or as new as one may be, or a little more. */
static int64_t key_time_us(struct world *world)
{
    int64_t now_us = sim_now(world);
    int64_t edge_us = (int64_t)draw(world, 5) * PW_US_PER_MS;
    uint64_t dice = draw(world, 120);
    if (world->op_count < 60 || dice > 5) {
        return now_us;
    }
    if (dice > 3) { /* Which is remembered for a little while only. */
        return now_us - world->horizon_us + (int64_t)draw(world, 60) * PW_US_PER_SECOND;
    }
    return dice < 3 ? now_us - world->horizon_us + edge_us : now_us + PW_KEY_AHEAD_MAX_US + edge_us;
}

struct op *op_new(struct world *world, uint32_t tenant, enum pw_command_type type,
                  struct pw_id actor, enum pw_role role)
{
    uint32_t number = world->op_count++;
    struct op *op = &world->ops[number];
    uint8_t random[16] = {0};
    assert(world->op_count <= OPS_MAX);
    uint64_t some = draw(world, 0);
    memcpy(&random[6], &some, 6);
    memcpy(&random[12], &number, sizeof number); /* So that the log leads back to the op. */
    op->number = op->twin = number;
    op->tenant = tenant;
    op->request = (struct pw_job){
        .command = {.type = type},
        .boundary_id = world->tenants[tenant],
        .command_id = pw_id_v7(key_time_us(world), random),
        .actor_id = actor,
        .role = role,
        .if_match = -1,
    };
    op->request.correlation_id = op->request.command_id;
    return op;
}

uint32_t op_number_of(const struct pw_id *command_id)
{
    uint32_t number;
    memcpy(&number, &command_id->bytes[12], sizeof number);
    return number;
}

struct op *op_seal(struct op *op)
{
    op->request.fingerprint = pw_fingerprint_of(secret, sizeof secret, &op->request);
    return op;
}

struct op *op_tenant(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_TENANT_CREATE, world->teachers[tenant], PW_ROLE_OPERATOR);
    op->request.command.tenant_create = (struct pw_tenant_create){
        world->tenants[tenant], PW_STR("Test"), PW_STR("Europe/Vienna"), PW_STR("de")};
    return op_seal(op);
}

static struct op *op_issuer(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_TENANT_TRUST_ISSUER, world->teachers[tenant],
                           PW_ROLE_OPERATOR);
    op->request.command.tenant_trust_issuer = (struct pw_tenant_trust_issuer){
        world->tenants[tenant], PW_STR("https://sso.example"), {{(uint8_t)draw(world, 20)}}};
    return op_seal(op);
}

static struct op *op_distrust(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_TENANT_DISTRUST_ISSUER,
                           world->teachers[tenant], PW_ROLE_OPERATOR);
    op->request.command.tenant_distrust_issuer = (struct pw_tenant_distrust_issuer){
        world->tenants[tenant], PW_STR("https://sso.example"), {{(uint8_t)draw(world, 20)}}};
    return op_seal(op);
}

struct op *op_open(struct world *world, uint32_t tenant, bool is_first)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_SLOT_OPEN, world->teachers[tenant], PW_ROLE_TEACHER);
    bool soon = !is_first && draw(world, 4) == 0;
    uint64_t place = draw(world, soon ? 90 : 13);
    int64_t in_us = soon         ? (int64_t)place * PW_US_PER_SECOND
                    : place < 12 ? (int64_t)(10 + place) * 30 * PW_US_PER_MINUTE
                                 : PW_REMINDER_US + (int64_t)(place - 11) * 40 * PW_US_PER_SECOND;
    op->request.command.slot_open = (struct pw_slot_open){
        .exam_id = op_any_of(world, &world->exams[tenant]),
        .starts_at = (sim_now(world) + in_us) / PW_US_PER_SECOND * PW_US_PER_SECOND,
        .capacity = 1 + (uint32_t)draw(world, 4),
    };
    if (!is_first && draw(world, 3) == 0) { /* Sometimes before the exam is over. */
        struct pw_slot_open *open = &op->request.command.slot_open;
        open->hard_end_at = open->starts_at + (25 + (int64_t)draw(world, 80)) * PW_US_PER_MINUTE;
    }
    return op_seal(op);
}

static struct op *op_capacity(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_SLOT_CHANGE_CAPACITY, world->teachers[tenant],
                           PW_ROLE_TEACHER);
    op->request.command.slot_change_capacity = (struct pw_slot_change_capacity){
        op_any_of(world, &world->slots[tenant]), 1 + (uint32_t)draw(world, 6)};
    op->request.if_match = draw(world, 3) == 0 ? (int64_t)draw(world, 4) : -1;
    return op_seal(op);
}

/* No further seats, or none at all. */
static struct op *op_end_slot(struct world *world, uint32_t tenant)
{
    bool off = draw(world, 2) == 0;
    struct op *op = op_new(world, tenant, off ? PW_COMMAND_SLOT_CANCEL : PW_COMMAND_SLOT_CLOSE,
                           world->teachers[tenant], PW_ROLE_TEACHER);
    struct pw_id slot = op_any_of(world, &world->slots[tenant]);
    if (off) {
        op->request.command.slot_cancel =
            (struct pw_slot_cancel){slot, (uint32_t)draw(world, PW_REASON_COUNT)};
    } else {
        op->request.command.slot_close.slot_id = slot;
    }
    return op_seal(op);
}

/* Somebody with an account, or one of three without. */
static struct pw_id any_proctor(struct world *world, uint32_t tenant)
{
    const struct accounts *accounts = &world->accounts[tenant];
    uint64_t known = accounts->count < 8 ? accounts->count : 8;
    if (known > 0 && draw(world, 3) == 0) {
        return accounts->list[draw(world, known)].id;
    }
    return (struct pw_id){{0x9c, (uint8_t)tenant, (uint8_t)draw(world, 3), 1}};
}

static struct op *op_proctor(struct world *world, uint32_t tenant)
{
    bool release = draw(world, 4) == 0;
    struct pw_id slot = op_any_of(world, &world->slots[tenant]);
    struct op *op = op_new(
        world, tenant, release ? PW_COMMAND_SLOT_RELEASE_PROCTOR : PW_COMMAND_SLOT_ASSIGN_PROCTOR,
        world->teachers[tenant], PW_ROLE_TEACHER);
    struct pw_id proctor = any_proctor(world, tenant);
    op->request.command.slot_assign_proctor = (struct pw_slot_assign_proctor){slot, proctor};
    if (release) {
        op->request.command.slot_release_proctor = (struct pw_slot_release_proctor){slot, proctor};
    }
    return op_seal(op);
}

static struct op *op_reserve(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_RESERVATION_RESERVE,
                           student_of(tenant, draw(world, world->student_count)), PW_ROLE_STUDENT);
    op->request.command.reservation_reserve.slot_id = op_any_of(world, &world->slots[tenant]);
    op->request.if_match = draw(world, 30) == 0 ? (int64_t)draw(world, 4) : -1;
    return op_seal(op);
}

static struct op *op_hold(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_RESERVATION_HOLD,
                           student_of(tenant, draw(world, world->student_count)), PW_ROLE_STUDENT);
    op->request.command.reservation_hold.slot_id = op_any_of(world, &world->slots[tenant]);
    return op_seal(op);
}

struct op *op_rules(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_TENANT_SET_RULES, world->teachers[tenant], PW_ROLE_ADMIN);
    op->request.command.tenant_set_rules = (struct pw_tenant_set_rules){
        world->tenants[tenant], 1 + (uint32_t)draw(world, 2), 1 + (uint32_t)draw(world, 2)};
    return op_seal(op);
}

/* The place of a reservation that was gained by an offer. There is one. */
static uint64_t won_by_offer(struct world *world, uint32_t tenant)
{
    const struct ids *ids = &world->reservations[tenant];
    struct pw_id id = world->won[tenant].ids[draw(world, world->won[tenant].count)];
    uint64_t i = 0;
    while (i + 1 < ids->count && !pw_id_equal(&ids->ids[i], &id)) {
        i++;
    }
    return i;
}

/* About a reservation that there is, mostly by whose it is. */
static struct op *op_of_own(struct world *world, uint32_t tenant, enum pw_command_type type,
                            struct pw_id *ret_id)
{
    const struct ids *ids = &world->reservations[tenant];
    uint64_t i = ids->count == 0 ? 0 : draw(world, ids->count);
    if (ids->count > NEWEST && draw(world, 2) == 0) { /* Which are alive more often. */
        i = ids->count - 1 - draw(world, NEWEST);
    }
    bool gives_up =
        type == PW_COMMAND_RESERVATION_RESCHEDULE || type == PW_COMMAND_RESERVATION_CANCEL;
    if (world->won[tenant].count > 0 && draw(world, gives_up ? 2 : 6) == 0) { /* Which are few. */
        i = won_by_offer(world, tenant);
    }
    bool mine = ids->count > 0 && draw(world, 20) != 0;
    struct pw_id actor =
        mine ? world->owners[tenant].ids[i] : student_of(tenant, draw(world, world->student_count));
    *ret_id = ids->count == 0 ? sim_id(world, &world->random_commands) : ids->ids[i];
    return op_new(world, tenant, type, actor, PW_ROLE_STUDENT);
}

static struct op *op_cancel(struct world *world, uint32_t tenant)
{
    struct pw_id id;
    struct op *op = op_of_own(world, tenant, PW_COMMAND_RESERVATION_CANCEL, &id);
    op->request.command.reservation_cancel.reservation_id = id;
    return op_seal(op);
}

static struct op *op_join(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_RESERVATION_JOIN_WAITLIST,
                           student_of(tenant, draw(world, world->student_count)), PW_ROLE_STUDENT);
    op->request.command.reservation_join_waitlist.slot_id = op_any_of(world, &world->slots[tenant]);
    if (world->won[tenant].count > 0 &&
        draw(world, 4) == 0) { /* Who had a seat by an offer asks again. */
        uint64_t i = won_by_offer(world, tenant);
        op->request.actor_id = world->owners[tenant].ids[i];
        op->request.command.reservation_join_waitlist.slot_id = world->asked[tenant].ids[i];
    }
    return op_seal(op);
}

/* Somebody who waits, or is offered a seat, says what they want; or the office says who comes first, or whose it is no more. */
static struct op *op_choose(struct world *world, uint32_t tenant)
{
    static const enum pw_command_type types[] = {
        PW_COMMAND_RESERVATION_LEAVE_WAITLIST, PW_COMMAND_RESERVATION_ACCEPT_OFFER,
        PW_COMMAND_RESERVATION_ACCEPT_OFFER,   PW_COMMAND_RESERVATION_DECLINE_OFFER,
        PW_COMMAND_RESERVATION_PRIORITISE,     PW_COMMAND_RESERVATION_CANCEL_BY_STAFF,
    };
    struct pw_id id;
    struct op *op = op_of_own(world, tenant, types[draw(world, PW_COUNT(types))], &id);
    memcpy(pw_command_body(&op->request.command), &id, sizeof id); /* The first field of each. */
    bool waits_on = op->request.command.type == PW_COMMAND_RESERVATION_PRIORITISE;
    if (waits_on) {
        op->request.command.reservation_prioritise.priority = (uint32_t)draw(world, 3);
    }
    if (waits_on || op->request.command.type == PW_COMMAND_RESERVATION_CANCEL_BY_STAFF) {
        op->request.actor_id = world->teachers[tenant];
        op->request.role = PW_ROLE_ADMIN;
    }
    return op_seal(op);
}

/* Who came, and who did not: by a proctor, or by the office. */
static struct op *op_mark(struct world *world, uint32_t tenant)
{
    bool came = draw(world, 2) == 0;
    struct pw_id id;
    struct op *op = op_of_own(
        world, tenant,
        came ? PW_COMMAND_RESERVATION_MARK_ATTENDED : PW_COMMAND_RESERVATION_MARK_NO_SHOW, &id);
    if (world->marked[tenant].count > 0 && draw(world, 2) == 0) {
        id = op_any_of(world, &world->marked[tenant]);
    }
    memcpy(pw_command_body(&op->request.command), &id, sizeof id);
    op->request.role = draw(world, 4) != 0 ? PW_ROLE_ADMIN : PW_ROLE_PROCTOR;
    op->request.actor_id =
        op->request.role == PW_ROLE_ADMIN ? world->teachers[tenant] : any_proctor(world, tenant);
    return op_seal(op);
}

/* By whose it is, or by the office. */
static struct op *op_move(struct world *world, uint32_t tenant)
{
    bool by_staff = draw(world, 3) == 0;
    struct pw_id id;
    struct op *op = op_of_own(world, tenant,
                              by_staff ? PW_COMMAND_RESERVATION_RESCHEDULE_BY_STAFF
                                       : PW_COMMAND_RESERVATION_RESCHEDULE,
                              &id);
    struct pw_id slot = op_any_of(world, &world->slots[tenant]);
    if (by_staff) {
        op->request.command.reservation_reschedule_by_staff =
            (struct pw_reservation_reschedule_by_staff){id, slot,
                                                        (uint32_t)draw(world, PW_REASON_COUNT)};
        op->request.actor_id = world->teachers[tenant];
        op->request.role = PW_ROLE_ADMIN;
    } else {
        op->request.command.reservation_reschedule = (struct pw_reservation_reschedule){id, slot};
    }
    return op_seal(op);
}

/* Mostly of what there is: nobody knows here how much that may be. */
static struct op *op_read(struct world *world, uint32_t tenant)
{
    struct pw_id student = student_of(tenant, draw(world, world->student_count));
    struct op *op = op_new(world, tenant, PW_COMMAND_INBOX_MARK_READ, student, PW_ROLE_STUDENT);
    op->request.command.inbox_mark_read = (struct pw_inbox_mark_read){
        student, 1 + (uint32_t)draw(world, 8), (uint32_t)draw(world, 2)};
    return op_seal(op);
}

static struct op *op_confirm(struct world *world, uint32_t tenant)
{
    struct pw_id id;
    struct op *op = op_of_own(world, tenant, PW_COMMAND_RESERVATION_CONFIRM_HOLD, &id);
    op->request.command.reservation_confirm_hold.reservation_id = id;
    return op_seal(op);
}

/* More time for somebody, for some of the slots that there may be. */
static struct op *op_accommodation(struct world *world, uint32_t tenant)
{
    uint64_t dice = draw(world, 5);
    enum pw_command_type type = dice < 2   ? PW_COMMAND_ACCOMMODATION_GRANT
                                : dice < 4 ? PW_COMMAND_ACCOMMODATION_REVISE
                                           : PW_COMMAND_ACCOMMODATION_REVOKE;
    struct op *op = op_new(world, tenant, type, world->teachers[tenant], PW_ROLE_ADMIN);
    uint32_t factor = 100 + 50 * (uint32_t)draw(world, 5);
    uint32_t fixed = 7 * (uint32_t)draw(world, 3);
    uint32_t breaks = 15 * (uint32_t)draw(world, 2);
    int64_t from = sim_now(world) + ((int64_t)draw(world, 500) - 100) * PW_US_PER_MINUTE;
    int64_t until = from + ((int64_t)draw(world, 700) - 20) * PW_US_PER_MINUTE;
    const struct ids *owners = &world->owners[tenant];
    struct pw_id student = owners->count > 0 && draw(world, 3) > 0
                               ? owners->ids[draw(world, owners->count)]
                               : student_of(tenant, draw(world, world->student_count));
    struct pw_id known = op_any_of(world, &world->accommodations[tenant]);
    if (type == PW_COMMAND_ACCOMMODATION_GRANT) {
        op->request.command.accommodation_grant = (struct pw_accommodation_grant){
            .student_id = student,
            .factor_percent = factor,
            .fixed_minutes = fixed,
            .rest_break_minutes = breaks,
            .valid_from = from,
            .valid_until = until,
        };
    } else if (type == PW_COMMAND_ACCOMMODATION_REVISE) {
        op->request.command.accommodation_revise =
            (struct pw_accommodation_revise){known, factor, fixed, breaks, from, until};
    } else {
        op->request.command.accommodation_revoke.accommodation_id = known;
    }
    return op_seal(op);
}

/* The key of an earlier command of the same person, for another request. */
static void use_key_again(struct world *world, struct op *op)
{
    for (uint32_t tries = 0; tries < 8; tries++) {
        const struct op *other = &world->ops[draw(world, op->number)];
        if (other->twin == other->number && other->tenant == op->tenant &&
            pw_id_equal(&other->request.actor_id, &op->request.actor_id) &&
            memcmp(&other->request.fingerprint, &op->request.fingerprint,
                   sizeof op->request.fingerprint) != 0) {
            op->twin = other->number;
            op->request.command_id = other->request.command_id;
            return;
        }
    }
}

struct op *op_any(struct world *world)
{
    uint32_t tenant = (uint32_t)draw(world, world->tenant_count);
    bool people = draw(world, 4) == 0;
    bool bank = !people && draw(world, 12) == 0;
    uint64_t dice = people || bank ? 0 : draw(world, 100);
    struct op *op = people                             ? op_people(world, tenant)
                    : bank                             ? op_bank(world, tenant)
                    : dice < 24                        ? op_reserve(world, tenant)
                    : dice < 25                        ? op_read(world, tenant)
                    : dice < 33                        ? op_hold(world, tenant)
                    : dice < 38                        ? op_confirm(world, tenant)
                    : dice < 50                        ? op_join(world, tenant)
                    : dice < 59                        ? op_choose(world, tenant)
                    : dice < 65                        ? op_cancel(world, tenant)
                    : dice < 71                        ? op_move(world, tenant)
                    : dice < 72                        ? op_rules(world, tenant)
                    : dice < 76                        ? op_accommodation(world, tenant)
                    : dice < 80                        ? op_capacity(world, tenant)
                    : dice < 81                        ? op_end_slot(world, tenant)
                    : dice < 82                        ? op_proctor(world, tenant)
                    : dice < 85                        ? op_mark(world, tenant)
                    : dice < 90                        ? op_open(world, tenant, false)
                    : dice < 97                        ? op_exam(world, tenant)
                    : dice < 98 && draw(world, 3) == 0 ? op_withdraw(world, tenant)
                    : dice < 98                        ? op_issuer(world, tenant)
                    : dice < 99                        ? op_distrust(world, tenant)
                                                       : op_tenant(world, tenant);
    if (draw(world, 60) == 0) {
        use_key_again(world, op);
    }
    return op;
}

void op_make_ids(struct world *world, struct pw_job *job)
{
    struct pw_id made = sim_id(world, &world->random_net);
    switch (job->command.type) {
    case PW_COMMAND_RESERVATION_RESERVE:
        job->command.reservation_reserve.reservation_id = made;
        break;
    case PW_COMMAND_RESERVATION_HOLD: job->command.reservation_hold.reservation_id = made; break;
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:
        job->command.reservation_join_waitlist.reservation_id = made;
        break;
    case PW_COMMAND_SLOT_OPEN: job->command.slot_open.slot_id = made; break;
    case PW_COMMAND_EXAM_DRAFT: job->command.exam_draft.exam_id = made; break;
    case PW_COMMAND_ITEM_DRAFT: job->command.item_draft.item_id = made; break;
    case PW_COMMAND_ACCOMMODATION_GRANT:
        job->command.accommodation_grant.accommodation_id = made;
        break;
    case PW_COMMAND_USER_REGISTER: job->command.user_register.user_id = made; break;
    case PW_COMMAND_SESSION_OPEN: job->command.session_open.session_id = made; break;
    default: break;
    }
}

static const struct pw_id *slot_of(const struct pw_command *command)
{
    return command->type == PW_COMMAND_RESERVATION_RESERVE ? &command->reservation_reserve.slot_id
           : command->type == PW_COMMAND_RESERVATION_HOLD
               ? &command->reservation_hold.slot_id
               : &command->reservation_join_waitlist.slot_id;
}

static void learn(struct ids *ids, const struct pw_id *id)
{
    if (ids->count < IDS_MAX) {
        ids->ids[ids->count++] = *id;
    }
}

void op_learn(struct world *world, const struct op *op)
{
    uint32_t tenant = op->tenant;
    switch (op->request.command.type) {
    case PW_COMMAND_RESERVATION_RESERVE:
    case PW_COMMAND_RESERVATION_HOLD:
    case PW_COMMAND_RESERVATION_JOIN_WAITLIST:
        learn(&world->reservations[tenant], &op->stream_id);
        learn(&world->owners[tenant], &op->request.actor_id);
        learn(&world->asked[tenant], slot_of(&op->request.command));
        break;
    case PW_COMMAND_RESERVATION_ACCEPT_OFFER: learn(&world->won[tenant], &op->stream_id); break;
    case PW_COMMAND_RESERVATION_MARK_ATTENDED:
    case PW_COMMAND_RESERVATION_MARK_NO_SHOW: learn(&world->marked[tenant], &op->stream_id); break;
    case PW_COMMAND_SLOT_OPEN: learn(&world->slots[tenant], &op->stream_id); break;
    case PW_COMMAND_EXAM_DRAFT: learn(&world->exams[tenant], &op->stream_id); break;
    case PW_COMMAND_ITEM_DRAFT: learn(&world->items[tenant], &op->stream_id); break;
    case PW_COMMAND_ACCOMMODATION_GRANT:
        learn(&world->accommodations[tenant], &op->stream_id);
        break;
    default: op_learn_people(world, op); break;
    }
}
