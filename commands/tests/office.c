/* commands/tests/office.c: a booking office in which many students and staff ask for everything that there is to ask for.
 *
 * Usage  commands_office [--seed N] [--seeds N] [--steps N] [--minutes N] [--only STEP,...] [--trace]
 * Runs seeds N, N + 1, ... on the real deciders and state. After each step: the answer was the model's, nothing that was due before it
 * was left, the state is what the model makes of it, and rules 1 to 7 of the domain hold. The leader writes
 * what is due when it likes, steps down at any time, which leaves the bytes that were confirmed, or goes on from a snapshot. In the end
 * every prefix, replayed, gives the bytes that were live then.
 * A run that breaks something is shortened, told, and can be run again. The campaign without arguments, and any of 200
 * runs or more, fails as well when the tables list an answer that nobody was given. */
#include "commands/tests/office.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX   (8 * OFFICE_STEPS_MAX)
#define COMMITS_MAX  (4 * OFFICE_STEPS_MAX)
#define MARKS_MAX    12
#define STATE_BYTES  (4 << 20)
#define DUE_MAX      500 /* In one step. */
#define REACHING_MIN 200 /* Runs. */
#define RUN_SECONDS  60  /* Of the processor; a run takes a tenth of one. */

struct plan {
    uint64_t seed;
    uint32_t steps;
    bool without[OFFICE_STEPS_MAX];
    bool trace;
};

/* What a process that runs a plan leaves behind, however it ends. */
struct verdict {
    uint64_t seed;
    uint32_t step;
    char rule[80]; /* Empty: none was found broken. */
    char text[300];
    uint64_t answers[PW_COMMAND_COUNT][PW_CODE_COUNT];
    uint64_t changes[PW_COMMAND_COUNT];
    uint64_t undone;
    uint64_t runs;
};

/* What counts: a request that changed something, or a deadline. */
struct commit {
    struct pw_job request;
    int64_t decided_at_us;
    uint32_t first;
    uint32_t count;
    bool is_due;
    struct pw_hash after; /* Of the state's bytes. */
};

struct mark {
    uint64_t undo;
    uint32_t commit_count;
};

struct run {
    struct office office;
    const struct plan *plan;
    struct pw_state *state;
    struct pw_undo *undo;
    struct commit commits[COMMITS_MAX];
    uint32_t commit_count;
    struct pw_event events[EVENTS_MAX];
    uint32_t event_count;
    struct mark marks[MARKS_MAX];
    uint32_t mark_count;
    struct pw_buffer buffer;
};

static struct verdict *verdict; /* Shared between the processes. */

/* --- Telling --- */

static _Noreturn __attribute__((format(printf, 3, 4))) void
fail(const struct run *run, const char *rule, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, arguments);
    va_end(arguments);
    snprintf(verdict->rule, sizeof verdict->rule, "%s", rule);
    verdict->step = run->office.step;
    fflush(stdout);
    _exit(1);
}

static const char *answer_of(enum pw_code code, bool changes)
{
    return code != PW_OK ? pw_error_info(code)->name : changes ? "yes" : "yes, nothing changes";
}

/* The ends of ids tell things and people apart. */
static void print_id(const struct pw_id *id)
{
    printf(" %u.%u", id->bytes[0], id->bytes[14] << 8 | id->bytes[15]);
}

static int64_t minutes_from_start(int64_t at_us)
{
    return (at_us - OFFICE_START_US) / PW_US_PER_MINUTE;
}

/* Texts tell nothing here. */
static void print_field(const struct pw_field *field, const void *value)
{
    if (field->kind == PW_FIELD_KIND_id) {
        print_id(value);
    } else if (field->kind == PW_FIELD_KIND_at && *(const int64_t *)value != 0) {
        printf(" %s=%lld", field->name, (long long)minutes_from_start(*(const int64_t *)value));
    } else if (field->kind == PW_FIELD_KIND_count || field->kind == PW_FIELD_KIND_minutes ||
               field->kind == PW_FIELD_KIND_flag) {
        printf(" %s=%u", field->name, *(const uint32_t *)value);
    }
}

