/* api/audit_wish.c: what an auditor asks for by HTTP. */
#include "api/audit_wish.h"

#include "api/door.h"

void pw_audit_wish_init(struct pw_audit_wish *wish, const struct pw_id *tenant_id)
{
    *wish = (struct pw_audit_wish){
        .question = {.tenant_id = *tenant_id, .until_us = INT64_MAX, .is_for_tenant = true}};
    pw_audit_filter_init(&wish->filter);
    wish->filter.tenant_id = *tenant_id;
}

void pw_audit_wish_close(struct pw_audit_wish *wish)
{
    pw_audit_filter_close(&wish->filter);
}

static bool parse_number(struct pw_str value, int64_t min, int64_t *ret_number)
{
    int64_t number = 0;
    for (size_t i = 0; i < value.len; i++) {
        int64_t digit = value.ptr[i] - '0';
        if (digit < 0 || digit > 9 || number > (INT64_MAX - digit) / 10) {
            return false;
        }
        number = 10 * number + digit;
    }
    *ret_number = number;
    return value.len > 0 && number >= min;
}

static bool parse_flag(struct pw_str value, bool *ret_flag)
{
    *ret_flag = pw_str_equal(value, PW_STR("true"));
    return *ret_flag || pw_str_equal(value, PW_STR("false"));
}

static bool parse_place(struct pw_str value, uint32_t partition, struct pw_audit_question *question)
{
    question->has_at = true;
    return pw_position_parse(value, &question->at.position, &question->at.has_head) &&
           question->at.position.partition == partition;
}

static bool take_value(struct pw_audit_wish *wish, enum pw_audit_param param, uint32_t partition,
                       struct pw_str value)
{
    struct pw_audit_filter *filter = &wish->filter;
    int64_t min = pw_audit_params[param].min;
    switch (param) {
    case PW_AUDIT_FROM: return parse_number(value, min, &filter->from);
    case PW_AUDIT_FROM_HEIGHT: return parse_number(value, min, &wish->from_height);
    case PW_AUDIT_TO: return parse_number(value, min, &filter->to);
    case PW_AUDIT_LIMIT: return parse_number(value, min, &wish->limit);
    case PW_AUDIT_SINCE: return pw_at_parse(value, &filter->since_us);
    case PW_AUDIT_UNTIL: return pw_at_parse(value, &filter->until_us);
    case PW_AUDIT_EXAM: return pw_id_parse(value, &filter->exam_id);
    case PW_AUDIT_STUDENT: return pw_id_parse(value, &filter->person_id);
    case PW_AUDIT_STREAM:
        return pw_id_parse(value, &filter->stream_id) &&
               pw_id_parse(value, &wish->question.stream_id);
    case PW_AUDIT_ANSWERS: return parse_flag(value, &filter->with_answers);
    case PW_AUDIT_REFUSED: return parse_flag(value, &filter->refused_only);
    case PW_AUDIT_PLACE: return parse_place(value, partition, &wish->question);
    case PW_AUDIT_TIME: return pw_at_parse(value, &wish->question.until_us);
    case PW_AUDIT_PARAM_COUNT: break;
    }
    return false;
}

static const char *const must_be[] = {
    [PW_AUDIT_PARAM_NUMBER] = "must be a whole number, and not so small or large",
    [PW_AUDIT_PARAM_ID] = "must be a UUID",
    [PW_AUDIT_PARAM_AT] = "must be a moment as RFC 3339 has it; write + as %2B",
    [PW_AUDIT_PARAM_FLAG] = "must be true or false",
    [PW_AUDIT_PARAM_POSITION] = "must be a position of the tenant's partition, as Pw-Position has",
};

static enum pw_audit_param param_named(const struct pw_audit_info *info, struct pw_str name)
{
    for (int i = 0; i < PW_AUDIT_PARAM_COUNT; i++) {
        if ((info->params >> i & 1) != 0 &&
            pw_str_equal(name, pw_str_of(pw_audit_params[i].name))) {
            return (enum pw_audit_param)i;
        }
    }
    return PW_AUDIT_PARAM_COUNT;
}

/* Two places are none. */
static bool is_second_place(uint32_t given)
{
    return (given >> PW_AUDIT_PLACE & 1) != 0 && (given >> PW_AUDIT_TIME & 1) != 0;
}

void pw_audit_wish_read(struct pw_audit_wish *wish, const struct pw_audit_info *info,
                        uint32_t partition, struct pw_http_request *request,
                        struct pw_violations *violations)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < request->param_count; i++) {
        const struct pw_http_param *param = &request->params[i];
        enum pw_audit_param number = param_named(info, param->name);
        const char *wrong = NULL;
        if (number == PW_AUDIT_PARAM_COUNT) {
            wrong = "there is no such query parameter";
        } else if ((given >> number & 1) != 0) {
            wrong = "is given twice";
        } else if (!take_value(wish, number, partition, param->value)) {
            wrong = must_be[pw_audit_params[number].kind];
        } else if (is_second_place(given | UINT32_C(1) << number)) {
            wrong = "is a second place beside the other one";
        }
        given |= number == PW_AUDIT_PARAM_COUNT ? 0 : UINT32_C(1) << number;
        if (wrong != NULL) {
            pw_door_refuse_param(request, violations, param->name, wrong);
        }
    }
}

/* What a search for an exam or a person has to learn begins with the tenant. */
struct pw_audit_range pw_audit_wish_range(const struct pw_audit_wish *wish,
                                          const struct pw_audit_info *info)
{
    const struct pw_audit_filter *filter = &wish->filter;
    bool is_of_all = info == &pw_audits[PW_AUDIT_RECORDS];
    bool must_learn = !pw_id_is_nil(&filter->exam_id) || !pw_id_is_nil(&filter->person_id);
    struct pw_audit_range range = {.since_us = INT64_MIN};
    if (!is_of_all) {
        range.tenant_id = filter->tenant_id;
    }
    if (!must_learn) {
        range.from = filter->from;
        range.from_height = (uint64_t)wish->from_height;
        range.since_us = filter->since_us;
    }
    return range;
}
