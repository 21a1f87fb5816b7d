/* commands/slot_proctors.c: who proctors a slot. */
#include "commands/slot_parts.h"

/* A proctor's token may come from an issuer that the tenant trusts, where nobody has an account; else the account says it. */
static bool is_proctor(const struct pw_tenant *tenant, const struct pw_id *id)
{
    const struct pw_user *user = pw_tenant_user(tenant, id);
    return user == NULL ? tenant->issuer_count > 0
                        : user->state == PW_USER_ACTIVE && (user->roles & PW_ROLE(PROCTOR)) != 0;
}

static struct pw_assignment assignment_of(const struct pw_id *slot_id,
                                          const struct pw_id *proctor_id)
{
    return (struct pw_assignment){.slot_id = *slot_id, .proctor_id = *proctor_id};
}

bool pw_slot_is_proctored_by(const struct pw_tenant *tenant, const struct pw_id *slot_id,
                             const struct pw_id *proctor_id)
{
    struct pw_assignment assignment = assignment_of(slot_id, proctor_id);
    return pw_map_get(tenant->proctors, &assignment) != NULL;
}

enum pw_code pw_slot_assign_proctor_decide(const struct pw_tenant *tenant,
                                           const struct pw_slot_assign_proctor *command,
                                           const struct pw_context *context,
                                           struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = slot_to_run(tenant, &command->slot_id, context, err);
    if (slot == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    if (pw_slot_is_off(slot)) {
        return pw_slot_fail_cancelled(err, slot);
    }
    if (!is_proctor(tenant, &command->proctor_id)) {
        return pw_fail(err, PW_ERR_NOT_A_PROCTOR, "proctor_id");
    }
    if (!pw_slot_is_proctored_by(tenant, &command->slot_id, &command->proctor_id)) {
        pw_decision_add(out, PW_EVENT_SLOT_PROCTOR_ASSIGNED, &command->slot_id)
            ->slot_proctor_assigned = (struct pw_slot_proctor_assigned){
            .exam_id = slot->exam_id, .proctor_id = command->proctor_id};
    }
    return PW_OK;
}

enum pw_code pw_slot_release_proctor_decide(const struct pw_tenant *tenant,
                                            const struct pw_slot_release_proctor *command,
                                            const struct pw_context *context,
                                            struct pw_decision *out, struct pw_err *err)
{
    const struct pw_slot *slot = slot_to_run(tenant, &command->slot_id, context, err);
    if (slot == NULL) {
        return PW_ERR_NO_SUCH_SLOT;
    }
    if (pw_slot_is_proctored_by(tenant, &command->slot_id, &command->proctor_id)) {
        pw_decision_add(out, PW_EVENT_SLOT_PROCTOR_RELEASED, &command->slot_id)
            ->slot_proctor_released = (struct pw_slot_proctor_released){
            .exam_id = slot->exam_id, .proctor_id = command->proctor_id};
    }
    return PW_OK;
}

enum pw_code pw_slot_proctor_assigned_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot_proctor_assigned *assigned = &event->slot_proctor_assigned;
    struct pw_assignment assignment = assignment_of(&event->stream_id, &assigned->proctor_id);
    if (slot_of_event(tenant, event, &assigned->exam_id, undo, err) == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (pw_map_get(tenant->proctors, &assignment) != NULL) {
        return pw_misfit(err, event, "the proctor is assigned already");
    }
    pw_map_put(tenant->proctors, &assignment, undo);
    return PW_OK;
}

enum pw_code pw_slot_proctor_released_evolve(struct pw_tenant *tenant, const struct pw_event *event,
                                             struct pw_undo *undo, struct pw_err *err)
{
    const struct pw_slot_proctor_released *released = &event->slot_proctor_released;
    struct pw_assignment assignment = assignment_of(&event->stream_id, &released->proctor_id);
    if (slot_of_event(tenant, event, &released->exam_id, undo, err) == NULL) {
        return PW_ERR_LEDGER_DAMAGED;
    }
    if (pw_map_get(tenant->proctors, &assignment) == NULL) {
        return pw_misfit(err, event, "the proctor is not assigned");
    }
    pw_map_remove(tenant->proctors, &assignment, undo);
    return PW_OK;
}
