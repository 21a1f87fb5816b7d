/* api/metrics.c: /metrics, in Prometheus' text format: base units, no ids as labels. */
#include <stdio.h>
#include <stdlib.h>

#include "api/auditor.h"
#include "api/bell.h"
#include "api/door.h"
#include "api/prepare.h"
#include "api/vault.h"
#include "api/workers.h"
#include "commands/memory.h"

static void family(struct pw_text *text, const char *name, const char *type, const char *help)
{
    pw_text_addf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* --- Partitions: one table of what is told of each --- */

struct partition_metric {
    const char *name;
    const char *type;
    const char *help;
    const char *label; /* Beside the partition; empty for none. */
    uint64_t (*value)(const struct pw_partition_status *status);
};

static uint64_t stopped(const struct pw_partition_status *status)
{
    return status->phase == PW_PHASE_STOPPED;
}

#define VALUE_OF(function, member)                                                                 \
    static uint64_t function(const struct pw_partition_status *status)                             \
    {                                                                                              \
        return status->member;                                                                     \
    }
VALUE_OF(leading, leads)
VALUE_OF(height, height)
VALUE_OF(decided_yes, decided_yes_count)
VALUE_OF(decided_no, decided_no_count)
VALUE_OF(replayed, replayed_count)
VALUE_OF(voids, void_count)
VALUE_OF(bids, bid_count)
VALUE_OF(step_downs, step_down_count)
VALUE_OF(hand_overs, hand_over_count)
VALUE_OF(undone, undone_count)
VALUE_OF(in_flight, in_flight_count)
VALUE_OF(snapshots, snapshot_count)
VALUE_OF(snapshots_failed, snapshot_failed_count)

static const struct partition_metric partition_metrics[] = {
    {"pw_partition_leading", "gauge", "1 where this node leads.", "", leading},
    {"pw_partition_stopped", "gauge", "1 where the ledger cannot be taken further.", "", stopped},
    {"pw_partition_height", "gauge", "Number of the last accepted record.", "", height},
    {"pw_commands_decided_total", "counter", "Commands decided, on record.", ",answer=\"yes\"",
     decided_yes},
    {"pw_commands_decided_total", NULL, NULL, ",answer=\"no\"", decided_no},
    {"pw_commands_replayed_total", "counter", "Repeats that got their first answer.", "", replayed},
    {"pw_records_void_total", "counter", "Records read that count as nothing.", "", voids},
    {"pw_bids_total", "counter", "Leader records written.", "", bids},
    {"pw_step_downs_total", "counter", "Ends of leading.", "", step_downs},
    {"pw_hand_overs_total", "counter", "Of these, hand-overs to another node.", "", hand_overs},
    {"pw_records_undone_total", "counter", "Records in flight that a step-down put back.", "",
     undone},
    {"pw_records_in_flight", "gauge", "Records written but not confirmed.", "", in_flight},
    {"pw_snapshots_written_total", "counter", "Snapshots written.", "", snapshots},
    {"pw_snapshots_failed_total", "counter", "Snapshots that could not be written.", "",
     snapshots_failed},
};

/* Offsets are -1 where there is none, and a pause is a fraction of a second. */
static void add_snapshots(struct pw_text *text, const struct pw_partition_status *statuses,
                          uint32_t count)
{
    family(text, "pw_snapshot_offset", "gauge", "Of the newest snapshot; -1 where there is none.");
    for (uint32_t p = 0; p < count; p++) {
        pw_text_addf(text, "pw_snapshot_offset{partition=\"%u\"} %lld\n", p,
                     (long long)statuses[p].snapshot_offset);
    }
    family(text, "pw_snapshot_restored_offset", "gauge",
           "Of the snapshot that this start went on from; -1 where it read everything.");
    for (uint32_t p = 0; p < count; p++) {
        pw_text_addf(text, "pw_snapshot_restored_offset{partition=\"%u\"} %lld\n", p,
                     (long long)statuses[p].restored_offset);
    }
    family(text, "pw_snapshot_pause_max_seconds", "gauge",
           "The longest time that nothing was decided, to take a snapshot.");
    for (uint32_t p = 0; p < count; p++) {
        pw_text_addf(text, "pw_snapshot_pause_max_seconds{partition=\"%u\"} %.6f\n", p,
                     (double)statuses[p].snapshot_pause_us_max / PW_US_PER_SECOND);
    }
}

static void add_partitions(struct pw_text *text, struct pw_service *service)
{
    struct pw_partition_status *statuses =
        pw_memory_new(service->partition_count, sizeof *statuses);
    for (uint32_t p = 0; p < service->partition_count; p++) {
        pw_service_status(service, p, &statuses[p]);
    }
    for (size_t i = 0; i < PW_COUNT(partition_metrics); i++) {
        const struct partition_metric *metric = &partition_metrics[i];
        if (metric->type != NULL) {
            family(text, metric->name, metric->type, metric->help);
        }
        for (uint32_t p = 0; p < service->partition_count; p++) {
            pw_text_addf(text, "%s{partition=\"%u\"%s} %llu\n", metric->name, p, metric->label,
                         (unsigned long long)metric->value(&statuses[p]));
        }
    }
    add_snapshots(text, statuses, service->partition_count);
    free(statuses);
}

/* --- Projections --- */

/* A worker that waits for the cluster reads nothing: then the engines know better where the ledger ends. */
static uint64_t lag_of(struct pw_service *service, const struct pw_worker_partition *partitions,
                       uint32_t count)
{
    int64_t lag = 0;
    for (uint32_t p = 0; p < count; p++) {
        struct pw_partition_status status;
        pw_service_status(service, p, &status);
        int64_t last = partitions[p].end_offset - 1;
        last = status.position.offset > last ? status.position.offset : last;
        int64_t behind = last - partitions[p].stored_offset;
        lag += behind > 0 ? behind : 0;
    }
    return (uint64_t)lag;
}

static const struct worker_metric {
    const char *name;
    const char *help;
    size_t offset; /* In struct pw_worker_counters. */
} worker_metrics[] = {
    {"pw_projection_batches_total", "Batches committed with rows.",
     offsetof(struct pw_worker_counters, batches)},
    {"pw_projection_rows_total", "Rows written.", offsetof(struct pw_worker_counters, rows)},
    {"pw_projection_redone_total", "Batches written more than once.",
     offsetof(struct pw_worker_counters, redone)},
    {"pw_projection_connections_total", "Connections made to the cluster.",
     offsetof(struct pw_worker_counters, connections)},
    {"pw_projection_epochs_taken_total", "Times that the right to write was taken.",
     offsetof(struct pw_worker_counters, epochs_taken)},
    {"pw_projection_epochs_lost_total", "Times that it was lost to another writer.",
     offsetof(struct pw_worker_counters, epochs_lost)},
    {"pw_projection_refolds_total", "Partitions folded again.",
     offsetof(struct pw_worker_counters, refolds)},
    {"pw_projection_restores_total", "Partitions that went on from a snapshot.",
     offsetof(struct pw_worker_counters, restores)},
};

static void add_workers(struct pw_text *text, struct pw_service *service)
{
    struct pw_node_workers *workers = service->workers;
    struct pw_worker_status *statuses = pw_memory_new(PW_WORKERS_MAX, sizeof *statuses);
    struct pw_worker_partition *partitions = pw_memory_new(PW_PARTITIONS_MAX, sizeof *partitions);
    family(text, "pw_projection_lag_records", "gauge",
           "Offsets of the ledger that the rows do not show yet.");
    for (uint32_t i = 0; i < workers->count; i++) {
        pw_worker_status(workers->workers[i], &statuses[i], partitions, PW_PARTITIONS_MAX);
        uint32_t count = statuses[i].partition_count;
        pw_text_addf(text, "pw_projection_lag_records{projection=\"%s\"} %llu\n", workers->names[i],
                     (unsigned long long)lag_of(service, partitions, count));
    }
    family(text, "pw_projection_state", "gauge", "1 for the state that each worker is in.");
    for (uint32_t i = 0; i < workers->count; i++) {
        pw_text_addf(text, "pw_projection_state{projection=\"%s\",state=\"%s\"} 1\n",
                     workers->names[i], pw_worker_state_name(statuses[i].state));
    }
    family(text, "pw_projection_generation", "gauge", "Whose rows each worker writes.");
    for (uint32_t i = 0; i < workers->count; i++) {
        pw_text_addf(text, "pw_projection_generation{projection=\"%s\"} %u\n", workers->names[i],
                     statuses[i].generation);
    }
    for (size_t m = 0; m < PW_COUNT(worker_metrics); m++) {
        family(text, worker_metrics[m].name, "counter", worker_metrics[m].help);
        for (uint32_t i = 0; i < workers->count; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&statuses[i].counters + worker_metrics[m].offset,
                   sizeof value);
            pw_text_addf(text, "%s{projection=\"%s\"} %llu\n", worker_metrics[m].name,
                         workers->names[i], (unsigned long long)value);
        }
    }
    free(partitions);
    free(statuses);
}

