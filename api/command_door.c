/* api/command_door.c: a command, from HTTP to the engine and back.
 *
 * A command with passwords, tokens or personal data is prepared first (api/prepare.h), by the node
 * that leads. The job lies in the request's arena: one command costs no allocation of its own. It is handed to
 * the engine of its boundary's partition; `done` is called on the engine's thread and only pushes
 * the request back to its loop, where the answer is written. Where another node leads the engine
 * says so, and the command is sent on to that node; one that came from another node is not. */
#include "api/credentials.h"
#include "api/door.h"
#include "api/headers.h"
#include "api/log.h"
#include "api/prepare.h"
#include "api/read_index.h"
#include "commands/decide.h"
#include "commands/due.h"

#define FORWARDS_MAX 3 /* Of one command that did not reach the node it was sent to. */

struct exchange {
    struct pw_job job; /* First: done gets the job, and finds the request by it. */
    struct pw_service *service;
    struct pw_http_request *request;
    const struct pw_route *route;
    struct pw_preparation *preparation; /* NULL: there is nothing to prepare. */
    bool is_prepared;
    struct pw_read_index_job read_index; /* Before it is prepared. */
    struct pw_forward *forward;          /* Under way, or done. */
    uint32_t forward_count;
    bool is_unjudged; /* Passed on: who sent it is not known here. */
    bool may_be_ours; /* It was in flight here: what is on record is no earlier request's. */
};

static void submit(struct exchange *exchange, void (*then)(struct pw_http_request *request));
static void finish(struct pw_http_request *request);
static void finish_question(struct pw_http_request *request);
static bool send_on(struct exchange *exchange);
static void prepare_here(struct exchange *exchange);

static bool check_representation(struct pw_http_request *request)
{
    struct pw_str type = request->headers[PW_HEADER_CONTENT_TYPE];
    if (!pw_header_accepts(request->headers[PW_HEADER_ACCEPT], PW_STR("application/json"))) {
        pw_door_problem(request, PW_ERR_NOT_ACCEPTABLE, NULL, NULL);
        return false;
    }
    bool type_fits = type.ptr != NULL ? pw_header_is_json(type) : request->body.len == 0;
    bool coding_fits = pw_header_is_identity(request->headers[PW_HEADER_CONTENT_ENCODING]);
    pw_http_header(request, "Accept-Encoding", coding_fits ? NULL : "identity");
    if (!type_fits || !coding_fits) {
        pw_door_problem(request, PW_ERR_MEDIA_TYPE, NULL, NULL);
        return false;
    }
    return true;
}

/* A fresh UUIDv7 of this moment. */
static struct pw_id make_id(struct pw_http_request *request)
{
    uint8_t random[16];
    pw_http_random(request, random, sizeof random);
    return pw_id_v7(pw_http_wall_us(), random);
}

/* The client's, or one that is made here: whatever is answered from now on has it. */
static bool take_key(struct pw_http_request *request, struct pw_job *job)
{
    struct pw_str key = request->headers[PW_HEADER_IDEMPOTENCY_KEY];
    if (key.ptr == NULL) {
        job->command_id = make_id(request);
        pw_door_key(request, &job->command_id);
    } else if (!pw_header_key(key, &job->command_id)) {
        pw_door_problem(request, PW_ERR_KEY_INVALID, NULL, NULL);
        return false;
    }
    return true;
}

static bool take_if_match(struct pw_http_request *request, struct pw_job *job)
{
    struct pw_str if_match = request->headers[PW_HEADER_IF_MATCH];
    job->if_match = -1;
    if (if_match.ptr != NULL && !pw_header_if_match(if_match, &job->if_match)) {
        pw_door_problem(request, PW_ERR_MALFORMED, "If-Match must be one ETag, as \"17\"", NULL);
        return false;
    }
    return true;
}

/* Ids of the path, ids that we make, and the id that is derived from the command id. What is no id
 * in the path names nothing. */
