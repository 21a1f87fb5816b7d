/* commands/tests/office_exams.c: what teachers ask for: items, mostly such as fit, and exams that ask from these. */
#include "commands/tests/office_parts.h"

static struct pw_str any_title(struct office *office)
{
    static const char *const titles[] = {"Algebra", "Analysis", "Kr\xc3\xa4uterkunde"};
    return pw_str_of(titles[office_draw(office, PW_COUNT(titles))]);
}

static const struct item *any_item(struct office *office, const struct pw_id *tenant)
{
    struct choice fitting = office_choose(office);
    struct choice any = fitting;
    bool must_fit = !office_one_in(office, 12);
    for (uint32_t i = 0; i < office->model->item_count; i++) {
        const struct item *item = &office->model->items[i];
        if (pw_id_equal(&item->tenant, tenant)) {
            office_consider(&any, &item->id, item);
            if (!item->is_retired) {
                office_consider(&fitting, &item->id, item);
            }
        }
    }
    return must_fit && fitting.chosen != NULL ? fitting.chosen : any.chosen;
}

/* A few items, mostly of versions that there are. */
static struct pw_list any_items(struct office *office, const struct pw_id *tenant)
{
    uint8_t *bytes = office->lists[office->step];
    struct pw_buffer buffer = {
        .data = bytes, .room = OFFICE_LIST_BYTES, .bytes_max = OFFICE_LIST_BYTES};
    uint32_t count = (uint32_t)office_draw(office, BOUND_MAX);
    pw_write_array(&buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct item *item = any_item(office, tenant);
        struct pw_id nobody = office_id(KIND_MADE, 0, 0);
        uint64_t versions = item == NULL ? 1 : item->version_count;
        pw_write_array(&buffer, 2);
        pw_write_id(&buffer, item == NULL ? &nobody : &item->id);
        pw_write_uint(&buffer,
                      1 + office_draw(office, office_one_in(office, 5) ? versions + 1 : versions));
    }
    assert(!buffer.full && buffer.data == bytes);
    return (struct pw_list){bytes, buffer.bytes, count};
}

void office_ask_of_exam(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made)
{
    struct pw_command *command = &job->command;
    const struct exam *exam = office_any_exam(office, &job->boundary_id);
    struct pw_id id = exam != NULL && !office_one_in(office, 60) ? exam->id : made;
    struct pw_str title = any_title(office);
    uint32_t duration = office_grid(office, 1, 6);
    uint32_t lead = office_grid(office, 0, 3);
    uint32_t buffer = office_grid(office, 0, 2);
    office_by_teacher(office, job, tenant, exam);
    if (command->type == PW_COMMAND_EXAM_DRAFT) {
        command->exam_draft = (struct pw_exam_draft){made, title, duration, lead, buffer};
    } else if (command->type == PW_COMMAND_EXAM_REVISE_DRAFT) {
        command->exam_revise_draft =
            (struct pw_exam_revise_draft){id, title, duration, lead, buffer};
    } else if (command->type == PW_COMMAND_EXAM_PUBLISH) {
        command->exam_publish.exam_id = id;
    } else if (command->type == PW_COMMAND_EXAM_SET_RULES) {
        command->exam_set_rules = (struct pw_exam_set_rules){id, lead, buffer};
    } else if (command->type == PW_COMMAND_EXAM_BIND_ITEMS) {
        command->exam_bind_items =
            (struct pw_exam_bind_items){id, any_items(office, &job->boundary_id)};
    } else {
        command->exam_withdraw =
            (struct pw_exam_withdraw){id, office_reason(office), (uint32_t)office_draw(office, 2)};
    }
}

#define RECORDS(count_, literal)                                                                   \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1, count_                                    \
    }

/* Items that fit, and some that do not. */
static const struct sketch {
    uint32_t kind;
    uint32_t scoring;
    struct pw_list choices;
    struct pw_list answers;
    uint32_t penalty_max;
} sketches[] = {
    {PW_ITEM_KIND_SINGLE_CHOICE, PW_SCORING_MATCH_CORRECT,
     RECORDS(4, "\x94\x91\xa1"
                "A\x91\xa1"
                "B\x91\xa1"
                "C\x91\xa1"
                "D"),
     RECORDS(1, "\x91\x94\x01\xa0\x00\x00"), 0},
    {PW_ITEM_KIND_MULTIPLE_CHOICE, PW_SCORING_MAP_RESPONSE, RECORDS(2, "\x92\x91\xa1Y\x91\xa1N"),
     RECORDS(2, "\x92\x94\x01\xa0\x02\x00\x94\x02\xa0\x00\x01"), 1},
    {PW_ITEM_KIND_TRUE_FALSE, PW_SCORING_MATCH_CORRECT, RECORDS(2, "\x92\x91\xa1Y\x91\xa1N"),
     RECORDS(1, "\x91\x94\x02\xa0\x00\x00"), 0},
    {PW_ITEM_KIND_SHORT_TEXT, PW_SCORING_MATCH_CORRECT, RECORDS(0, ""),
     RECORDS(1, "\x91\x94\x00\xa4Graz\x00\x00"), 0},
    {PW_ITEM_KIND_NUMERIC, PW_SCORING_MAP_RESPONSE, RECORDS(0, ""),
     RECORDS(1, "\x91\x94\x00\xa4"
                "12.5\x02\x00"),
     0},
    {PW_ITEM_KIND_ESSAY, PW_SCORING_BY_PEOPLE, RECORDS(0, ""), RECORDS(0, ""), 0},
};

/* Sometimes with a part of another one. */
static struct sketch any_sketch(struct office *office)
{
    struct sketch sketch = sketches[office_draw(office, PW_COUNT(sketches))];
    const struct sketch *other = &sketches[office_draw(office, PW_COUNT(sketches))];
    switch (office_draw(office, 12)) {
    case 0: sketch.kind = other->kind; break;
    case 1: sketch.scoring = other->scoring; break;
    case 2: sketch.answers = other->answers; break;
    case 3: sketch.penalty_max = other->penalty_max; break;
    default: break;
    }
    return sketch;
}

void office_ask_of_item(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made)
{
    struct pw_command *command = &job->command;
    const struct item *item = any_item(office, &job->boundary_id);
    struct pw_id id = item != NULL && !office_one_in(office, 60) ? item->id : made;
    struct pw_str title = any_title(office);
    struct sketch sketch = any_sketch(office);
    office_by(job, office_id(KIND_TEACHER, tenant, (uint32_t)office_draw(office, 2)),
              PW_ROLE_TEACHER);
    if (item != NULL && !office_one_in(office, 15)) {
        office_by(job, item->owner, PW_ROLE_TEACHER);
    }
    if (command->type == PW_COMMAND_ITEM_DRAFT) {
        command->item_draft = (struct pw_item_draft){
            made,           title,          sketch.kind, PW_STR("Why?"),    sketch.choices,
            sketch.scoring, sketch.answers, 2,           sketch.penalty_max};
    } else if (command->type == PW_COMMAND_ITEM_REVISE) {
        command->item_revise = (struct pw_item_revise){id,
                                                       title,
                                                       sketch.kind,
                                                       PW_STR("Why?"),
                                                       sketch.choices,
                                                       sketch.scoring,
                                                       sketch.answers,
                                                       2,
                                                       sketch.penalty_max};
    } else if (command->type == PW_COMMAND_ITEM_RETIRE) {
        command->item_retire.item_id = id;
    } else {
        command->item_correct_key = (struct pw_item_correct_key){
            id, 1 + (uint32_t)office_draw(office, 3), sketch.answers, office_reason(office)};
    }
}
