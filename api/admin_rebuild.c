/* api/admin_rebuild.c: `admin rebuild`: makes the rows of read models anew, one read model after the
 * other. */
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "api/node.h"
#include "api/verbs.h"
#include "commands/memory.h"
#include "projections/galera_storage.h"
#include "projections/rebuild.h"

#define STEP_MS     100
#define PROGRESS_US (500 * PW_US_PER_MS)

static volatile sig_atomic_t stop;

struct request {
    const struct pw_config *config;
    const struct pw_projection *projections[PW_VERB_PROJECTIONS_MAX];
    uint32_t projection_count;
    bool all;
    bool anew;
    bool clean;
    bool as_json;
    json_t *report;
};

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* A second signal ends it at once. */
static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* --- Progress: on a terminal only --- */

struct progress {
    const char *projection;
    bool shown; /* A line stands there. */
    int64_t next_us;
    int64_t began_us;
    int64_t began_at; /* Records that were folded by then; -1: not known yet. */
};

static int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PW_US_PER_SECOND + now.tv_nsec / 1000;
}

static void clear_line(struct progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
    }
    progress->shown = false;
}

struct extent {
    int64_t folded;
    int64_t stored;
    int64_t shown;
    uint32_t last; /* The partition that is furthest behind, and how far it has come. */
    int64_t last_percent;
};

static struct extent extent_of(const struct pw_rebuild_partition *partitions, uint32_t count)
{
    struct extent extent = {.last_percent = 101};
    for (uint32_t i = 0; i < count; i++) {
        int64_t shown = partitions[i].shown_offset + 1;
        int64_t stored = partitions[i].stored_offset + 1;
        int64_t percent = shown <= stored ? 100 : stored * 100 / shown;
        extent.folded += partitions[i].read_offset;
        extent.stored += stored < shown ? stored : shown;
        extent.shown += shown;
        if (percent < extent.last_percent) {
            extent.last_percent = percent;
            extent.last = i;
        }
    }
    return extent;
}

static void show_filling(struct progress *progress, const struct extent *extent)
{
    int64_t now_us = monotonic_us();
    if (progress->began_at < 0) {
        progress->began_at = extent->folded;
        progress->began_us = now_us;
    }
    int64_t us = now_us - progress->began_us;
    int64_t rate = us == 0 ? 0 : (extent->folded - progress->began_at) * PW_US_PER_SECOND / us;
    fprintf(stderr,
            "\r\033[K%s: %" PRId64 " of %" PRId64 " records, %" PRId64
            " a second; partition %u is last, at %" PRId64 " %%",
            progress->projection, extent->stored, extent->shown, rate, extent->last,
            extent->last_percent);
}

static void show_progress(struct progress *progress, const struct pw_rebuild *rebuild)
{
    struct pw_rebuild_status status;
    int64_t now_us = monotonic_us();
    if (now_us < progress->next_us || isatty(STDERR_FILENO) == 0) {
        return;
    }
    progress->next_us = now_us + PROGRESS_US;
    struct pw_rebuild_partition *partitions = pw_memory_new(PW_PARTITIONS_MAX, sizeof *partitions);
    pw_rebuild_status(rebuild, &status, partitions, PW_PARTITIONS_MAX);
    if (status.state == PW_REBUILD_FILLING && status.partition_count > 0) {
        struct extent extent = extent_of(partitions, status.partition_count);
        show_filling(progress, &extent);
        progress->shown = true;
    } else if (status.state == PW_REBUILD_CLEANING) {
        fprintf(stderr, "\r\033[K%s: %" PRIu64 " old rows deleted", progress->projection,
                status.rows_deleted);
        progress->shown = true;
    }
    free(partitions);
}

static void on_line(void *self, bool is_error, const char *projection, const char *message)
{
    (void)is_error;
    clear_line(self);
    fprintf(stderr, "%s: %s\n", projection, message);
}

/* --- The run --- */

static enum pw_code open_ledger(void *self, struct pw_ledger *ret_ledger, struct pw_err *err)
{
    return pw_node_open_ledger(self, true, (struct pw_ledger_wake){0}, ret_ledger, err);
}