static bool fill_ids(struct pw_http_request *request, const struct pw_route *route,
                     struct pw_job *job)
{
    const struct pw_command_info *info = pw_command_info(job->command.type);
    char *body = pw_command_body(&job->command);
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        const struct pw_field *field = &info->message.fields[i];
        struct pw_id *id = (struct pw_id *)(void *)(body + field->offset);
        if (field->source == PW_MADE_BY_SHELL) {
            *id = make_id(request);
        } else if (field->source == PW_DERIVED_FROM_ID) {
            *id = pw_id_v5(&pw_derived_namespace, job->command_id.bytes, 16);
        } else if (field->source == PW_FROM_TOKEN) {
            *id = job->actor_id;
        } else if (field->source == PW_FROM_TENANT) {
            *id = job->boundary_id;
        } else if (field->source == PW_FROM_PATH &&
                   !pw_id_parse(pw_route_param(route, request, pw_str_of(field->name)), id)) {
            pw_door_problem(request, PW_ERR_NOT_FOUND, NULL, NULL);
            return false;
        }
    }
    return true;
}

static bool read_body(struct pw_http_request *request, struct pw_command *command)
{
    struct pw_violations violations = {.count = 0};
    struct pw_err err = {0};
    enum pw_code code =
        pw_command_read_json(request->body, &request->arena, command, &violations, &err);
    if (request->param_count > 0 && (code == PW_OK || code == PW_ERR_INVALID)) {
        code = PW_ERR_INVALID;
        for (uint32_t i = 0; i < request->param_count; i++) {
            pw_door_refuse_param(request, &violations, request->params[i].name,
                                 "a command takes no query parameters");
        }
    }
    if (code != PW_OK) {
        pw_door_problem(request, code, err.detail, &violations);
    }
    return code == PW_OK;
}

/* Tokens under our own name are checked by our own keys only (api/issuer.h), so that trust would be
 * worth nothing: better said here than found out. */
static bool check_trusted(const struct pw_service *service, struct pw_http_request *request,
                          const struct pw_command *command)
{
    struct pw_violations violations = {.count = 0};
    if (command->type != PW_COMMAND_TENANT_TRUST_ISSUER ||
        !pw_issuer_is(service->issuer, command->tenant_trust_issuer.issuer)) {
        return true;
    }
    pw_door_violation(&violations, "/issuer", "is our own name (tokens.issuer)");
    pw_door_problem(request, PW_ERR_INVALID, NULL, &violations);
    return false;
}

/* All that can be judged of a command without knowing who asks. Less is sent on than came, so another node could not. */
static bool read_command(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_job *job = &exchange->job;
    if (request->fault != PW_OK) {
        pw_door_problem(request, request->fault, request->fault_detail, NULL);
        return false;
    }
    return take_key(request, job) && check_representation(request) && take_if_match(request, job) &&
           fill_ids(request, exchange->route, job) && read_body(request, &job->command) &&
           check_trusted(exchange->service, request, &job->command);
}

/* The role that the actor acts in, where several would do: an admin's, who may most; else the last in
 * the table's order. So an admin who also teaches acts on any exam. */
static enum pw_role acting_role(uint32_t roles)
{
    return (roles & PW_ROLE(ADMIN)) != 0 ? PW_ROLE_ADMIN
                                         : (enum pw_role)(31 - __builtin_clz(roles));
}

static void on_done(struct pw_job *job)
{
    pw_http_complete_later(((struct exchange *)job)->request);
}

/* Nothing of who asks is in it yet. NULL: there is no room, and that is answered. */
static struct exchange *begin(struct pw_service *service, struct pw_http_request *request,
                              const struct pw_route *route)
{
    struct exchange *exchange = pw_arena_take(&request->arena, sizeof *exchange);
    if (exchange == NULL) {
        pw_door_problem(request, PW_ERR_QUEUE_FULL, NULL, NULL);
        return NULL;
    }
    exchange->service = service;
    exchange->request = request;
    exchange->route = route;
    exchange->job.command.type = (enum pw_command_type)route->number;
    exchange->job.done = on_done;
    pw_hex_parse((struct pw_str){request->trace_id, 32}, exchange->job.correlation_id.bytes, 16);
    return exchange;
}

/* Where the new thing is shown: its path has two ids, the tenant's and its own at the end. */
static const char *location_of(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const char *path = exchange->route->shown_by->path;
    struct pw_text text;
    char tenant[PW_ID_TEXT_BYTES + 1];
    char id[PW_ID_TEXT_BYTES + 1];
    pw_text_init(&text, &request->arena, 160);
    pw_id_format(&exchange->job.boundary_id, tenant);
    pw_id_format(&exchange->job.stream_id, id);
    pw_text_add_c(&text, "/v1/tenants/");
    pw_text_add_c(&text, tenant);
    pw_text_add(&text, (struct pw_str){path, (size_t)(strrchr(path, '{') - path)});
    pw_text_add_c(&text, id);
    return pw_text_c(&text);
}

