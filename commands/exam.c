/* commands/exam.c: what is examined. A draft changes; a published version never does. */
#include "commands/decide.h"
#include "commands/tenant_state.h"
#include "schemas/codec.h"

#define CONTENT_BYTES_MAX (PW_TEXT_BYTES_MAX + 64) /* The text, a hash, and what frames them. */
#define FORM_OF_NONE      1                        /* Of the content where no item is bound, */
#define FORM_OF_ITEMS     2                        /* and where some are. */

/* The content with its hash, which schemas/exam.def defines. A decider allocates nothing. */
static struct pw_exam_content hashed(struct pw_exam_content content)
{
    uint8_t bytes[CONTENT_BYTES_MAX]; /* All that the buffer needs. */
    struct pw_buffer buffer = {.data = bytes, .room = sizeof bytes, .bytes_max = sizeof bytes};
    bool has_items = content.item_count > 0;
    pw_write_array(&buffer, has_items ? 6 : 5);
    pw_write_uint(&buffer, has_items ? FORM_OF_ITEMS : FORM_OF_NONE);
    pw_write_text(&buffer, (struct pw_str){content.title, content.title_bytes});
    pw_write_uint(&buffer, content.duration_minutes);
    pw_write_uint(&buffer, content.lead_time_minutes);
    pw_write_uint(&buffer, content.buffer_minutes);
    if (has_items) {
        pw_write_bin(&buffer, content.items_hash.bytes, sizeof content.items_hash.bytes);
    }
    assert(!buffer.full && buffer.data == bytes);
    content.hash = pw_sha256(bytes, buffer.bytes, NULL, 0);
    return content;
}

/* The same items under other words and times. */
static struct pw_exam_content revised(struct pw_exam_content content, struct pw_str title,
                                      uint32_t duration_minutes, uint32_t lead_time_minutes,
                                      uint32_t buffer_minutes)
{
    assert(title.len <= sizeof content.title);
    memcpy(content.title, title.ptr, title.len);
    content.title_bytes = (uint32_t)title.len;
    content.duration_minutes = duration_minutes;
    content.lead_time_minutes = lead_time_minutes;
    content.buffer_minutes = buffer_minutes;
    return hashed(content);
}

static struct pw_exam_content ruled(struct pw_exam_content content, uint32_t lead_time_minutes,
                                    uint32_t buffer_minutes)
{
    content.lead_time_minutes = lead_time_minutes;
    content.buffer_minutes = buffer_minutes;
    return hashed(content);
}

/* Other items under the same words. */
static struct pw_exam_content bound(struct pw_exam_content content, const struct pw_list *items,
                                    uint32_t maximum_mark)
{
    content.item_count = items->count;
    content.items_hash = items->count == 0 ? (struct pw_hash){{0}} : pw_list_hash(items);
    content.maximum_mark = maximum_mark;
    return hashed(content);
}

/* Another teacher's exam does not exist for this one. */
static const struct pw_exam *own_exam(const struct pw_tenant *tenant, const struct pw_id *id,
                                      const struct pw_context *context)
{
    const struct pw_exam *exam = pw_tenant_exam(tenant, id);
    return exam != NULL && pw_id_equal(&exam->owner_id, &context->actor_id) ? exam : NULL;
}

/* The teacher's own exam, of which the draft can still change. */
static enum pw_code find_draft(const struct pw_tenant *tenant, const struct pw_id *id,
                               const struct pw_context *context, const struct pw_exam **ret_exam,
                               struct pw_err *err)
{
    *ret_exam = own_exam(tenant, id, context);
    return *ret_exam == NULL           ? pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id")
           : (*ret_exam)->is_withdrawn ? pw_fail(err, PW_ERR_EXAM_WITHDRAWN, "exam_id")
                                       : PW_OK;
}

enum pw_code pw_exam_draft_decide(const struct pw_tenant *tenant,
                                  const struct pw_exam_draft *command,
                                  const struct pw_context *context, struct pw_decision *out,
                                  struct pw_err *err)
{
    if (tenant == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_TENANT, "tenant");
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_EXAM_DRAFTED, &command->exam_id);
    event->exam_drafted = (struct pw_exam_drafted){
        .title = command->title,
        .duration_minutes = command->duration_minutes,
        .lead_time_minutes = command->lead_time_minutes,
        .buffer_minutes = command->buffer_minutes,
        .owner_id = context->actor_id,
    };
    return PW_OK;
}