static enum pw_code open_rebuild(const struct request *request,
                                 const struct pw_projection *projection, struct progress *progress,
                                 struct pw_rebuild **ret_rebuild, struct pw_err *err)
{
    struct pw_galera_options galera = pw_node_galera(request->config);
    struct pw_rebuild_options options = {.projection = projection,
                                         .version = PW_VERSION,
                                         .anew = request->anew,
                                         .only_cleans = request->clean,
                                         .open_ledger = open_ledger,
                                         .open_ledger_self = (void *)(uintptr_t)request->config,
                                         .snapshots_dir = pw_node_snapshots_dir(request->config),
                                         .log = {progress, on_line}};
    enum pw_code code = pw_galera_storage_open(&galera, &options.rows, err);
    if (code != PW_OK) {
        return code;
    }
    code = pw_galera_storage_open(&galera, &options.generations, err);
    if (code != PW_OK) {
        options.rows.close(options.rows.self);
        return code;
    }
    *ret_rebuild = pw_rebuild_new(&options);
    return PW_OK;
}

static bool is_over(const struct pw_rebuild_status *status)
{
    return status->state == PW_REBUILD_DONE || status->state == PW_REBUILD_FAILED;
}

/* What is left, for who stopped it. */
static void tell_stopped(const char *name, const struct pw_rebuild_status *status)
{
    bool is_shown = status->state == PW_REBUILD_CLEANING || status->state == PW_REBUILD_SETTLING;
    fprintf(stderr, "%s: stopped%s\n", name,
            is_shown ? " while old rows were deleted: --clean deletes what is left"
                     : ": the same command goes on with it");
}

static void report(struct request *request, const char *name,
                   const struct pw_rebuild_status *status)
{
    if (request->as_json) {
        json_t *generation =
            request->clean ? json_null() : json_integer((json_int_t)status->generation);
        json_array_append_new(request->report,
                              json_pack("{s:s, s:o, s:b, s:I}", "name", name, "generation",
                                        generation, "continued", status->is_continued,
                                        "rows_deleted", (json_int_t)status->rows_deleted));
    } else if (request->clean) {
        printf("%s: %" PRIu64 " old rows deleted\n", name, status->rows_deleted);
    } else {
        printf("%s: generation %u, %" PRIu64 " old rows deleted\n", name, status->generation,
               status->rows_deleted);
    }
    fflush(stdout);
}

static int rebuild_one(struct request *request, const struct pw_projection *projection)
{
    struct progress progress = {.projection = projection->name, .began_at = -1};
    struct pw_rebuild *rebuild = NULL;
    struct pw_rebuild_status status = {0};
    struct pw_err err = {0};
    enum pw_code code = open_rebuild(request, projection, &progress, &rebuild, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    while (!stop && !is_over(&status)) {
        pw_rebuild_step(rebuild, STEP_MS);
        pw_rebuild_status(rebuild, &status, NULL, 0);
        show_progress(&progress, rebuild);
    }
    clear_line(&progress);
    pw_rebuild_free(rebuild);
    if (status.state == PW_REBUILD_DONE) {
        report(request, projection->name, &status);
        return PW_EXIT_GOOD;
    }
    if (status.state == PW_REBUILD_FAILED) {
        return pw_verb_fail(status.err.code, status.err.detail);
    }
    tell_stopped(projection->name, &status);
    return PW_EXIT_WRONG;
}

static int rebuild_each(struct request *request)
{
    int result = PW_EXIT_GOOD;
    watch_signals();
    request->report = json_array();
    for (uint32_t i = 0; result == PW_EXIT_GOOD && i < request->projection_count; i++) {
        result = rebuild_one(request, request->projections[i]);
    }
    if (request->as_json) {
        json_t *json =
            json_pack("{s:b, s:O}", "good", result == PW_EXIT_GOOD, "projections", request->report);
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    }
    json_decref(request->report);
    return result;
}

static bool choose(struct request *request, const char *const *names, size_t name_count)
{
    if (request->all == (name_count > 0)) {
        fputs("proctorwise: name the read models to rebuild, or --all; see --help\n", stderr);
        return false;
    }
    if (request->clean && request->anew) {
        fputs("proctorwise: --clean makes nothing, so nothing anew\n", stderr);
        return false;
    }
    return pw_verb_projections(names, name_count, request->projections, &request->projection_count);
}

int pw_verb_admin_rebuild(int argc, char **argv)
{
    struct pw_config config;
    struct request request = {.config = &config};
    const char *names[PW_VERB_PROJECTIONS_MAX];
    size_t name_count = 0;
    struct pw_flag flags[] = {
        {PW_FLAG_WORDS, NULL, names, &name_count, PW_COUNT(names)},
        PW_FLAG_SWITCH("all", request.all),
        PW_FLAG_SWITCH("anew", request.anew),
        PW_FLAG_SWITCH("clean", request.clean),
        PW_FLAG_SWITCH("json", request.as_json),
    };
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = choose(&request, names, name_count) ? rebuild_each(&request) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