static void answer_yes(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const struct pw_job *job = &exchange->job;
    bool creates = pw_command_creates(pw_command_info(job->command.type));
    struct pw_text text;
    char position[PW_POSITION_TEXT_BYTES_MAX];
    pw_position_format(&job->position, position);
    pw_text_init(&text, &request->arena, 192);
    pw_text_add_c(&text, "{\"id\":");
    pw_text_add_json_id(&text, &job->stream_id);
    pw_text_addf(&text, ",\"version\":%u,\"position\":\"%s\"", job->stream_version, position);
    if (!pw_prepare_answer(exchange->service->preparer, job, &text)) {
        pw_door_problem(request, PW_ERR_SESSION_ENDED, NULL, NULL);
        return;
    }
    pw_text_add_c(&text, "}");
    if (exchange->route->shown_by != NULL) {
        pw_http_header(request, "Location", location_of(exchange));
    }
    pw_http_header(request, "ETag", pw_text_format(&request->arena, "\"%u\"", job->stream_version));
    pw_door_private(request);
    pw_http_answer(request, creates ? 201 : 200, "application/json", pw_text_str(&text));
}

static void answer_no(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const struct pw_err *err = &exchange->job.err;
    enum pw_error_kind kind = pw_error_info(err->code)->kind;
    if (kind == PW_KIND_INTERNAL) {
        pw_log(PW_LOG_ERROR, "commands", PW_LOG_NO_PARTITION, request->trace_id, "%s: %s",
               pw_error_info(err->code)->name, err->detail);
    }
    /* What the broker or the ledger says is for the log; a refusal's detail is for the client. */
    pw_door_problem(request, err->code, kind == PW_KIND_UNAVAILABLE ? NULL : err->detail, NULL);
}

/* --- A refresh token that was used before --- */

/* On the loop's thread, once the session is ended, or was. */
static void finish_ending(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    enum pw_code code = exchange->job.err.code;
    if (code == PW_OK || code == PW_ERR_NO_SUCH_SESSION) {
        pw_door_problem(request, PW_ERR_SESSION_TOKEN_REUSED, NULL, NULL);
    } else {
        answer_no(exchange); /* It is tried again by whoever comes with that token again. */
    }
}

/* Its session ends before anybody is told: by the system, as a command of its own. */
static void end_stolen_session(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_job *job = &exchange->job;
    struct pw_id session_id = job->command.session_refresh.session_id;
    *job = (struct pw_job){.command = {.type = PW_COMMAND_SESSION_REVOKE,
                                       .session_revoke = {.session_id = session_id}},
                           .boundary_id = job->boundary_id,
                           .command_id = make_id(request),
                           .actor_id = pw_system_id,
                           .correlation_id = job->correlation_id,
                           .role = PW_ROLE_SYSTEM,
                           .if_match = -1,
                           .done = on_done};
    job->fingerprint =
        pw_fingerprint_of(exchange->service->secret, exchange->service->secret_bytes, job);
    submit(exchange, finish_ending);
}

/* On the loop's thread, once the job is answered. */
static void finish(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    struct pw_job *job = &exchange->job;
    if (job->err.code == PW_ERR_NO_LEADER && job->led_by[0] != '\0' && send_on(exchange)) {
        return;
    }
    if (job->replayed && job->err.code != PW_ERR_NO_LEADER) {
        request->refusal = PW_OK; /* They might, when it was decided. */
    }
    if (job->replayed && !exchange->may_be_ours) {
        pw_http_header(request, "Idempotency-Replayed", "true");
    }
    if (job->position.offset >= 0) {
        pw_door_position(request, &job->position);
    }
    bool stopping = atomic_load(&exchange->service->stopping); /* The engines may be gone. */
    if (job->err.code == PW_ERR_SESSION_TOKEN_REUSED && !stopping) {
        end_stolen_session(exchange);
    } else if (job->err.code == PW_ERR_SESSION_TOKEN_REUSED) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL);
    } else if (job->err.code == PW_OK) {
        answer_yes(exchange);
    } else {
        answer_no(exchange);
    }
}

/* --- Where another node leads --- */

static void answer_forwarded(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const struct pw_forward *forward = exchange->forward;
    for (uint32_t i = 0; i < forward->header_count; i++) {
        bool is_replay = strcmp(forward->header_names[i], "Idempotency-Replayed") == 0;
        if (!is_replay || !exchange->may_be_ours) {
            pw_http_header(request, forward->header_names[i], forward->header_values[i]);
        }
    }
    pw_http_answer(request, forward->status, forward->content_type, forward->body);
}

