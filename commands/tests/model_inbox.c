/* commands/tests/model_inbox.c: what students are told, by the page of rules: whatever happens to what they have, but what they only asked
 * for; and what they have read of it. */
#include "commands/tests/model_parts.h"

#define UNREAD_MAX 63 /* Older ones count as read. */

static uint32_t inbox_at(const struct model *model, const struct pw_id *tenant,
                         const struct pw_id *student)
{
    uint32_t i = 0;
    while (i < model->inbox_count && !(pw_id_equal(&model->inboxes[i].tenant, tenant) &&
                                       pw_id_equal(&model->inboxes[i].student, student))) {
        i++;
    }
    return i;
}

void inbox_tell(struct model *model, const struct seat *seat)
{
    uint32_t at = inbox_at(model, &seat->tenant, &seat->student);
    if (at == model->inbox_count) {
        assert(model->inbox_count < INBOXES_MAX);
        model->inboxes[model->inbox_count++] =
            (struct inbox){.tenant = seat->tenant, .student = seat->student};
    }
    assert(model->inboxes[at].count < TOLD_MAX);
    model->inboxes[at].count++;
}

static bool is_unread(const struct inbox *inbox, uint32_t number)
{
    return !inbox->is_read[number - 1] && number + UNREAD_MAX > inbox->count;
}

enum pw_code inbox_decide(const struct model *model, const struct pw_job *request,
                          bool *ret_changes)
{
    const struct pw_inbox_mark_read *read = &request->command.inbox_mark_read;
    uint32_t at = inbox_at(model, &request->boundary_id, &request->actor_id);
    if (at == model->inbox_count || read->number > model->inboxes[at].count) {
        return PW_ERR_NO_SUCH_NOTIFICATION;
    }
    *ret_changes = false;
    for (uint32_t i = read->and_older ? 1 : read->number; i <= read->number; i++) {
        *ret_changes = *ret_changes || is_unread(&model->inboxes[at], i);
    }
    return PW_OK;
}

uint32_t inbox_apply(struct model *model, const struct pw_job *request)
{
    const struct pw_inbox_mark_read *read = &request->command.inbox_mark_read;
    struct inbox *inbox =
        &model->inboxes[inbox_at(model, &request->boundary_id, &request->actor_id)];
    for (uint32_t i = read->and_older ? 1 : read->number; i <= read->number; i++) {
        inbox->is_read[i - 1] = true;
    }
    return ++inbox->version;
}

bool inbox_differs(const struct inbox *inbox, const struct pw_inbox *folded)
{
    if (folded == NULL || folded->count != inbox->count || folded->version != inbox->version) {
        return true;
    }
    for (uint32_t i = 0; i < UNREAD_MAX && i < inbox->count; i++) {
        if ((folded->unread >> i & 1) != is_unread(inbox, inbox->count - i)) {
            return true;
        }
    }
    return false;
}