/* --- HTTP --- */

static bool was_asked(const struct pw_http_counts *counts, uint32_t route)
{
    uint64_t sum = 0;
    for (size_t class = 0; class < 6; class ++) {
        sum += counts->by_status[route][class];
    }
    return sum > 0;
}

static void add_requests(struct pw_text *text, const struct pw_routes *routes, const char *door,
                         const struct pw_http_counts *counts)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        for (size_t class = 1; class < 6; class ++) {
            if (counts->by_status[i][class] > 0) {
                pw_text_addf(text,
                             "pw_http_requests_total{door=\"%s\",route=\"%s\",status=\"%zuxx\"} "
                             "%llu\n",
                             door, routes->routes[i].name, class,
                             (unsigned long long)counts->by_status[i][class]);
            }
        }
    }
}

static void add_durations(struct pw_text *text, const struct pw_routes *routes, const char *door,
                          const struct pw_http_counts *counts)
{
    for (uint32_t i = 0; i < routes->count; i++) {
        const char *name = routes->routes[i].name;
        uint64_t sum = 0;
        for (size_t bucket = 0; bucket <= PW_HTTP_BUCKETS && was_asked(counts, i); bucket++) {
            char bound[24] = "+Inf";
            if (bucket < PW_HTTP_BUCKETS) {
                snprintf(bound, sizeof bound, "%g", pw_http_bucket_seconds[bucket]);
            }
            sum += counts->buckets[i][bucket];
            pw_text_addf(
                text,
                "pw_http_request_duration_seconds_bucket{door=\"%s\",route=\"%s\",le=\"%s\"} "
                "%llu\n",
                door, name, bound, (unsigned long long)sum);
        }
        if (sum > 0) {
            pw_text_addf(text,
                         "pw_http_request_duration_seconds_sum{door=\"%s\",route=\"%s\"} %.6f\n"
                         "pw_http_request_duration_seconds_count{door=\"%s\",route=\"%s\"} %llu\n",
                         door, name, counts->seconds_sum[i], door, name, (unsigned long long)sum);
        }
    }
}

