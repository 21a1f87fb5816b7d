/* commands/item.c: the bank of items. A version never changes but for a key that was wrong.
 *
 * The texts of an item are not part of the state: a decision needs its choices' number, its marks, and hashes. */
#include "commands/item_key.h"
#include "commands/tenant_state.h"
#include "schemas/codec.h"

#define CONTENT_FORM    1
#define LABEL_BYTES_MAX 1000 /* These as schemas/item.def has them. */
#define CHOICES_MAX     20
#define ANSWERS_MAX     40
#define MARK_MAX        10000

/* What the three messages that have a whole item say, alike. */
struct content {
    struct pw_str title;
    struct pw_str prompt;
    struct pw_list choices;
    struct pw_list answers;
    uint32_t kind;
    uint32_t scoring;
    uint32_t maximum_mark;
    uint32_t penalty_max;
};

#define CONTENT_OF(message)                                                                        \
    (struct content)                                                                               \
    {                                                                                              \
        (message)->title, (message)->prompt, (message)->choices, (message)->answers,               \
            (message)->kind, (message)->scoring, (message)->maximum_mark, (message)->penalty_max   \
    }

/* SHA-256 of the content with a key, as schemas/item.def defines it. The lists go in as their hashes: a decider allocates nothing, and they may be long. */
static struct pw_hash content_hash(const struct content *content, const struct pw_hash *answers)
{
    uint8_t bytes[PW_TEXT_BYTES_MAX + 256];
    struct pw_buffer buffer = {.data = bytes, .room = sizeof bytes, .bytes_max = sizeof bytes};
    struct pw_hash prompt = pw_sha256(content->prompt.ptr, content->prompt.len, NULL, 0);
    struct pw_hash choices = pw_list_hash(&content->choices);
    pw_write_array(&buffer, 9);
    pw_write_uint(&buffer, CONTENT_FORM);
    pw_write_text(&buffer, content->title);
    pw_write_text(&buffer,
                  pw_str_of(pw_names_of(PW_FIELD_KIND_item_kind).names[content->kind].name));
    pw_write_bin(&buffer, prompt.bytes, sizeof prompt.bytes);
    pw_write_bin(&buffer, choices.bytes, sizeof choices.bytes);
    pw_write_text(&buffer,
                  pw_str_of(pw_names_of(PW_FIELD_KIND_scoring).names[content->scoring].name));
    pw_write_bin(&buffer, answers->bytes, sizeof answers->bytes);
    pw_write_uint(&buffer, content->maximum_mark);
    pw_write_uint(&buffer, content->penalty_max);
    assert(!buffer.full && buffer.data == bytes);
    return pw_sha256(bytes, buffer.bytes, NULL, 0);
}

/* Another teacher's item does not exist for this one. */
static const struct pw_item *own_item(const struct pw_tenant *tenant, const struct pw_id *id,
                                      const struct pw_context *context)
{
    const struct pw_item *item = pw_tenant_item(tenant, id);
    return item != NULL && pw_id_equal(&item->owner_id, &context->actor_id) ? item : NULL;
}

static const char *content_incoherence(const struct content *content)
{
    struct pw_item_form form = {.kind = content->kind,
                                .scoring = content->scoring,
                                .choice_count = content->choices.count,
                                .maximum_mark = content->maximum_mark,
                                .penalty_max = content->penalty_max};
    return pw_item_misfit(&form, &content->answers);
}

static enum pw_code fail_incoherent(struct pw_err *err, const char *why)
{
    return pw_fail(err, PW_ERR_ITEM_INCOHERENT, "%s", why);
}

enum pw_code pw_item_draft_decide(const struct pw_tenant *tenant,
                                  const struct pw_item_draft *command,
                                  const struct pw_context *context, struct pw_decision *out,
                                  struct pw_err *err)
{
    if (tenant == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant");
    }
    struct content content = CONTENT_OF(command);
    const char *why = content_incoherence(&content);
    if (why != NULL) {
        return fail_incoherent(err, why);
    }
    struct pw_hash answers = pw_list_hash(&content.answers);
    pw_decision_add(out, PW_EVENT_ITEM_DRAFTED, &command->item_id)->item_drafted =
        (struct pw_item_drafted){
            .title = command->title,
            .kind = command->kind,
            .prompt = command->prompt,
            .choices = command->choices,
            .scoring = command->scoring,
            .answers = command->answers,
            .maximum_mark = command->maximum_mark,
            .penalty_max = command->penalty_max,
            .owner_id = context->actor_id,
            .content_hash = content_hash(&content, &answers),
        };
    return PW_OK;
}