/* On the loop's thread, once the forward is done. */
static void finish_forward(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    switch (exchange->forward->result) {
    case PW_FORWARD_ANSWERED: answer_forwarded(exchange); break;
    case PW_FORWARD_LOST: pw_door_problem(request, PW_ERR_OUTCOME_UNKNOWN, NULL, NULL); break;
    case PW_FORWARD_NOT_SENT:
        if (exchange->is_unjudged) {
            pw_door_problem(request, PW_ERR_NO_LEADER, NULL, NULL);
        } else if (atomic_load(&exchange->service->stopping)) {
            pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL); /* The engines may be gone. */
        } else if (exchange->preparation != NULL && !exchange->is_prepared) {
            prepare_here(exchange); /* What was said in clear goes into no engine. */
        } else {
            submit(exchange, exchange->job.is_question
                                 ? finish_question
                                 : finish); /* It waits for the next leader. */
        }
        break;
    }
}

static void on_forwarded(struct pw_forward *forward)
{
    pw_http_complete(forward->request);
}

/* Every segment was a word of the route or an id: none needs to be encoded. There are no parameters. */
static struct pw_str path_of(struct pw_http_request *request)
{
    struct pw_text text;
    pw_text_init(&text, &request->arena, 192);
    for (uint32_t i = 0; i < request->segment_count; i++) {
        pw_text_add_c(&text, "/");
        pw_text_add(&text, request->segments[i]);
    }
    return pw_text_str(&text);
}

/* Sends the command to the node that leads. False where it is not to be sent on. */
static bool send_on(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    struct pw_forwarder *forwarder = exchange->service->forwarder;
    struct pw_job *job = &exchange->job;
    bool stopping = atomic_load_explicit(&exchange->service->stopping, memory_order_relaxed);
    if (forwarder == NULL || stopping || request->forwarded ||
        exchange->forward_count == FORWARDS_MAX) {
        return false;
    }
    exchange->forward = pw_arena_take(&request->arena, sizeof *exchange->forward);
    if (exchange->forward == NULL) {
        return false;
    }
    exchange->forward_count++;
    exchange->may_be_ours = exchange->may_be_ours || (job->was_in_flight && !job->replayed);
    *exchange->forward = (struct pw_forward){
        .request = request,
        .node_id = job->led_by,
        .path = path_of(request),
        .key = pw_door_key_text(request, &job->command_id),
        .done = on_forwarded,
    };
    pw_http_wait(request, finish_forward);
    if (!pw_forward_send(forwarder, exchange->forward)) {
        exchange->forward_count = FORWARDS_MAX;
        exchange->forward->result = PW_FORWARD_NOT_SENT;
        pw_http_complete(request);
    }
    return true;
}

/* Whether another node is known to lead the tenant, and which. */
static bool leads_elsewhere(struct pw_service *service, const struct pw_id *tenant_id,
                            char ret_node_id[PW_NODE_ID_BYTES_MAX + 1])
{
    struct pw_partition_status status;
    pw_service_status(service, pw_partition_of(tenant_id, service->partition_count), &status);
    if (status.leads || status.leader_node_id[0] == '\0' ||
        strcmp(status.leader_node_id, service->node_id) == 0) {
        return false;
    }
    memcpy(ret_node_id, status.leader_node_id, sizeof status.leader_node_id);
    return true;
}

bool pw_command_pass_on(struct pw_service *service, struct pw_http_request *request,
                        const struct pw_route *route, const struct pw_id *tenant_id)
{
    char node_id[PW_NODE_ID_BYTES_MAX + 1];
    if (!leads_elsewhere(service, tenant_id, node_id)) {
        return false;
    }
    struct exchange *exchange = begin(service, request, route);
    if (exchange == NULL || !read_command(exchange)) {
        return true;
    }
    exchange->is_unjudged = true;
    memcpy(exchange->job.led_by, node_id, sizeof exchange->job.led_by);
    request->state = exchange;
    return send_on(exchange);
}

/* --- Where this node leads --- */