enum pw_code pw_exam_revise_draft_decide(const struct pw_tenant *tenant,
                                         const struct pw_exam_revise_draft *command,
                                         const struct pw_context *context, struct pw_decision *out,
                                         struct pw_err *err)
{
    const struct pw_exam *exam;
    enum pw_code found = find_draft(tenant, &command->exam_id, context, &exam, err);
    if (found != PW_OK) {
        return found;
    }
    struct pw_exam_content content = revised(exam->draft, command->title, command->duration_minutes,
                                             command->lead_time_minutes, command->buffer_minutes);
    if (pw_hash_equal(&content.hash, &exam->draft.hash)) {
        return PW_OK;
    }
    struct pw_event *event = pw_decision_add(out, PW_EVENT_EXAM_DRAFT_REVISED, &command->exam_id);
    event->exam_draft_revised = (struct pw_exam_draft_revised){
        .title = command->title,
        .duration_minutes = command->duration_minutes,
        .lead_time_minutes = command->lead_time_minutes,
        .buffer_minutes = command->buffer_minutes,
    };
    return PW_OK;
}

enum pw_code pw_exam_set_rules_decide(const struct pw_tenant *tenant,
                                      const struct pw_exam_set_rules *command,
                                      const struct pw_context *context, struct pw_decision *out,
                                      struct pw_err *err)
{
    const struct pw_exam *exam;
    enum pw_code found = find_draft(tenant, &command->exam_id, context, &exam, err);
    if (found != PW_OK) {
        return found;
    }
    struct pw_exam_content content =
        ruled(exam->draft, command->lead_time_minutes, command->buffer_minutes);
    if (!pw_hash_equal(&content.hash, &exam->draft.hash)) {
        pw_decision_add(out, PW_EVENT_EXAM_RULES_SET, &command->exam_id)->exam_rules_set =
            (struct pw_exam_rules_set){.lead_time_minutes = command->lead_time_minutes,
                                       .buffer_minutes = command->buffer_minutes};
    }
    return PW_OK;
}

enum pw_code pw_exam_publish_decide(const struct pw_tenant *tenant,
                                    const struct pw_exam_publish *command,
                                    const struct pw_context *context, struct pw_decision *out,
                                    struct pw_err *err)
{
    const struct pw_exam *exam;
    enum pw_code found = find_draft(tenant, &command->exam_id, context, &exam, err);
    if (found != PW_OK) {
        return found;
    }
    if (exam->published_number > 0 && pw_hash_equal(&exam->draft.hash, &exam->published.hash)) {
        return PW_OK;
    }
    struct pw_event *event =
        pw_decision_add(out, PW_EVENT_EXAM_VERSION_PUBLISHED, &command->exam_id);
    event->exam_version_published = (struct pw_exam_version_published){
        .version_number = exam->published_number + 1, .content_hash = exam->draft.hash};
    return PW_OK;
}

/* The items that a list names. */
struct items {
    struct pw_exam_item all[PW_LIST_COUNT_MAX];
    uint32_t count;
};

static struct items items_of(const struct pw_list *list)
{
    struct items items = {.count = list->count};
    struct pw_cursor cursor = pw_list_begin(list);
    assert(list->count <= PW_COUNT(items.all));
    for (uint32_t i = 0; i < items.count; i++) {
        pw_list_next(&cursor, pw_exam_item_record(), &items.all[i]);
    }
    return items;
}

/* What is named twice: its place in the list; or how many there are. */
static uint32_t repeated(const struct items *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (pw_id_equal(&items->all[i].item_id, &items->all[j].item_id)) {
                return i;
            }
        }
    }
    return items->count;
}

static enum pw_code bind_refused(const struct pw_tenant *tenant, const struct pw_context *context,
                                 const struct pw_exam_item *wanted)
{
    const struct pw_item *item = pw_tenant_item(tenant, &wanted->item_id);
    return item == NULL || !pw_id_equal(&item->owner_id, &context->actor_id) ? PW_ERR_NO_SUCH_ITEM
           : wanted->version_number > item->newest_number ? PW_ERR_NO_SUCH_ITEM_VERSION
           : item->is_retired                             ? PW_ERR_ITEM_RETIRED
                                                          : PW_OK;
}

static uint32_t mark_of(const struct pw_tenant *tenant, const struct pw_exam_item *item)
{
    return pw_tenant_item_version(tenant, &item->item_id, item->version_number)->maximum_mark;
}

static bool has_items(const struct pw_exam_content *content, const struct pw_list *items)
{
    struct pw_hash hash = pw_list_hash(items);
    return content->item_count == items->count &&
           (items->count == 0 || pw_hash_equal(&content->items_hash, &hash));
}

