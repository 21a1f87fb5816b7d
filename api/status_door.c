/* api/status_door.c: what the node says of itself: /healthz, /readyz, /internal/leads. */
#include <stdio.h>

#include "api/door.h"
#include "api/vault.h"
#include "api/workers.h"

void pw_healthz_answer(struct pw_service *service, struct pw_http_request *request)
{
    (void)service; /* That this thread answers is all that it says. */
    pw_http_answer(request, 200, "text/plain; charset=utf-8", PW_STR("ok\n"));
}

void pw_leads_answer(struct pw_service *service, struct pw_http_request *request)
{
    struct pw_text text;
    const char *comma = "";
    pw_text_init(&text, &request->arena, 1024);
    pw_text_add_c(&text, "{\"node_id\":");
    pw_text_add_json(&text, pw_str_of(service->node_id));
    pw_text_add_c(&text, ",\"incarnation\":");
    pw_text_add_json_id(&text, &service->incarnation);
    pw_text_add_c(&text, ",\"partitions\":[");
    bool stands_by = !atomic_load(&service->stopping) && !service->never_leads;
    for (uint32_t p = 0; p < service->partition_count; p++) {
        struct pw_partition_status status;
        pw_service_status(service, p, &status);
        stands_by = stands_by && status.caught_up && status.phase != PW_PHASE_STOPPED;
        if (status.leads) {
            pw_text_addf(&text, "%s%u", comma, p);
            comma = ",";
        }
    }
    pw_text_addf(&text, "],\"stands_by\":%s}", stands_by ? "true" : "false");
    pw_http_answer(request, 200, "application/json", pw_text_str(&text));
}

/* --- Readiness: reasons why not --- */

struct reasons {
    struct pw_text text;
    uint32_t count;
};

static void add_reason(struct reasons *reasons, const char *part, const char *name,
                       const char *problem)
{
    pw_text_addf(&reasons->text,
                 "%s{\"part\":\"%s\",\"name\":\"%s\",\"reason\":", reasons->count > 0 ? "," : "",
                 part, name);
    pw_text_add_json(&reasons->text, pw_str_of(problem));
    pw_text_add_c(&reasons->text, "}");
    reasons->count++;
}

static bool is_led_elsewhere(struct pw_service *service, const struct pw_partition_status *status)
{
    struct pw_str node_id = pw_str_of(status->leader_node_id);
    return node_id.len > 0 && !pw_str_equal(node_id, pw_str_of(service->node_id)) &&
           service->peers.leads(service->peers.self, node_id, &status->leader_incarnation,
                                status->partition) == PW_PEER_ALIVE;
}

static void check_partition(struct pw_service *service, uint32_t partition, struct reasons *reasons)
{
    struct pw_partition_status status;
    char name[12];
    pw_service_status(service, partition, &status);
    snprintf(name, sizeof name, "%u", partition);
    if (status.phase == PW_PHASE_STOPPED) {
        add_reason(reasons, "commands", name, status.problem.detail);
    } else if (!status.caught_up) {
        add_reason(reasons, "commands", name, "still reads the ledger");
    } else if (!service->never_leads && !status.leads && !is_led_elsewhere(service, &status)) {
        add_reason(reasons, "commands", name,
                   status.problem.code != PW_OK ? status.problem.detail : "nobody leads");
    }
}

static void check_worker(struct pw_node_workers *workers, uint32_t number, struct reasons *reasons)
{
    struct pw_worker_status status;
    pw_worker_status(workers->workers[number], &status, NULL, 0);
    if (status.state != PW_WORKER_LIVE && status.state != PW_WORKER_STANDBY) {
        add_reason(reasons, "projections", workers->names[number],
                   status.reason[0] != '\0' ? status.reason : pw_worker_state_name(status.state));
    }
}

static void check_vault(struct pw_service *service, struct reasons *reasons)
{
    struct pw_err err = {0};
    if (service->vault != NULL && pw_vault_ready(service->vault, &err) != PW_OK) {
        add_reason(reasons, "keys", service->node_id, err.detail);
    }
}

void pw_readyz_answer(struct pw_service *service, struct pw_http_request *request)
{
    struct reasons reasons = {.count = 0};
    pw_text_init(&reasons.text, &request->arena, 1024);
    if (atomic_load(&service->stopping)) {
        add_reason(&reasons, "node", service->node_id, "stopping");
    } else {
        for (uint32_t p = 0; p < service->partition_count; p++) {
            check_partition(service, p, &reasons);
        }
        for (uint32_t i = 0; i < service->workers->count; i++) {
            check_worker(service->workers, i, &reasons);
        }
        check_vault(service, &reasons);
    }
    const char *body = pw_text_format(&request->arena, "{\"ready\":%s,\"reasons\":[%.*s]}",
                                      reasons.count == 0 ? "true" : "false", (int)reasons.text.len,
                                      reasons.text.ptr);
    pw_http_answer(request, reasons.count == 0 ? 200 : 503, "application/json",
                   body != NULL ? pw_str_of(body) : PW_STR("{}"));
}