static void submit(struct exchange *exchange, void (*then)(struct pw_http_request *request))
{
    struct pw_service *service = exchange->service;
    struct pw_http_request *request = exchange->request;
    struct pw_job *job = &exchange->job;
    uint32_t partition = pw_partition_of(&job->boundary_id, service->partition_count);
    struct pw_engine *engine = service->engines[partition % service->engine_count];
    assert(exchange->is_prepared || exchange->preparation == NULL);
    request->state = exchange;
    /* Before submitting: the engine may be done before submit returns. */
    pw_http_wait(request, then);
    enum pw_code code = pw_engine_submit(engine, job);
    if (code != PW_OK) {
        job->err = (struct pw_err){.code = code};
        job->position.offset = -1;
        pw_http_complete(request);
    }
}

/* --- What is prepared before --- */

static void answer_unprepared(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const struct pw_preparation *preparation = exchange->preparation;
    const struct pw_err *err = &preparation->err;
    struct pw_violations violations = {.count = 0};
    if (err->code == PW_ERR_INVALID) {
        pw_door_violation(&violations, preparation->pointer, err->detail);
        pw_door_problem(request, err->code, NULL, &violations);
        return;
    }
    if (err->code == PW_ERR_LOGIN_FAILED) {
        pw_http_header(request, "WWW-Authenticate", "Bearer realm=\"proctorwise\"");
    }
    exchange->job.err = *err;
    answer_no(exchange);
}

/* By what this node has read. */
static bool is_refused(const struct exchange *exchange)
{
    enum pw_error_kind kind = pw_error_info(exchange->preparation->err.code)->kind;
    return kind == PW_KIND_UNAUTHENTICATED || kind == PW_KIND_NOT_FOUND || kind == PW_KIND_REFUSED;
}

/* What is refused before it is decided may have been decided well before: a password that was changed is not right any more, a person
 * who was deactivated may be erased by now. Whoever shows a password or a token in the body has to be right each time. */
static bool may_be_repeat(const struct exchange *exchange)
{
    return is_refused(exchange) && exchange->preparation->is_fingerprinted &&
           !exchange->route->by_credential;
}

/* Another node may know more. */
static void answer_behind(struct pw_http_request *request)
{
    pw_door_problem(request, PW_ERR_NO_LEADER, "the node may not have read all of the ledger",
                    NULL);
}

static void finish_question(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    const struct pw_job *job = &exchange->job;
    if (job->replayed || job->err.code != PW_ERR_NOT_FOUND) {
        finish(request);
    } else if (!exchange->read_index.is_current) {
        answer_behind(request);
    } else if (exchange->preparation != NULL) {
        answer_unprepared(exchange);
    } else {
        finish(request);
    }
}

static void finish_preparation(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    if (atomic_load(&exchange->service->stopping)) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL); /* The engines may be gone. */
    } else if (exchange->preparation->err.code == PW_OK) {
        exchange->is_prepared = true;
        submit(exchange, finish);
    } else if (!exchange->read_index.is_current && is_refused(exchange)) {
        answer_behind(request);
    } else if (may_be_repeat(exchange)) {
        exchange->is_prepared = true; /* Nothing that was said in clear is left in it. */
        exchange->job.is_question = true;
        submit(exchange, finish_question);
    } else {
        answer_unprepared(exchange);
    }
}

static void on_prepared(struct pw_preparation *preparation)
{
    struct exchange *exchange = preparation->exchange;
    pw_http_complete(exchange->request);
}

/* Whoever tries passwords is slowed down by the account that they try, before any is hashed. */
static bool may_try(struct exchange *exchange)
{
    struct pw_http_request *request = exchange->request;
    const struct pw_job *job = &exchange->job;
    struct pw_str name;
    struct pw_id user_id;
    struct pw_hash hash;
    uint32_t retry_seconds;
    if (job->command.type == PW_COMMAND_SESSION_OPEN) {
        name = job->command.session_open.email;
    } else if (job->command.type == PW_COMMAND_USER_CHANGE_PASSWORD) {
        name = (struct pw_str){(const char *)job->actor_id.bytes, sizeof job->actor_id.bytes};
    } else if (job->command.type == PW_COMMAND_USER_RESET_PASSWORD &&
               pw_reset_parse(job->command.user_reset_password.reset_token, &user_id, &hash)) {
        name = (struct pw_str){(const char *)user_id.bytes, sizeof user_id.bytes};
    } else {
        return true;
    }
    if (request->forwarded ||
        pw_limits_admit_login(exchange->service->limits, &job->boundary_id, name, &retry_seconds)) {
        return true;
    }
    pw_door_too_fast(request, exchange->service->limits, PW_LIMIT_LOGIN, retry_seconds);
    return false;
}