/* What was turned away by a limit on the public listener (docs/limits.md). */
static void add_limits(struct pw_text *text, const struct pw_service *service,
                       const struct pw_http_counts *counts)
{
    static const char *const stages[] = {
#define PW_HTTP_STAGE_NAME(UPPER, name) [PW_STAGE_##UPPER] = (name),
        PW_HTTP_STAGES(PW_HTTP_STAGE_NAME)
#undef PW_HTTP_STAGE_NAME
    };
    family(text, "pw_requests_limited_total", "counter", "Requests that came too fast, by what.");
    for (int limit = 0; limit < PW_LIMIT_COUNT; limit++) {
        pw_text_addf(text, "pw_requests_limited_total{limit=\"%s\"} %llu\n",
                     pw_limit_name((enum pw_limit)limit),
                     (unsigned long long)pw_limits_count(service->limits, (enum pw_limit)limit));
    }
    family(text, "pw_http_connections_timed_out_total", "counter",
           "Connections that were ended, by what took too long.");
    for (size_t stage = 0; stage < PW_STAGE_COUNT; stage++) {
        pw_text_addf(text, "pw_http_connections_timed_out_total{stage=\"%s\"} %llu\n",
                     stages[stage], (unsigned long long)counts->timed_out[stage]);
    }
    family(text, "pw_http_connections_refused_total", "counter",
           "Connections that were too many: of all, or of one address.");
    pw_text_addf(text,
                 "pw_http_connections_refused_total{limit=\"all\"} %llu\n"
                 "pw_http_connections_refused_total{limit=\"address\"} %llu\n",
                 (unsigned long long)counts->surplus, (unsigned long long)counts->crowding);
}