/* Whether a version is that already, with the key that it has now. Its content's hash stands for the key that it came with. */
static bool is_version(const struct pw_item_version *version, const struct content *content,
                       const struct pw_hash *answers)
{
    struct pw_hash hash = content_hash(content, &version->first_answers_hash);
    return pw_hash_equal(&hash, &version->content_hash) &&
           pw_hash_equal(answers, &version->answers_hash);
}

enum pw_code pw_item_revise_decide(const struct pw_tenant *tenant,
                                   const struct pw_item_revise *command,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err)
{
    const struct pw_item *item = own_item(tenant, &command->item_id, context);
    if (item == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ITEM, "item_id");
    }
    if (item->is_retired) {
        return pw_fail(err, PW_ERR_ITEM_RETIRED, "item_id");
    }
    struct content content = CONTENT_OF(command);
    const char *why = content_incoherence(&content);
    if (why != NULL) {
        return fail_incoherent(err, why);
    }
    const struct pw_item_version *newest =
        pw_tenant_item_version(tenant, &command->item_id, item->newest_number);
    struct pw_hash answers = pw_list_hash(&content.answers);
    if (is_version(newest, &content, &answers)) {
        return PW_OK;
    }
    pw_decision_add(out, PW_EVENT_ITEM_REVISED, &command->item_id)->item_revised =
        (struct pw_item_revised){
            .title = command->title,
            .kind = command->kind,
            .prompt = command->prompt,
            .choices = command->choices,
            .scoring = command->scoring,
            .answers = command->answers,
            .maximum_mark = command->maximum_mark,
            .penalty_max = command->penalty_max,
            .version_number = item->newest_number + 1,
            .content_hash = content_hash(&content, &answers),
        };
    return PW_OK;
}

enum pw_code pw_item_retire_decide(const struct pw_tenant *tenant,
                                   const struct pw_item_retire *command,
                                   const struct pw_context *context, struct pw_decision *out,
                                   struct pw_err *err)
{
    const struct pw_item *item = own_item(tenant, &command->item_id, context);
    if (item == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ITEM, "item_id");
    }
    if (!item->is_retired) {
        pw_decision_add(out, PW_EVENT_ITEM_RETIRED, &command->item_id)->item_retired =
            (struct pw_item_retired){.version_number = item->newest_number};
    }
    return PW_OK;
}

static struct pw_item_form form_of_version(const struct pw_item_version *version)
{
    return (struct pw_item_form){.kind = version->kind,
                                 .scoring = version->scoring,
                                 .choice_count = version->choice_count,
                                 .maximum_mark = version->maximum_mark,
                                 .penalty_max = version->penalty_max};
}

enum pw_code pw_item_correct_key_decide(const struct pw_tenant *tenant,
                                        const struct pw_item_correct_key *command,
                                        const struct pw_context *context, struct pw_decision *out,
                                        struct pw_err *err)
{
    const struct pw_item *item = own_item(tenant, &command->item_id, context);
    if (item == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ITEM, "item_id");
    }
    const struct pw_item_version *version =
        pw_tenant_item_version(tenant, &command->item_id, command->version_number);
    if (version == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_ITEM_VERSION, "the newest is %u", item->newest_number);
    }
    struct pw_item_form form = form_of_version(version);
    const char *why = pw_item_misfit(&form, &command->answers);
    if (why != NULL) {
        return fail_incoherent(err, why);
    }
    struct pw_hash hash = pw_list_hash(&command->answers);
    if (!pw_hash_equal(&hash, &version->answers_hash)) {
        pw_decision_add(out, PW_EVENT_ITEM_KEY_CORRECTED, &command->item_id)->item_key_corrected =
            (struct pw_item_key_corrected){
                .version_number = command->version_number,
                .key_number = version->key_number + 1,
                .answers = command->answers,
                .answers_hash = hash,
                .reason = command->reason,
            };
    }
    return PW_OK;
}

/* --- What has happened --- */

/* As the table has it: what a record says beyond that would not go into a row, or into a sum. Whether the parts fit one another was asked when it was
 * decided, by the rules of then. */
static bool is_in_table(const struct content *content)
{
    struct pw_cursor cursor = pw_list_begin(&content->choices);
    struct pw_item_choice choice;
    bool is = content->title.len > 0 && content->title.len <= PW_TEXT_BYTES_MAX &&
              content->prompt.len > 0 && content->prompt.len <= PW_PASSAGE_BYTES_MAX &&
              content->choices.count <= CHOICES_MAX && content->answers.count <= ANSWERS_MAX &&
              content->maximum_mark > 0 && content->maximum_mark <= MARK_MAX &&
              content->penalty_max <= MARK_MAX;
    while (is && pw_list_next(&cursor, pw_item_choice_record(), &choice)) {
        is = choice.label.len > 0 && choice.label.len <= LABEL_BYTES_MAX;
    }
    return is;
}