enum pw_code pw_exam_bind_items_decide(const struct pw_tenant *tenant,
                                       const struct pw_exam_bind_items *command,
                                       const struct pw_context *context, struct pw_decision *out,
                                       struct pw_err *err)
{
    const struct pw_exam *exam;
    enum pw_code found = find_draft(tenant, &command->exam_id, context, &exam, err);
    if (found != PW_OK) {
        return found;
    }
    if (has_items(&exam->draft, &command->items)) {
        return PW_OK;
    }
    struct items items = items_of(&command->items);
    uint32_t twice = repeated(&items);
    if (twice < items.count) {
        return pw_fail(err, PW_ERR_ITEM_BOUND_TWICE, "items/%u", twice);
    }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < items.count; i++) {
        enum pw_code code = bind_refused(tenant, context, &items.all[i]);
        if (code == PW_ERR_NO_SUCH_ITEM_VERSION) {
            return pw_fail(err, code, "items/%u: the newest is %u", i,
                           pw_tenant_item(tenant, &items.all[i].item_id)->newest_number);
        }
        if (code != PW_OK) {
            return pw_fail(err, code, "items/%u", i);
        }
        sum += mark_of(tenant, &items.all[i]);
    }
    pw_decision_add(out, PW_EVENT_EXAM_ITEMS_BOUND, &command->exam_id)->exam_items_bound =
        (struct pw_exam_items_bound){.items = command->items,
                                     .items_hash = pw_list_hash(&command->items),
                                     .maximum_mark = sum};
    return PW_OK;
}

/* Whether one comes before another: the order of their starts, then of their ids. */
static bool comes_before(const struct pw_slot *slot, const struct pw_id *id,
                         const struct pw_slot *other, const struct pw_id *other_id)
{
    return slot->starts_at_us != other->starts_at_us ? slot->starts_at_us < other->starts_at_us
                                                     : memcmp(id, other_id, sizeof *id) < 0;
}

/* The first slot of the exam that starts after a moment and in which somebody has something; nil: there is none. */
static struct pw_id booked_slot(const struct pw_tenant *tenant, const struct pw_id *exam_id,
                                int64_t after_us)
{
    uint64_t cursor = 0;
    const void *id;
    const void *value;
    struct pw_id first_id = {{0}};
    const struct pw_slot *first = NULL;
    while (pw_map_next(tenant->slots, &cursor, &id, &value)) {
        const struct pw_slot *slot = value;
        if (pw_id_equal(&slot->exam_id, exam_id) && slot->starts_at_us > after_us &&
            !pw_slot_is_off(slot) && slot->open_count > 0 &&
            (first == NULL || comes_before(slot, id, first, &first_id))) {
            first = slot;
            first_id = *(const struct pw_id *)id;
        }
    }
    return first_id;
}

enum pw_code pw_exam_withdraw_decide(const struct pw_tenant *tenant,
                                     const struct pw_exam_withdraw *command,
                                     const struct pw_context *context, struct pw_decision *out,
                                     struct pw_err *err)
{
    const struct pw_exam *exam = own_exam(tenant, &command->exam_id, context);
    if (exam == NULL) {
        return pw_fail(err, PW_ERR_NO_SUCH_EXAM, "exam_id");
    }
    if (exam->is_withdrawn) {
        return PW_OK;
    }
    struct pw_id booked = booked_slot(tenant, &command->exam_id, context->decided_at_us);
    if (!command->cancel_slots && !pw_id_is_nil(&booked)) {
        char text[PW_ID_TEXT_BYTES + 1];
        pw_id_format(&booked, text);
        return pw_fail(err, PW_ERR_EXAM_IS_BOOKED, "slot %s", text);
    }
    pw_decision_add(out, PW_EVENT_EXAM_WITHDRAWN, &command->exam_id)->exam_withdrawn =
        (struct pw_exam_withdrawn){.reason = command->reason,
                                   .withdrawn_at = context->decided_at_us};
    return PW_OK;
}

/* What a later slot.open adds up must stay a moment that a record can hold. */
static const char *draft_misfit(struct pw_str title, uint32_t duration_minutes,
                                uint32_t lead_time_minutes, uint32_t buffer_minutes)
{
    if (title.len == 0 || title.len > PW_TEXT_BYTES_MAX) {
        return "the title is empty or too long";
    }
    if (duration_minutes == 0 || duration_minutes > PW_MINUTES_MAX ||
        lead_time_minutes > PW_MINUTES_MAX || buffer_minutes > PW_MINUTES_MAX) {
        return "the minutes are out of range";
    }
    return NULL;
}

enum pw_code pw_exam_drafted_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                    struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_drafted *drafted = &event->exam_drafted;
    if (pw_tenant_exam(tenant, &event->stream_id) != NULL) {
        return pw_misfit(err, event, "the exam exists already");
    }
    const char *why = draft_misfit(drafted->title, drafted->duration_minutes,
                                   drafted->lead_time_minutes, drafted->buffer_minutes);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->owner_id = drafted->owner_id;
    exam->draft =
        revised((struct pw_exam_content){.title_bytes = 0}, drafted->title,
                drafted->duration_minutes, drafted->lead_time_minutes, drafted->buffer_minutes);
    return PW_OK;
}

