/* commands/tests/model_items.c: the bank of items, by the page of rules: who may, which versions there are, and whether the parts of one fit one another. */
#include "commands/tests/model_parts.h"
#include "schemas/codec.h"

#include <stdio.h>

static uint32_t item_at(const struct model *model, const struct pw_id *tenant,
                        const struct pw_id *id)
{
    uint32_t i = 0;
    while (i < model->item_count && !(pw_id_equal(&model->items[i].tenant, tenant) &&
                                      pw_id_equal(&model->items[i].id, id))) {
        i++;
    }
    return i;
}

static struct item_content content_of_draft(const struct pw_item_draft *is)
{
    return (struct item_content){is->title, is->prompt,  is->choices,      is->answers,
                                 is->kind,  is->scoring, is->maximum_mark, is->penalty_max};
}

static struct item_content content_of_revise(const struct pw_item_revise *is)
{
    return (struct item_content){is->title, is->prompt,  is->choices,      is->answers,
                                 is->kind,  is->scoring, is->maximum_mark, is->penalty_max};
}

static bool same_list(const struct pw_list *a, const struct pw_list *b)
{
    return a->count == b->count &&
           (a->count == 0 || (a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0));
}

static bool same(const struct item_content *a, const struct item_content *b)
{
    return pw_str_equal(a->title, b->title) && pw_str_equal(a->prompt, b->prompt) &&
           same_list(&a->choices, &b->choices) && same_list(&a->answers, &b->answers) &&
           a->kind == b->kind && a->scoring == b->scoring && a->maximum == b->maximum &&
           a->penalty == b->penalty;
}

/* --- Whether it fits --- */

static bool is_chosen(uint32_t kind)
{
    return kind == PW_ITEM_KIND_SINGLE_CHOICE || kind == PW_ITEM_KIND_MULTIPLE_CHOICE ||
           kind == PW_ITEM_KIND_TRUE_FALSE;
}

static bool choices_fit(uint32_t kind, uint32_t count)
{
    return kind == PW_ITEM_KIND_SINGLE_CHOICE     ? count >= 4 && count <= 20
           : kind == PW_ITEM_KIND_MULTIPLE_CHOICE ? count >= 2 && count <= 20
           : kind == PW_ITEM_KIND_TRUE_FALSE      ? count == 2
                                                  : count == 0;
}

/* Digits with at most one point between them, and perhaps a minus before. */
static bool is_number(struct pw_str text)
{
    uint32_t points = 0;
    size_t first = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    if (first == text.len || text.ptr[first] == '.' || text.ptr[text.len - 1] == '.') {
        return false;
    }
    for (size_t i = first; i < text.len; i++) {
        points += text.ptr[i] == '.';
        if (text.ptr[i] != '.' && (text.ptr[i] < '0' || text.ptr[i] > '9')) {
            return false;
        }
    }
    return points <= 1;
}

/* Whether two texts of digits are one number, by taking away what counts for nothing until nothing is left of one of them. */
static bool same_number(struct pw_str a, struct pw_str b)
{
    struct pw_str texts[] = {a, b};
    char plain[2][256];
    for (int i = 0; i < 2; i++) {
        bool is_negative = texts[i].ptr[0] == '-';
        snprintf(plain[i], sizeof plain[i], "%.*s", (int)texts[i].len - is_negative,
                 texts[i].ptr + is_negative);
        size_t end = strlen(plain[i]);
        while (strchr(plain[i], '.') != NULL && strchr("0.", plain[i][end - 1]) != NULL) {
            plain[i][--end] = '\0';
        }
        size_t zeros = strspn(plain[i], "0");
        memmove(plain[i], plain[i] + zeros, end - zeros + 1);
        if (is_negative && plain[i][0] != '\0') {
            memmove(plain[i] + 1, plain[i], strlen(plain[i]) + 1);
            plain[i][0] = '-';
        }
    }
    return strcmp(plain[0], plain[1]) == 0;
}

static bool answer_fits(const struct item_content *item, uint32_t choice_count,
                        const struct pw_item_answer *answer)
{
    bool is_mapped = item->scoring == PW_SCORING_MAP_RESPONSE;
    if (is_chosen(item->kind) &&
        (answer->choice == 0 || answer->choice > choice_count || answer->response.len > 0)) {
        return false;
    }
    if (!is_chosen(item->kind) && (answer->choice != 0 || answer->response.len == 0)) {
        return false;
    }
    if (item->kind == PW_ITEM_KIND_NUMERIC && !is_number(answer->response)) {
        return false;
    }
    return is_mapped ? (answer->mark > 0) + (answer->penalty > 0) == 1
                     : answer->mark == 0 && answer->penalty == 0;
}