static const char *content_misfit(const struct content *content, const struct pw_hash *hash)
{
    if (!is_in_table(content)) {
        return "a part of it is empty, too long or too large";
    }
    struct pw_hash answers = pw_list_hash(&content->answers);
    struct pw_hash is = content_hash(content, &answers);
    return pw_hash_equal(&is, hash) ? NULL : "the hash is not that of the content";
}

static void put_version(struct pw_tenant *tenant, const struct pw_id *item_id, uint32_t number,
                        const struct content *content, const struct pw_hash *hash,
                        struct pw_undo *undo)
{
    struct pw_id key = pw_item_version_key(item_id, number);
    *(struct pw_item_version *)pw_map_put(tenant->item_versions, &key, undo) =
        (struct pw_item_version){
            .item_id = *item_id,
            .content_hash = *hash,
            .first_answers_hash = pw_list_hash(&content->answers),
            .answers_hash = pw_list_hash(&content->answers),
            .number = number,
            .key_number = 1,
            .kind = content->kind,
            .scoring = content->scoring,
            .choice_count = content->choices.count,
            .maximum_mark = content->maximum_mark,
            .penalty_max = content->penalty_max,
        };
}

enum pw_code pw_item_drafted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                    struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_item_drafted *drafted = &event->item_drafted;
    struct content content = CONTENT_OF(drafted);
    if (pw_tenant_item(tenant, &event->stream_id) != NULL) {
        return pw_misfit(err, event, "the item exists already");
    }
    const char *why = content_misfit(&content, &drafted->content_hash);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_item *item = pw_map_put(tenant->items, &event->stream_id, undo);
    item->owner_id = drafted->owner_id;
    item->version = event->stream_version;
    item->newest_number = 1;
    put_version(tenant, &event->stream_id, 1, &content, &drafted->content_hash, undo);
    return PW_OK;
}

enum pw_code pw_item_revised_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                    struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_item_revised *revised = &event->item_revised;
    const struct pw_item *before = pw_tenant_item(tenant, &event->stream_id);
    struct content content = CONTENT_OF(revised);
    if (before == NULL || before->is_retired) {
        return pw_misfit(err, event, "there is no such item that is not retired");
    }
    if (revised->version_number != (uint64_t)before->newest_number + 1) {
        return pw_misfit(err, event, "it is not the item's next version");
    }
    const char *why = content_misfit(&content, &revised->content_hash);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_item *item = pw_map_put(tenant->items, &event->stream_id, undo);
    item->version = event->stream_version;
    item->newest_number = revised->version_number;
    put_version(tenant, &event->stream_id, revised->version_number, &content,
                &revised->content_hash, undo);
    return PW_OK;
}

enum pw_code pw_item_retired_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                    struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_item *before = pw_tenant_item(tenant, &event->stream_id);
    if (before == NULL || before->is_retired) {
        return pw_misfit(err, event, "there is no such item that is not retired");
    }
    if (event->item_retired.version_number != before->newest_number) {
        return pw_misfit(err, event, "it is not the item's last version");
    }
    struct pw_item *item = pw_map_put(tenant->items, &event->stream_id, undo);
    item->version = event->stream_version;
    item->is_retired = 1;
    return PW_OK;
}

enum pw_code pw_item_key_corrected_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_item_key_corrected *corrected = &event->item_key_corrected;
    const struct pw_item_version *before =
        pw_tenant_item_version(tenant, &event->stream_id, corrected->version_number);
    if (before == NULL || corrected->key_number != (uint64_t)before->key_number + 1) {
        return pw_misfit(err, event, "it is not the next key of a version");
    }
    struct pw_hash hash = pw_list_hash(&corrected->answers);
    if (corrected->answers.count > ANSWERS_MAX || !pw_hash_equal(&hash, &corrected->answers_hash)) {
        return pw_misfit(err, event, "the key is too long, or the hash is not its own");
    }
    struct pw_item *item = pw_map_put(tenant->items, &event->stream_id, undo);
    item->version = event->stream_version;
    struct pw_id key = pw_item_version_key(&event->stream_id, corrected->version_number);
    struct pw_item_version *version = pw_map_put(tenant->item_versions, &key, undo);
    version->key_number = corrected->key_number;
    version->answers_hash = hash;
    return PW_OK;
}