static void trace(const struct run *run, const struct pw_job *job, const char *answer)
{
    const struct pw_command_info *info = pw_command_info(job->command.type);
    const char *body = pw_command_body((struct pw_command *)(uintptr_t)&job->command);
    if (!run->plan->trace) {
        return;
    }
    printf("step %u, minute %lld and %lld us, tenant %u, by", run->office.step,
           (long long)minutes_from_start(run->office.now_us),
           (long long)(run->office.now_us % PW_US_PER_MINUTE), job->boundary_id.bytes[1]);
    print_id(&job->actor_id);
    printf(": %s", info->name);
    for (uint32_t i = 0; i < info->message.field_count; i++) {
        print_field(&info->message.fields[i], body + info->message.fields[i].offset);
    }
    printf(": %s\n", answer);
}

/* --- What counts --- */

static struct pw_hash bytes_of(struct run *run, const struct pw_state *state)
{
    run->buffer.bytes = 0;
    pw_state_serialise(state, &run->buffer);
    if (run->buffer.full) {
        fail(run, "a state has room", "more than %d bytes", STATE_BYTES);
    }
    return pw_sha256(run->buffer.data, run->buffer.bytes, NULL, 0);
}

static void evolve(struct run *run, struct pw_state *state, const struct commit *commit,
                   struct pw_undo *undo)
{
    struct pw_err err = {0};
    for (uint32_t i = commit->first; i < commit->first + commit->count; i++) {
        if (pw_state_evolve(state, &commit->request.boundary_id, &run->events[i], undo, &err) !=
            PW_OK) {
            fail(run, "what was decided can be folded", "%s", err.detail);
        }
    }
}

/* Decided again by nobody: by the model, as it was. */
static bool model_takes(const struct run *run, const struct commit *commit)
{
    struct model *model = run->office.model;
    const struct pw_event *last = &run->events[commit->first];
    if (commit->is_due) {
        return model_fall_due(model, &commit->request.boundary_id, last, commit->decided_at_us);
    }
    for (uint32_t i = 1; i < commit->count; i++) {
        const struct pw_event *event = &run->events[commit->first + i];
        last = pw_id_equal(&event->stream_id, &last->stream_id) ? event : last;
    }
    return model_apply(model, &commit->request, commit->decided_at_us, &last->stream_id) ==
           last->stream_version;
}

static void check_tenant(struct run *run, const struct pw_id *tenant_id)
{
    const struct pw_tenant *tenant = pw_state_tenant(run->state, tenant_id);
    const char *what = model_differs(run->office.model, tenant, tenant_id);
    if (what != NULL) {
        fail(run, "the fold is what the rules make of it", "%s differs", what);
    }
    const char *broken = model_breaks(run->office.model, tenant_id, run->office.now_us);
    if (broken != NULL) {
        fail(run, broken, "tenant %u", tenant_id->bytes[1]);
    }
}

/* Takes a decision that changes something. */
static void commit(struct run *run, const struct pw_job *request, const struct pw_decision *got,
                   bool is_due)
{
    if (run->commit_count == COMMITS_MAX || run->event_count + got->event_count > EVENTS_MAX) {
        fail(run, "a run has room", "%u commits", run->commit_count);
    }
    struct commit *made = &run->commits[run->commit_count++];
    *made = (struct commit){.request = *request,
                            .decided_at_us = run->office.now_us,
                            .first = run->event_count,
                            .count = got->event_count,
                            .is_due = is_due};
    memcpy(&run->events[run->event_count], got->events, got->event_count * sizeof got->events[0]);
    run->event_count += got->event_count;
    evolve(run, run->state, made, run->undo);
    if (!model_takes(run, made)) {
        fail(run, is_due ? "what falls due was to be" : "streams have no gaps", "%s",
             pw_command_info(request->command.type)->name);
    }
    made->after = bytes_of(run, run->state);
    verdict->changes[request->command.type]++;
    check_tenant(run, &request->boundary_id);
}

