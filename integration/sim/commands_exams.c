/* integration/sim/commands_exams.c: what teachers ask for: exams, and the bank of items that these ask from. */
#include "integration/sim/sim.h"
#include "schemas/wire.h"

static const char *const titles[] = {"Algebra", "Analysis", "Geometry", "Stochastik für Ältere"};

static uint64_t draw(struct world *world, uint64_t below)
{
    return sim_draw(&world->random_commands, below);
}

struct op *op_draft(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_EXAM_DRAFT, world->teachers[tenant], PW_ROLE_TEACHER);
    op->request.command.exam_draft = (struct pw_exam_draft){
        .title = pw_str_of(titles[draw(world, PW_COUNT(titles))]),
        .duration_minutes = 30 + 30 * (uint32_t)draw(world, 3),
        .lead_time_minutes = (uint32_t)draw(world, 3),
        .buffer_minutes = 15 * (uint32_t)draw(world, 2),
    };
    return op_seal(op);
}

static struct op *op_revise(struct world *world, uint32_t tenant)
{
    struct op *op = op_new(world, tenant, PW_COMMAND_EXAM_REVISE_DRAFT, world->teachers[tenant],
                           PW_ROLE_TEACHER);
    op->request.command.exam_revise_draft = (struct pw_exam_revise_draft){
        .exam_id = op_any_of(world, &world->exams[tenant]),
        .title = pw_str_of(titles[draw(world, PW_COUNT(titles))]),
        .duration_minutes = 30 + 30 * (uint32_t)draw(world, 2),
        .lead_time_minutes = (uint32_t)draw(world, 2),
        .buffer_minutes = 15,
    };
    return op_seal(op);
}

struct op *op_publish(struct world *world, uint32_t tenant, const struct pw_id *exam)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_EXAM_PUBLISH, world->teachers[tenant], PW_ROLE_TEACHER);
    op->request.command.exam_publish.exam_id =
        exam != NULL ? *exam : op_any_of(world, &world->exams[tenant]);
    return op_seal(op);
}

struct op *op_withdraw(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_EXAM_WITHDRAW, world->teachers[tenant], PW_ROLE_TEACHER);
    op->request.command.exam_withdraw =
        (struct pw_exam_withdraw){op_any_of(world, &world->exams[tenant]),
                                  (uint32_t)draw(world, PW_REASON_COUNT), (uint32_t)draw(world, 2)};
    return op_seal(op);
}

static struct op *op_exam_rules(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_EXAM_SET_RULES, world->teachers[tenant], PW_ROLE_TEACHER);
    op->request.command.exam_set_rules =
        (struct pw_exam_set_rules){op_any_of(world, &world->exams[tenant]),
                                   (uint32_t)draw(world, 3), 15 * (uint32_t)draw(world, 2)};
    return op_seal(op);
}

struct op *op_exam(struct world *world, uint32_t tenant)
{
    uint64_t dice = draw(world, 7);
    return dice < 2   ? op_draft(world, tenant)
           : dice < 3 ? op_revise(world, tenant)
           : dice < 4 ? op_exam_rules(world, tenant)
                      : op_publish(world, tenant, NULL);
}

/* --- The bank --- */

/* Yes or no; or, as often as not, a word. Now and then the key is that of the other kind, and fits nothing. */
static const struct pw_list yes_or_no = {(const uint8_t *)"\x92\x91\xa1Y\x91\xa1N", 7, 2};
static const struct pw_list keys[] = {
    {(const uint8_t *)"\x91\x94\x01\xa0\x00\x00", 6, 1},
    {(const uint8_t *)"\x91\x94\x02\xa0\x00\x00", 6, 1},
    {(const uint8_t *)"\x91\x94\x00\xa4Graz\x00\x00", 10, 1},
};

static struct op *op_item_draft(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_ITEM_DRAFT, world->teachers[tenant], PW_ROLE_TEACHER);
    bool is_chosen = draw(world, 2) == 0;
    op->request.command.item_draft = (struct pw_item_draft){
        .title = pw_str_of(titles[draw(world, PW_COUNT(titles))]),
        .kind = is_chosen ? PW_ITEM_KIND_TRUE_FALSE : PW_ITEM_KIND_SHORT_TEXT,
        .prompt = PW_STR("Is it?\nWhy?"),
        .choices = is_chosen ? yes_or_no : (struct pw_list){0},
        .scoring = PW_SCORING_MATCH_CORRECT,
        .answers = keys[draw(world, 10) == 0 ? draw(world, 3)
                        : is_chosen          ? draw(world, 2)
                                             : 2],
        .maximum_mark = 1 + (uint32_t)draw(world, 3),
    };
    return op_seal(op);
}

static struct op *op_item_revise(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_ITEM_REVISE, world->teachers[tenant], PW_ROLE_TEACHER);
    op->request.command.item_revise = (struct pw_item_revise){
        .item_id = op_any_of(world, &world->items[tenant]),
        .title = pw_str_of(titles[draw(world, PW_COUNT(titles))]),
        .kind = PW_ITEM_KIND_TRUE_FALSE,
        .prompt = PW_STR("Was it?"),
        .choices = yes_or_no,
        .scoring = PW_SCORING_MATCH_CORRECT,
        .answers = keys[draw(world, 2)],
        .maximum_mark = 1 + (uint32_t)draw(world, 2),
    };
    op->request.if_match = draw(world, 10) == 0 ? (int64_t)draw(world, 4) : -1;
    return op_seal(op);
}

/* Its key is mended; rarely, it is at its end. */
static struct op *op_item_end(struct world *world, uint32_t tenant)
{
    bool is_end = draw(world, 6) == 0;
    struct op *op =
        op_new(world, tenant, is_end ? PW_COMMAND_ITEM_RETIRE : PW_COMMAND_ITEM_CORRECT_KEY,
               world->teachers[tenant], PW_ROLE_TEACHER);
    struct pw_id item = op_any_of(world, &world->items[tenant]);
    if (is_end) {
        op->request.command.item_retire.item_id = item;
    } else {
        op->request.command.item_correct_key =
            (struct pw_item_correct_key){item, 1 + (uint32_t)draw(world, 2), keys[draw(world, 3)],
                                         (uint32_t)draw(world, PW_REASON_COUNT)};
    }
    return op_seal(op);
}

/* A few items, mostly of their first version. */
static struct op *op_bind(struct world *world, uint32_t tenant)
{
    struct op *op =
        op_new(world, tenant, PW_COMMAND_EXAM_BIND_ITEMS, world->teachers[tenant], PW_ROLE_TEACHER);
    struct pw_buffer buffer = {
        .data = op->list, .room = sizeof op->list, .bytes_max = sizeof op->list};
    uint32_t count = (uint32_t)draw(world, 4);
    pw_write_array(&buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        struct pw_id item = op_any_of(world, &world->items[tenant]);
        pw_write_array(&buffer, 2);
        pw_write_id(&buffer, &item);
        pw_write_uint(&buffer, draw(world, 4) == 0 ? 2 : 1);
    }
    assert(!buffer.full && buffer.data == op->list);
    op->request.command.exam_bind_items = (struct pw_exam_bind_items){
        op_any_of(world, &world->exams[tenant]), (struct pw_list){op->list, buffer.bytes, count}};
    return op_seal(op);
}

struct op *op_bank(struct world *world, uint32_t tenant)
{
    uint64_t dice = draw(world, 10);
    return dice < 3   ? op_item_draft(world, tenant)
           : dice < 5 ? op_item_revise(world, tenant)
           : dice < 7 ? op_item_end(world, tenant)
                      : op_bind(world, tenant);
}
