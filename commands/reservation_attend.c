/* commands/reservation_attend.c: who came, and who did not. What was marked by mistake is marked anew: both marks stay on record. Either way
 * the sitting's time stays blocked, so that no second mark makes two sittings overlap. */
#include "commands/reservation_parts.h"

/* What is to be marked, once it has begun: by admins any, by proctors those of slots that they are assigned to. */
static enum pw_code find_sitting(const struct pw_tenant *tenant, const struct reservation_ask *ask,
                                 const struct pw_context *context,
                                 const struct pw_reservation **ret_reservation, struct pw_err *err)
{
    const struct pw_reservation *reservation = pw_tenant_reservation(tenant, ask->id);
    *ret_reservation = NULL;
    if (reservation != NULL && context->role != PW_ROLE_ADMIN &&
        !pw_slot_is_proctored_by(tenant, &reservation->slot_id, &context->actor_id)) {
        return pw_fail(err, PW_ERR_NO_SUCH_RESERVATION, "reservation_id");
    }
    enum pw_code code = reservation_find(tenant, ask, context, &reservation, err);
    if (reservation != NULL && context->decided_at_us < reservation->starts_at_us) {
        return pw_fail(err, PW_ERR_SITTING_NOT_BEGUN, "possible from the start on");
    }
    *ret_reservation = reservation;
    return code;
}

enum pw_code pw_reservation_mark_attended_decide(const struct pw_tenant *tenant,
                                                 const struct pw_reservation_mark_attended *command,
                                                 const struct pw_context *context,
                                                 struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_MARK_ATTENDED,
                                        .done = PW_RESERVATION_ATTENDED,
                                        .wrong = PW_ERR_RESERVATION_NOT_BOOKED,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = find_sitting(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_MARKED_ATTENDED, &command->reservation_id)
        ->reservation_marked_attended =
        (struct pw_reservation_marked_attended){RESERVATION_OF(reservation)};
    return PW_OK;
}

enum pw_code pw_reservation_mark_no_show_decide(const struct pw_tenant *tenant,
                                                const struct pw_reservation_mark_no_show *command,
                                                const struct pw_context *context,
                                                struct pw_decision *out, struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_MARK_NO_SHOW,
                                        .done = PW_RESERVATION_NO_SHOW,
                                        .wrong = PW_ERR_RESERVATION_NOT_BOOKED,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = find_sitting(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    pw_decision_add(out, PW_EVENT_RESERVATION_MARKED_NO_SHOW, &command->reservation_id)
        ->reservation_marked_no_show = (struct pw_reservation_marked_no_show){
        RESERVATION_OF(reservation), .reason = command->reason};
    return PW_OK;
}

/* Whether it was due: its slot has its students reminded, and this one was not yet. */
enum pw_code pw_reservation_remind_decide(const struct pw_tenant *tenant,
                                          const struct pw_reservation_remind *command,
                                          const struct pw_context *context, struct pw_decision *out,
                                          struct pw_err *err)
{
    const struct reservation_ask ask = {.id = &command->reservation_id,
                                        .command = PW_COMMAND_RESERVATION_REMIND,
                                        .by_anybody = true};
    const struct pw_reservation *reservation;
    enum pw_code code = reservation_find(tenant, &ask, context, &reservation, err);
    if (reservation == NULL) {
        return code;
    }
    const struct pw_slot *slot = pw_tenant_slot(tenant, &reservation->slot_id);
    if (!reservation->is_told && pw_slot_is_telling(slot) &&
        context->decided_at_us < slot->starts_at_us) {
        pw_decision_add(out, PW_EVENT_RESERVATION_REMINDED, &command->reservation_id)
            ->reservation_reminded = (struct pw_reservation_reminded){RESERVATION_OF(reservation)};
    }
    return PW_OK;
}