static bool key_fits(const struct item_content *item, uint32_t choice_count)
{
    struct pw_item_answer answers[40];
    struct pw_cursor cursor = pw_list_begin(&item->answers);
    uint32_t sum = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < item->answers.count; i++) {
        pw_list_next(&cursor, pw_item_answer_record(), &answers[i]);
        if (!answer_fits(item, choice_count, &answers[i])) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            bool is_said = item->kind == PW_ITEM_KIND_NUMERIC
                               ? same_number(answers[j].response, answers[i].response)
                               : pw_str_equal(answers[j].response, answers[i].response);
            if (answers[j].choice == answers[i].choice && is_said) {
                return false;
            }
        }
        sum += answers[i].mark;
        best = answers[i].mark > best ? answers[i].mark : best;
    }
    bool is_one = item->kind == PW_ITEM_KIND_SINGLE_CHOICE || item->kind == PW_ITEM_KIND_TRUE_FALSE;
    if (item->scoring == PW_SCORING_MATCH_CORRECT) {
        return item->answers.count >= 1 && (!is_one || item->answers.count == 1);
    }
    return item->answers.count >= 1 &&
           (item->kind == PW_ITEM_KIND_MULTIPLE_CHOICE ? sum : best) >= item->maximum;
}

static bool fits(const struct item_content *item, uint32_t choice_count)
{
    if (!choices_fit(item->kind, choice_count) ||
        (item->penalty > 0 && item->scoring != PW_SCORING_MAP_RESPONSE)) {
        return false;
    }
    bool is_for_people = item->kind == PW_ITEM_KIND_ESSAY || item->kind == PW_ITEM_KIND_FILE;
    if (item->scoring == PW_SCORING_BY_PEOPLE) {
        return (is_for_people || item->kind == PW_ITEM_KIND_SHORT_TEXT) && item->answers.count == 0;
    }
    return !is_for_people && key_fits(item, choice_count);
}

/* --- What must be answered --- */

static enum pw_code revise(const struct item *item, const struct pw_item_revise *command,
                           bool *ret_changes)
{
    struct item_content content = content_of_revise(command);
    const struct item_version *newest = &item->versions[item->version_count - 1];
    if (item->is_retired) {
        return PW_ERR_ITEM_RETIRED;
    }
    if (!fits(&content, content.choices.count)) {
        return PW_ERR_ITEM_INCOHERENT;
    }
    *ret_changes = !same(&newest->content, &content);
    return PW_OK;
}

static enum pw_code correct(const struct item *item, const struct pw_item_correct_key *command,
                            bool *ret_changes)
{
    if (command->version_number > item->version_count) {
        return PW_ERR_NO_SUCH_ITEM_VERSION;
    }
    const struct item_version *version = &item->versions[command->version_number - 1];
    struct item_content content = version->content;
    content.answers = command->answers;
    if (!fits(&content, content.choices.count)) {
        return PW_ERR_ITEM_INCOHERENT;
    }
    *ret_changes = !same_list(&version->content.answers, &command->answers);
    return PW_OK;
}

enum pw_code items_decide(const struct model *model, const struct pw_job *request,
                          bool *ret_changes)
{
    if (request->command.type == PW_COMMAND_ITEM_DRAFT) {
        struct item_content content = content_of_draft(&request->command.item_draft);
        return fits(&content, content.choices.count) ? PW_OK : PW_ERR_ITEM_INCOHERENT;
    }
    uint32_t at = item_at(model, &request->boundary_id, pw_command_target(&request->command));
    if (at == model->item_count || !pw_id_equal(&model->items[at].owner, &request->actor_id)) {
        return PW_ERR_NO_SUCH_ITEM;
    }
    const struct item *item = &model->items[at];
    if (request->command.type == PW_COMMAND_ITEM_REVISE) {
        return revise(item, &request->command.item_revise, ret_changes);
    }
    if (request->command.type == PW_COMMAND_ITEM_CORRECT_KEY) {
        return correct(item, &request->command.item_correct_key, ret_changes);
    }
    *ret_changes = !item->is_retired;
    return PW_OK;
}

/* --- What exams have of it --- */