/* --- Steps --- */

/* What is due, by the system. */
static void issue(struct run *run, const struct pw_due *due)
{
    const struct pw_job job = {.command = due->command,
                               .boundary_id = due->tenant_id,
                               .actor_id = pw_system_id,
                               .role = PW_ROLE_SYSTEM};
    const struct pw_context by = {
        .decided_at_us = run->office.now_us, .actor_id = pw_system_id, .role = PW_ROLE_SYSTEM};
    struct pw_decision got;
    struct pw_err err = {0};
    enum pw_code code =
        pw_decide(pw_state_tenant(run->state, &due->tenant_id), &due->command, -1, &by, &got, &err);
    trace(run, &job, answer_of(code, code == PW_OK && got.event_count > 0));
    if (code != PW_OK || got.event_count != 1) {
        fail(run, "what is due can be done", "%s: %s", pw_command_info(due->command.type)->name,
             answer_of(code, false));
    }
    commit(run, &job, &got, true);
}

/* As the leader does by itself, all or some of it. */
static void step_due(struct run *run)
{
    uint64_t count = office_draw(&run->office, 3) == 0 ? office_draw(&run->office, 4) : DUE_MAX;
    struct pw_due due;
    while (count-- > 0 && pw_due_next(run->state, run->office.now_us, &due)) {
        issue(run, &due);
    }
    bool is_done = !pw_due_next(run->state, run->office.now_us, &due);
    bool is_late = false;
    for (uint32_t i = 0; i < OFFICE_TENANTS; i++) {
        struct pw_id tenant = office_tenant(i);
        is_late |= model_is_late(run->office.model, &tenant, run->office.now_us);
    }
    if (is_done == is_late || (pw_due_at(run->state) <= run->office.now_us) != is_late) {
        fail(run, "deadlines fire", "something is %s", is_late ? "left" : "due for nothing");
    }
}

static bool is_listed(const struct pw_command_info *info, enum pw_code code)
{
    bool listed = code == PW_OK || code == PW_ERR_VERSION_MISMATCH;
    for (uint32_t i = 0; i < info->refusal_count; i++) {
        listed |= info->refusals[i] == code;
    }
    return listed;
}

static void step_ask(struct run *run)
{
    const struct pw_job job = office_ask(&run->office);
    const struct pw_command_info *info = pw_command_info(job.command.type);
    const struct pw_tenant *tenant = pw_state_tenant(run->state, &job.boundary_id);
    const struct pw_context by = {
        .decided_at_us = run->office.now_us, .actor_id = job.actor_id, .role = job.role};
    struct pw_due due;
    struct pw_decision got;
    struct pw_err err = {0};
    bool changes = false;
    while (pw_due_before(tenant, &job.command, &job.actor_id, run->office.now_us, &due)) {
        issue(run, &due);
    }
    if (model_waits(run->office.model, &job, run->office.now_us)) {
        fail(run, "what is due goes first", "%s", info->name);
    }
    enum pw_code right = model_decide(run->office.model, &job, run->office.now_us, &changes);
    enum pw_code code = pw_decide(tenant, &job.command, job.if_match, &by, &got, &err);
    bool has_changed = code == PW_OK && got.event_count > 0;
    trace(run, &job, answer_of(code, has_changed));
    if (code != right || has_changed != changes) {
        fail(run, right == PW_OK ? "no wrong refusal" : "the rules of the domain",
             "%s: %s, and %s is right", info->name, answer_of(code, has_changed),
             answer_of(right, changes));
    }
    if (!is_listed(info, code)) {
        fail(run, "a refusal is of the command's list", "%s: %s", info->name,
             answer_of(code, false));
    }
    verdict->answers[job.command.type][code]++;
    if (has_changed) {
        commit(run, &job, &got, false);
    }
}

static void step_mark(struct run *run)
{
    if (run->mark_count < MARKS_MAX) {
        run->marks[run->mark_count++] = (struct mark){pw_undo_mark(run->undo), run->commit_count};
    }
}