/* The exam whose draft an event changes; NULL, and why in err: there is none that is not withdrawn. */
static const struct pw_exam *exam_of(const struct pw_tenant *tenant, const struct pw_event *event,
                                     struct pw_err *err)
{
    const struct pw_exam *exam = pw_tenant_exam(tenant, &event->stream_id);
    if (exam == NULL || exam->is_withdrawn) {
        pw_misfit(err, event, "there is no such exam that is not withdrawn");
        return NULL;
    }
    return exam;
}

static enum pw_code put_draft(struct pw_tenant *tenant, const struct pw_event *event,
                              struct pw_exam_content draft, struct pw_undo *undo)
{
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->draft = draft;
    return PW_OK;
}

enum pw_code pw_exam_draft_revised_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                          struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_draft_revised *is = &event->exam_draft_revised;
    const struct pw_exam *before = exam_of(tenant, event, err);
    if (before == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    const char *why =
        draft_misfit(is->title, is->duration_minutes, is->lead_time_minutes, is->buffer_minutes);
    if (why != NULL) {
        return pw_misfit(err, event, why);
    }
    return put_draft(tenant, event,
                     revised(before->draft, is->title, is->duration_minutes, is->lead_time_minutes,
                             is->buffer_minutes),
                     undo);
}

enum pw_code pw_exam_rules_set_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_rules_set *rules = &event->exam_rules_set;
    const struct pw_exam *before = exam_of(tenant, event, err);
    if (before == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (rules->lead_time_minutes > PW_MINUTES_MAX || rules->buffer_minutes > PW_MINUTES_MAX) {
        return pw_misfit(err, event, "the minutes are out of range");
    }
    return put_draft(tenant, event,
                     ruled(before->draft, rules->lead_time_minutes, rules->buffer_minutes), undo);
}

enum pw_code pw_exam_items_bound_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                        struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_items_bound *is = &event->exam_items_bound;
    const struct pw_exam *before = exam_of(tenant, event, err);
    if (before == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    struct pw_hash hash = pw_list_hash(&is->items);
    if (is->items.count > PW_LIST_COUNT_MAX || !pw_hash_equal(&hash, &is->items_hash)) {
        return pw_misfit(err, event, "there are too many items, or the hash is not theirs");
    }
    struct items items = items_of(&is->items);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < items.count; i++) {
        const struct pw_item_version *version =
            pw_tenant_item_version(tenant, &items.all[i].item_id, items.all[i].version_number);
        if (version == NULL) {
            return pw_misfit(err, event, "there is no such version of an item");
        }
        sum += version->maximum_mark;
    }
    if (sum != is->maximum_mark || repeated(&items) < items.count) {
        return pw_misfit(err, event, "an item is there twice, or the sum is not that of the marks");
    }
    return put_draft(tenant, event, bound(before->draft, &is->items, sum), undo);
}

enum pw_code pw_exam_version_published_evolve(struct pw_tenant *tenant,
                                              const struct pw_event *event, struct pw_undo *undo,
                                              struct pw_err *err)
{
    const struct pw_exam_version_published *published = &event->exam_version_published;
    const struct pw_exam *before = exam_of(tenant, event, err);
    if (before == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (published->version_number != (uint64_t)before->published_number + 1) {
        return pw_misfit(err, event, "it is not the exam's next version");
    }
    if (!pw_hash_equal(&published->content_hash, &before->draft.hash)) {
        return pw_misfit(err, event, "the hash is not that of the draft");
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->published_number = published->version_number;
    exam->published = exam->draft;
    return PW_OK;
}

/* Its slots count as cancelled from here on; the record of each follows (due.c). */
enum pw_code pw_exam_withdrawn_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                      struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_exam_withdrawn *withdrawn = &event->exam_withdrawn;
    const struct pw_exam *before = exam_of(tenant, event, err);
    if (before == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    struct pw_exam *exam = pw_map_put(tenant->exams, &event->stream_id, undo);
    exam->version = event->stream_version;
    exam->is_withdrawn = 1;
    uint64_t cursor = 0;
    const void *id;
    const void *value;
    while (pw_map_next(tenant->slots, &cursor, &id, &value)) {
        const struct pw_slot *is = value;
        if (pw_id_equal(&is->exam_id, &event->stream_id) && !pw_slot_is_off(is) &&
            is->starts_at_us > withdrawn->withdrawn_at) {
            struct pw_slot *slot = pw_map_put(tenant->slots, id, undo);
            slot->state = PW_SLOT_WITHDRAWN;
            slot->cancel_reason = withdrawn->reason;
            pw_due_list_slot(tenant, id, undo);
        }
    }
    return PW_OK;
}