void items_read(const struct pw_list *list, struct content *content)
{
    struct pw_cursor cursor = pw_list_begin(list);
    assert(list->count <= BOUND_MAX);
    content->item_count = 0;
    while (pw_list_next(&cursor, pw_exam_item_record(), &content->items[content->item_count])) {
        content->item_count++;
    }
}

enum pw_code items_bind(const struct model *model, const struct pw_job *request,
                        const struct content *content)
{
    for (uint32_t i = 0; i < content->item_count; i++) {
        for (uint32_t j = i + 1; j < content->item_count; j++) {
            if (pw_id_equal(&content->items[i].item_id, &content->items[j].item_id)) {
                return PW_ERR_ITEM_BOUND_TWICE;
            }
        }
    }
    for (uint32_t i = 0; i < content->item_count; i++) {
        uint32_t at = item_at(model, &request->boundary_id, &content->items[i].item_id);
        if (at == model->item_count || !pw_id_equal(&model->items[at].owner, &request->actor_id)) {
            return PW_ERR_NO_SUCH_ITEM;
        }
        if (content->items[i].version_number > model->items[at].version_count) {
            return PW_ERR_NO_SUCH_ITEM_VERSION;
        }
        if (model->items[at].is_retired) {
            return PW_ERR_ITEM_RETIRED;
        }
    }
    return PW_OK;
}

uint32_t items_sum(const struct model *model, const struct pw_id *tenant,
                   const struct content *content)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < content->item_count; i++) {
        const struct item *item = &model->items[item_at(model, tenant, &content->items[i].item_id)];
        sum += item->versions[content->items[i].version_number - 1].content.maximum;
    }
    return sum;
}

/* --- What it changes --- */

static void add_version(struct item *item, struct item_content content)
{
    assert(item->version_count < PW_COUNT(item->versions));
    item->versions[item->version_count++] =
        (struct item_version){.content = content, .key_number = 1};
    item->version++;
}

uint32_t items_apply(struct model *model, const struct pw_job *request, const struct pw_id *id)
{
    if (request->command.type == PW_COMMAND_ITEM_DRAFT) {
        assert(model->item_count < ITEMS_MAX);
        model->items[model->item_count++] =
            (struct item){.tenant = request->boundary_id, .id = *id, .owner = request->actor_id};
    }
    struct item *item = &model->items[item_at(model, &request->boundary_id, id)];
    if (request->command.type == PW_COMMAND_ITEM_DRAFT) {
        add_version(item, content_of_draft(&request->command.item_draft));
    } else if (request->command.type == PW_COMMAND_ITEM_REVISE) {
        add_version(item, content_of_revise(&request->command.item_revise));
    } else if (request->command.type == PW_COMMAND_ITEM_RETIRE) {
        item->is_retired = true;
        item->version++;
    } else {
        const struct pw_item_correct_key *command = &request->command.item_correct_key;
        struct item_version *version = &item->versions[command->version_number - 1];
        version->content.answers = command->answers;
        version->key_number++;
        item->version++;
    }
    return item->version;
}

uint32_t items_version(const struct model *model, const struct pw_job *request)
{
    return model->items[item_at(model, &request->boundary_id, pw_command_target(&request->command))]
        .version;
}

/* --- What was made of it --- */

static bool version_differs(const struct item_version *version,
                            const struct pw_item_version *folded)
{
    const struct item_content *content = &version->content;
    return folded == NULL || folded->key_number != version->key_number ||
           folded->kind != content->kind || folded->scoring != content->scoring ||
           folded->choice_count != content->choices.count ||
           folded->maximum_mark != content->maximum || folded->penalty_max != content->penalty;
}

bool items_differ(const struct model *model, const struct pw_tenant *tenant,
                  const struct pw_id *tenant_id)
{
    for (uint32_t i = 0; i < model->item_count; i++) {
        const struct item *item = &model->items[i];
        if (!pw_id_equal(&item->tenant, tenant_id)) {
            continue;
        }
        const struct pw_item *folded = pw_tenant_item(tenant, &item->id);
        if (folded == NULL || folded->version != item->version ||
            folded->newest_number != item->version_count ||
            (folded->is_retired != 0) != item->is_retired ||
            !pw_id_equal(&folded->owner_id, &item->owner)) {
            return true;
        }
        for (uint32_t number = 1; number <= item->version_count; number++) {
            if (version_differs(&item->versions[number - 1],
                                pw_tenant_item_version(tenant, &item->id, number))) {
                return true;
            }
        }
    }
    return false;
}