/* All up to a mark is confirmed. */
static void step_forget(struct run *run)
{
    if (run->mark_count > 0) {
        uint32_t i = (uint32_t)office_draw(&run->office, run->mark_count);
        pw_undo_forget(run->undo, run->marks[i].undo);
        run->mark_count -= i;
        memmove(run->marks, run->marks + i, run->mark_count * sizeof run->marks[0]);
    }
}

/* The leader steps down: what was not confirmed never was. */
static void step_down(struct run *run)
{
    if (run->mark_count == 0) {
        return;
    }
    uint32_t i = (uint32_t)office_draw(&run->office, run->mark_count);
    verdict->undone += run->commit_count - run->marks[i].commit_count;
    pw_undo_to(run->undo, run->marks[i].undo);
    run->commit_count = run->marks[i].commit_count;
    run->mark_count = i + 1;
    model_free(run->office.model);
    run->office.model = model_new();
    run->event_count = 0;
    for (uint32_t c = 0; c < run->commit_count; c++) {
        model_takes(run, &run->commits[c]);
        run->event_count += run->commits[c].count;
    }
    if (run->plan->trace) {
        printf("step %u, back to the %u commits that are confirmed\n", run->office.step,
               run->commit_count);
    }
    struct pw_hash bytes = bytes_of(run, run->state);
    if (run->commit_count > 0 &&
        !pw_hash_equal(&bytes, &run->commits[run->commit_count - 1].after)) {
        fail(run, "stepping down leaves what is confirmed", "after %u commits", run->commit_count);
    }
    for (uint32_t t = 0; t < OFFICE_TENANTS; t++) {
        struct pw_id tenant = office_tenant(t);
        check_tenant(run, &tenant);
    }
}

/* All is confirmed, and whoever leads now has it from a snapshot. */
static void step_restart(struct run *run)
{
    struct pw_state *restored = pw_state_new();
    struct pw_hash before = bytes_of(run, run->state);
    struct pw_cursor cursor = pw_cursor_of(run->buffer.data, run->buffer.bytes);
    pw_state_read(restored, &cursor);
    bool is_whole = pw_cursor_done(&cursor);
    struct pw_hash after = bytes_of(run, restored);
    if (!is_whole || !pw_hash_equal(&before, &after)) {
        fail(run, "a snapshot keeps everything", "after %u commits", run->commit_count);
    }
    if (run->plan->trace) {
        printf("step %u, goes on from a snapshot of %u commits\n", run->office.step,
               run->commit_count);
    }
    pw_undo_free(run->undo);
    pw_state_free(run->state);
    run->state = restored;
    run->undo = pw_undo_new();
    run->mark_count = 0;
}

static void step(struct run *run)
{
    office_turn_clock(&run->office);
    uint64_t dice = office_draw(&run->office, 1000);
    if (dice < 20) {
        step_mark(run);
    } else if (dice < 28) {
        step_down(run);
    } else if (dice < 38) {
        step_forget(run);
    } else if (dice < 42) {
        step_restart(run);
    } else if (dice < 120) {
        step_due(run);
    } else {
        step_ask(run);
    }
}

/* --- Replay --- */

/* Every prefix, from nothing. */
static void check_replay(struct run *run)
{
    struct pw_state *replayed = pw_state_new();
    for (uint32_t i = 0; i < run->commit_count; i++) {
        struct commit *made = &run->commits[i];
        evolve(run, replayed, made, NULL);
        struct pw_hash bytes = bytes_of(run, replayed);
        if (!pw_hash_equal(&bytes, &made->after)) {
            fail(run, "any prefix, replayed, is what was live", "after %u commits", i + 1);
        }
    }
    pw_state_free(replayed);
}

/* --- Runs --- */