static void add_http(struct pw_text *text, struct pw_service *service)
{
    struct pw_http_counts *counts = pw_memory_new(2, sizeof *counts);
    pw_http_counts(service->public_server, &counts[0]);
    pw_http_counts(service->admin_server, &counts[1]);
    family(text, "pw_http_requests_total", "counter", "Requests answered.");
    add_requests(text, &service->public_routes, "public", &counts[0]);
    add_requests(text, &service->internal_routes, "internal", &counts[1]);
    family(text, "pw_http_request_duration_seconds", "histogram",
           "From the request's first line to its answer's end.");
    add_durations(text, &service->public_routes, "public", &counts[0]);
    add_durations(text, &service->internal_routes, "internal", &counts[1]);
    add_limits(text, service, &counts[0]);
    family(text, "pw_http_connections", "gauge", "Connections that are open.");
    pw_text_addf(text, "pw_http_connections{door=\"public\"} %llu\n",
                 (unsigned long long)counts[0].connections);
    pw_text_addf(text, "pw_http_connections{door=\"internal\"} %llu\n",
                 (unsigned long long)counts[1].connections);
    free(counts);
}

static void add_forwards(struct pw_text *text, struct pw_service *service)
{
    struct pw_forward_counts counts = {0};
    if (service->forwarder != NULL) {
        pw_forward_count(service->forwarder, &counts);
    }
    family(text, "pw_forwards_total", "counter", "Commands sent on to the node that leads.");
    pw_text_addf(text,
                 "pw_forwards_total{result=\"answered\"} %llu\n"
                 "pw_forwards_total{result=\"not_sent\"} %llu\n"
                 "pw_forwards_total{result=\"lost\"} %llu\n",
                 (unsigned long long)counts.answered, (unsigned long long)counts.not_sent,
                 (unsigned long long)counts.lost);
}

static void add_peers(struct pw_text *text, struct pw_service *service)
{
    const char *node_id = NULL;
    uint64_t count = 0;
    family(text, "pw_peer_deaths_total", "counter",
           "How often another node was taken for dead after it had answered.");
    for (uint32_t i = 0;
         service->probe != NULL && pw_peers_deaths(service->probe, i, &node_id, &count); i++) {
        pw_text_addf(text, "pw_peer_deaths_total{node=\"%s\"} %llu\n", node_id,
                     (unsigned long long)count);
    }
}

static void add_tokens(struct pw_text *text, struct pw_service *service)
{
    uint64_t known = 0;
    uint64_t verified = 0;
    pw_tokens_counts(service->tokens, &known, &verified);
    family(text, "pw_tokens_total", "counter", "Good tokens, by how that was known.");
    pw_text_addf(text, "pw_tokens_total{how=\"remembered\"} %llu\n", (unsigned long long)known);
    pw_text_addf(text, "pw_tokens_total{how=\"verified\"} %llu\n", (unsigned long long)verified);
}

/* Of both pools in which commands with passwords, tokens or personal data are prepared. */
static void add_pools(struct pw_text *text, const char *name, const char *type, const char *help,
                      double hashing, double sealing)
{
    family(text, name, type, help);
    pw_text_addf(text, "%s{pool=\"hashing\"} %.15g\n%s{pool=\"sealing\"} %.15g\n", name, hashing,
                 name, sealing);
}

static void add_people(struct pw_text *text, struct pw_service *service)
{
    struct pw_directory_counts counts;
    pw_directory_count(service->directory, &counts);
    family(text, "pw_accounts", "gauge", "People with an account, erased ones too.");
    pw_text_addf(text, "pw_accounts %llu\n", (unsigned long long)counts.accounts);
    family(text, "pw_sessions", "gauge", "Sessions that live, or have expired unseen.");
    pw_text_addf(text, "pw_sessions %llu\n", (unsigned long long)counts.sessions);
    family(text, "pw_inbox_streams", "gauge", "Who listens to what they are told.");
    pw_text_addf(text, "pw_inbox_streams %u\n", pw_bell_listener_count(service->bell));
}

static void add_preparations(struct pw_text *text, struct pw_service *service)
{
    struct pw_pool_counts hashing;
    struct pw_pool_counts sealing;
    pw_prepare_count(service->preparer, &hashing, &sealing);
    add_pools(text, "pw_prepare_waiting", "gauge", "Commands that wait to be prepared.",
              hashing.waiting, sealing.waiting);
    add_pools(text, "pw_prepare_begun_total", "counter", "Commands that were prepared.",
              (double)hashing.begun, (double)sealing.begun);
    add_pools(text, "pw_prepare_wait_seconds_total", "counter", "How long they waited.",
              (double)hashing.wait_us / PW_US_PER_SECOND,
              (double)sealing.wait_us / PW_US_PER_SECOND);
    add_pools(text, "pw_prepare_refused_total", "counter", "Commands that found the queue full.",
              (double)hashing.refused, (double)sealing.refused);
}