static void begin_preparation(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    if (atomic_load(&exchange->service->stopping)) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL); /* The engines may be gone. */
        return;
    }
    pw_http_wait(request, finish_preparation);
    enum pw_code code = pw_prepare(exchange->service->preparer, exchange->preparation);
    if (code != PW_OK) {
        exchange->preparation->err = (struct pw_err){.code = code};
        pw_http_complete(request);
    }
}

static void on_read_index(struct pw_read_index_job *job)
{
    pw_http_complete(((struct exchange *)job->owner)->request);
}

static void ask_read_index(struct exchange *exchange, void (*then)(struct pw_http_request *request))
{
    struct pw_service *service = exchange->service;
    exchange->read_index = (struct pw_read_index_job){
        .partition = pw_partition_of(&exchange->job.boundary_id, service->partition_count),
        .owner = exchange,
        .done = on_read_index};
    pw_http_wait(exchange->request, then);
    pw_read_index_ask(service->read_index, &exchange->read_index);
}

/* What is prepared may be refused by what was read: that is to be all that anybody was told before. Where that cannot be known, as Kafka
 * does not answer, it is prepared all the same; the ledger decides what is not refused. */
static void prepare_here(struct exchange *exchange)
{
    struct pw_service *service = exchange->service;
    struct pw_http_request *request = exchange->request;
    if (pw_door_still_reads(service, &exchange->job.boundary_id)) {
        pw_door_problem(request, PW_ERR_NO_LEADER, "the node is still reading the ledger", NULL);
        return;
    }
    ask_read_index(exchange, begin_preparation);
}

/* The node that decides prepares: a key that it has made it knows, and a password is hashed once. */
static void prepare(struct exchange *exchange, const struct pw_actor *actor)
{
    struct pw_http_request *request = exchange->request;
    struct pw_job *job = &exchange->job;
    struct pw_preparation *preparation = pw_arena_take(&request->arena, sizeof *preparation);
    request->state = exchange;
    exchange->preparation = preparation;
    if (preparation == NULL) {
        pw_door_problem(request, PW_ERR_QUEUE_FULL, NULL, NULL);
        return;
    }
    *preparation = (struct pw_preparation){.job = job,
                                           .arena = &request->arena,
                                           .session_id = actor->session_id,
                                           .exchange = exchange,
                                           .done = on_prepared};
    if (!may_try(exchange)) {
        return;
    }
    bool is_sent =
        leads_elsewhere(exchange->service, &job->boundary_id, job->led_by) && send_on(exchange);
    if (!is_sent) {
        prepare_here(exchange);
    }
}

static void submit_question(struct pw_http_request *request)
{
    struct exchange *exchange = request->state;
    if (atomic_load(&exchange->service->stopping)) {
        pw_door_problem(request, PW_ERR_STOPPING, NULL, NULL); /* The engines may be gone. */
        return;
    }
    submit(exchange, finish_question);
}

/* Of who may not act, and may have been told so by an answer that was lost. */
static void ask_whether_repeat(struct exchange *exchange)
{
    struct pw_service *service = exchange->service;
    struct pw_str secret = {(const char *)service->secret, service->secret_bytes};
    exchange->job.is_question = true;
    pw_prepare_question(secret, &exchange->job);
    exchange->request->state = exchange;
    ask_read_index(exchange, submit_question);
}

void pw_command_door(struct pw_service *service, struct pw_http_request *request,
                     const struct pw_route *route, const struct pw_actor *actor)
{
    struct exchange *exchange = begin(service, request, route);
    if (exchange == NULL) {
        return;
    }
    struct pw_job *job = &exchange->job;
    job->actor_id = actor->id;
    job->role =
        request->refusal == PW_OK ? acting_role(actor->roles & route->roles) : PW_ROLE_COUNT;
    job->boundary_id = actor->tenant_id;
    if (!read_command(exchange)) {
        return;
    }
    /* Outside of tenants the boundary is the tenant that the command speaks of. */
    if (pw_command_info(job->command.type)->door == PW_DOOR_INTERNAL) {
        job->boundary_id = *pw_command_target(&job->command);
    }
    if (request->refusal != PW_OK) {
        ask_whether_repeat(exchange);
        return;
    }
    if (route->is_prepared) {
        prepare(exchange, actor);
        return;
    }
    job->fingerprint = pw_fingerprint_of(service->secret, service->secret_bytes, job);
    submit(exchange, finish);
}