static void run_plan(const struct plan *plan)
{
    static struct run run; /* Large, so that only what counts is cleared. */
    run.plan = plan;
    run.state = pw_state_new();
    run.undo = pw_undo_new();
    run.office = (struct office){.model = model_new(), .now_us = OFFICE_START_US};
    run.commit_count = run.event_count = run.mark_count = 0;
    pw_buffer_init(&run.buffer, STATE_BYTES);
    for (uint32_t i = 0; i < plan->steps; i++) {
        if (!plan->without[i]) {
            run.office.step = verdict->step = i;
            run.office.random = plan->seed << 32 | i;
            step(&run);
        }
    }
    check_replay(&run);
    pw_buffer_close(&run.buffer);
    model_free(run.office.model);
    pw_undo_free(run.undo);
    pw_state_free(run.state);
    verdict->runs++;
}

/* Why a process ended that found nothing broken. */
static void explain(int status)
{
    if (verdict->rule[0] == '\0') {
        bool hangs = WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF;
        snprintf(verdict->rule, sizeof verdict->rule, "%s",
                 hangs ? "every run ends" : "no process breaks");
        snprintf(verdict->text, sizeof verdict->text, "ended by signal %d, or exit code %d",
                 WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    }
}

static void limit_time(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = RUN_SECONDS}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

/* Runs seeds in a process of its own, until `until_s` where that is not 0. True: one breaks something, and the verdict says what. */
static bool breaks(const struct plan *plan, uint64_t seeds, time_t until_s, bool is_quiet)
{
    int status = 0;
    fflush(stdout);
    verdict->rule[0] = '\0';
    pid_t pid = fork();
    if (pid == 0) {
        struct plan next = *plan;
        if (is_quiet && freopen("/dev/null", "w", stderr) == NULL) {
            _exit(2);
        }
        for (uint64_t i = 0; until_s != 0 ? time(NULL) < until_s : i < seeds; i++) {
            next.seed = plan->seed + i;
            verdict->seed = next.seed;
            limit_time();
            run_plan(&next);
        }
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("commands_office: fork");
        exit(2);
    }
    if (status != 0) {
        explain(status);
    }
    return status != 0;
}

/* Leaves out ever fewer steps at a time, as long as the rest breaks something, be it something else. */
static void shorten(struct plan *plan)
{
    plan->steps = verdict->step + 1 < plan->steps ? verdict->step + 1 : plan->steps;
    for (uint32_t size = plan->steps; size > 0; size /= 2) {
        for (uint32_t from = 0; from < plan->steps; from += size) {
            struct plan shorter = *plan;
            bool is_less = false;
            for (uint32_t i = from; i < from + size && i < plan->steps; i++) {
                is_less |= !shorter.without[i];
                shorter.without[i] = true;
            }
            if (is_less && breaks(&shorter, 1, 0, true)) {
                *plan = shorter;
            }
        }
    }
}

static void tell_failure(const struct plan *found, const char *program)
{
    struct plan plan = *found;
    plan.seed = verdict->seed;
    printf("BROKEN %s\n  seed %llu, step %u: %s\n", verdict->rule, (unsigned long long)plan.seed,
           verdict->step, verdict->text);
    if (plan.trace) {
        return;
    }
    if (!breaks(&plan, 1, 0, true)) {
        printf("  alone, that seed breaks nothing: the run is not a function of its plan\n");
        return;
    }
    shorten(&plan);
    plan.trace = true;
    breaks(&plan, 1, 0, false);
    printf("BROKEN %s\n  %s\nagain: %s --seed %llu --seeds 1 --steps %u --trace --only ",
           verdict->rule, verdict->text, program, (unsigned long long)plan.seed, plan.steps);
    const char *comma = "";
    for (uint32_t i = 0; i < plan.steps; i++) {
        if (!plan.without[i]) {
            printf("%s%u", comma, i);
            comma = ",";
        }
    }
    printf("\n");
}

/* --- What a campaign must reach --- */

/* Of a list, where no command comes to it here. */
static bool is_out_of_reach(enum pw_code code)
{
    return code == PW_ERR_NO_SUCH_TENANT || code == PW_ERR_TOO_MANY_ISSUERS ||
           code == PW_ERR_ACCOMMODATION_AFFECTS_TOO_MANY;
}

static bool is_of_the_office(enum pw_command_type type)
{
    enum pw_aggregate aggregate = pw_command_info(type)->aggregate;
    return aggregate != PW_AGGREGATE_user && aggregate != PW_AGGREGATE_session &&
           type != PW_COMMAND_TENANT_CHOOSE_EQUALITY_KEY;
}

static bool is_reached(void)
{
    bool all = true;
    for (int t = 0; t < PW_COMMAND_COUNT; t++) {
        const struct pw_command_info *info = pw_command_info((enum pw_command_type)t);
        if (!is_of_the_office((enum pw_command_type)t)) {
            continue;
        }
        if (verdict->changes[t] == 0) {
            printf("NOT REACHED %s changed something\n", info->name);
            all = false;
        }
        for (uint32_t i = 0; i < info->refusal_count && info->door != PW_DOOR_SYSTEM; i++) {
            if (verdict->answers[t][info->refusals[i]] == 0 &&
                !is_out_of_reach(info->refusals[i])) {
                printf("NOT REACHED %s: %s\n", info->name, pw_error_info(info->refusals[i])->name);
                all = false;
            }
        }
    }
    return all;
}

static void print_tally(void)
{
    uint64_t asked = 0;
    uint64_t refused = 0;
    uint64_t changed = 0;
    for (int t = 0; t < PW_COMMAND_COUNT; t++) {
        changed += verdict->changes[t];
        for (int c = 0; c < PW_CODE_COUNT; c++) {
            asked += verdict->answers[t][c];
            refused += c != PW_OK ? verdict->answers[t][c] : 0;
        }
    }
    printf("%llu runs: %llu asked, %llu refused, %llu changes, deadlines among them, %llu undone\n",
           (unsigned long long)verdict->runs, (unsigned long long)asked,
           (unsigned long long)refused, (unsigned long long)changed,
           (unsigned long long)verdict->undone);
}

/* --- Arguments --- */

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: commands_office [--seed N] [--seeds N] [--steps N] [--minutes N] "
                    "[--only STEP,...] [--trace]\n");
    exit(2);
}