static void add_audits(struct pw_text *text, struct pw_service *service)
{
    struct pw_auditor_counts counts;
    pw_auditor_count(service->auditor, &counts);
    family(text, "pw_audits_open", "gauge", "Audits that are being answered from the ledger.");
    pw_text_addf(text, "pw_audits_open %u\n", counts.open);
    family(text, "pw_audits_total", "counter", "Audits that were begun.");
    pw_text_addf(text, "pw_audits_total %llu\n", (unsigned long long)counts.entered);
    family(text, "pw_audits_refused_total", "counter", "Audits that found no place.");
    pw_text_addf(text, "pw_audits_refused_total %llu\n", (unsigned long long)counts.refused);
    family(text, "pw_audits_records_total", "counter", "Records that audits have read.");
    pw_text_addf(text, "pw_audits_records_total %llu\n", (unsigned long long)counts.records);
}

static const struct vault_metric {
    const char *name;
    const char *type;
    const char *help;
    size_t offset; /* In struct pw_vault_counts. */
} vault_metrics[] = {
    {"pw_keys", "gauge", "Data keys that can be used, as far as is known without opening them.",
     offsetof(struct pw_vault_counts, keys)},
    {"pw_keys_unopened", "gauge", "Data keys that are damaged, or whose master key is in no file.",
     offsetof(struct pw_vault_counts, unopened)},
    {"pw_keys_destroyed", "gauge", "Data keys that are known to be destroyed.",
     offsetof(struct pw_vault_counts, destroyed)},
    {"pw_keys_lingering", "gauge", "Destroyed data keys for which tombstones are still written.",
     offsetof(struct pw_vault_counts, lingering)},
    {"pw_key_creates_waiting", "gauge", "Calls for new keys that wait until they are on record.",
     offsetof(struct pw_vault_counts, waiting)},
    {"pw_keys_created_total", "counter", "Data keys made by this node.",
     offsetof(struct pw_vault_counts, created)},
    {"pw_key_seals_total", "counter", "Payloads encrypted, and tags made.",
     offsetof(struct pw_vault_counts, seals)},
    {"pw_key_unseals_total", "counter", "Payloads decrypted.",
     offsetof(struct pw_vault_counts, unseals)},
    {"pw_key_failures_total", "counter", "Uses of keys, and attempts to make them, that failed.",
     offsetof(struct pw_vault_counts, failures)},
};

static void add_keys(struct pw_text *text, struct pw_service *service)
{
    struct pw_vault_counts counts;
    if (service->vault == NULL) {
        return;
    }
    pw_vault_count(service->vault, &counts);
    for (size_t i = 0; i < PW_COUNT(vault_metrics); i++) {
        uint64_t value;
        memcpy(&value, (const char *)&counts + vault_metrics[i].offset, sizeof value);
        family(text, vault_metrics[i].name, vault_metrics[i].type, vault_metrics[i].help);
        pw_text_addf(text, "%s %llu\n", vault_metrics[i].name, (unsigned long long)value);
    }
    family(text, "pw_key_create_seconds", "summary", "Until new keys, one or many, are on record.");
    pw_text_addf(text, "pw_key_create_seconds_sum %.6f\npw_key_create_seconds_count %llu\n",
                 (double)counts.create_us / PW_US_PER_SECOND, (unsigned long long)counts.creates);
}

void pw_metrics_answer(struct pw_service *service, struct pw_http_request *request)
{
    struct pw_text text;
    pw_text_init(&text, &request->arena, 32 * 1024);
    family(&text, "pw_build_info", "gauge", "Always 1.");
    pw_text_add_c(&text, "pw_build_info{version=\"" PW_VERSION "\"} 1\n");
    add_partitions(&text, service);
    add_workers(&text, service);
    add_tokens(&text, service);
    add_preparations(&text, service);
    add_people(&text, service);
    add_audits(&text, service);
    add_http(&text, service);
    add_forwards(&text, service);
    add_peers(&text, service);
    add_keys(&text, service);
    pw_http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", pw_text_str(&text));
}