static uint64_t number_of(const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    if (errno != 0 || *text == '\0' || *end != '\0' || number > max) {
        usage();
    }
    return number;
}

static void leave_out_others(struct plan *plan, char *only)
{
    memset(plan->without, true, sizeof plan->without);
    for (char *step_text = strtok(only, ","); step_text != NULL; step_text = strtok(NULL, ",")) {
        plan->without[number_of(step_text, OFFICE_STEPS_MAX - 1)] = false;
    }
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'n'},
                                          {"steps", required_argument, NULL, 'c'},
                                          {"minutes", required_argument, NULL, 'm'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"trace", no_argument, NULL, 't'},
                                          {NULL, 0, NULL, 0}};
    struct plan plan = {.seed = 1, .steps = 800};
    uint64_t seeds = 60;
    time_t until_s = 0;
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 's': plan.seed = number_of(optarg, UINT32_MAX); break;
        case 'n': seeds = number_of(optarg, UINT32_MAX); break;
        case 'c': plan.steps = (uint32_t)number_of(optarg, OFFICE_STEPS_MAX); break;
        case 'm': until_s = time(NULL) + 60 * (time_t)number_of(optarg, 1000000); break;
        case 'o': leave_out_others(&plan, optarg); break;
        case 't': plan.trace = true; break;
        default: usage();
        }
    }
    if (optind < argc) {
        usage();
    }
    verdict =
        mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (verdict == MAP_FAILED) {
        perror("commands_office: mmap");
        return 2;
    }
    if (breaks(&plan, seeds, until_s, false)) {
        tell_failure(&plan, argv[0]);
        return 1;
    }
    print_tally();
    return (argc > 1 && verdict->runs < REACHING_MIN) || is_reached() ? 0 : 1;
}
