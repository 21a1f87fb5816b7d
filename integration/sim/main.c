/* integration/sim/main.c: campaigns of simulated runs.
 *
 * Usage  sim [--seed N] [--seeds N] [--commands N] [--jobs N] [--minutes N] [--without FAULT,...] [--trace] [--brief]
 * Runs seeds N, N + 1, ... in several processes and prints how often each fault took effect. Fails when a run
 * breaks a rule: then it prints the rule, the shortest plan that it finds to break one, that run's trace, and the
 * command that replays it (--brief: the rule alone). A campaign of 200 seeds or more fails as well when what it must provoke was rare. */
#include "integration/sim/sim.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "integration/sim/verdict.h"

#define JOBS_MAX     16
#define RUN_SECONDS  60 /* Of the processor; a run takes a tenth of one. */
#define SEEDS_MIN    200
#define PROVOKED_MIN 100 /* Of each, in a campaign of 2,000 seeds; fewer in a smaller one. */

/* Between the processes. */
struct campaign {
    atomic_uint_fast64_t next;
    atomic_bool over;
    struct verdict verdicts[JOBS_MAX];
    struct tally tallies[JOBS_MAX];
    uint64_t runs[JOBS_MAX];
};

struct options {
    struct plan plan;
    uint64_t seeds;
    uint32_t jobs;
    int64_t minutes;
    bool brief;
};

static struct campaign *shared;
static const char *program;

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* --- Running --- */

static void limit_time(void)
{
    const struct itimerval limit = {.it_value = {.tv_sec = RUN_SECONDS}};
    setitimer(ITIMER_PROF, &limit, NULL);
}

static void run_seeds(const struct options *options, uint32_t job, int64_t until_s)
{
    sim_verdict = &shared->verdicts[job];
    while (!atomic_load(&shared->over)) {
        uint64_t number = atomic_fetch_add(&shared->next, 1);
        if (until_s > 0 ? now_s() >= until_s : number >= options->seeds) {
            break;
        }
        struct plan plan = options->plan;
        plan.seed += number;
        sim_verdict->seed = plan.seed;
        limit_time();
        sim_run(&plan, &shared->tallies[job]);
        shared->runs[job]++;
    }
    fflush(stdout);
    _exit(0);
}

/* Why a process ended that did not end well. */
static void explain(struct verdict *verdict, int status)
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

/* One run in a process of its own: true when it breaks something, and *ret_verdict says what. */
static bool breaks(const struct plan *plan, struct verdict *ret_verdict)
{
    static struct tally ignored;
    int status = 0;
    fflush(stdout);
    shared->verdicts[0] = (struct verdict){.seed = plan->seed};
    pid_t pid = fork();
    if (pid == 0) {
        sim_verdict = &shared->verdicts[0];
        limit_time();
        if (!plan->trace && freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        sim_run(plan, &ignored);
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        perror("sim: fork");
        exit(2);
    }
    bool broken = !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    if (broken) {
        explain(&shared->verdicts[0], status);
        *ret_verdict = shared->verdicts[0];
    }
    return broken;
}

/* --- Telling --- */

static void shorten_commands(struct plan *plan, struct verdict *verdict)
{
    for (uint32_t less = plan->commands / 2; less > 0; less /= 2) {
        struct plan shorter = *plan;
        while (shorter.commands > less) {
            shorter.commands -= less;
            if (!breaks(&shorter, verdict)) {
                break;
            }
            *plan = shorter;
        }
    }
}

static void shorten_faults(struct plan *plan, struct verdict *verdict)
{
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        struct plan fewer = *plan;
        fewer.without |= 1U << i;
        if (breaks(&fewer, verdict)) {
            *plan = fewer;
        }
    }
}

static void print_replay(const struct plan *plan)
{
    const char *comma = " --without ";
    printf("replay: %s --seed %llu --seeds 1 --commands %u --trace", program,
           (unsigned long long)plan->seed, plan->commands);
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        if ((plan->without & 1U << i) != 0) {
            printf("%s%s", comma, sim_fault_names[i]);
            comma = ",";
        }
    }
    printf("\n");
}

static void tell_failure(const struct options *options, const struct verdict *found)
{
    struct plan plan = options->plan;
    struct verdict verdict = *found;
    plan.seed = found->seed;
    printf("BROKEN %s\n  seed %llu: %s\n", found->rule, (unsigned long long)found->seed,
           found->text);
    if (options->plan.trace || options->brief) {
        return;
    }
    if (!breaks(&plan, &verdict)) {
        printf("  alone, that seed breaks nothing: the simulation is not deterministic\n");
        return;
    }
    shorten_faults(&plan, &verdict);
    shorten_commands(&plan, &verdict);
    shorten_faults(&plan, &verdict);
    plan.trace = true;
    breaks(&plan, &verdict);
    printf("BROKEN %s\n  %s\n", verdict.rule, verdict.text);
    print_replay(&plan);
}

static void add(struct tally *to, const struct tally *tally)
{
    for (uint32_t i = 0; i < EFFECT_COUNT; i++) {
        to->effects[i] += tally->effects[i];
    }
    to->commands += tally->commands;
    to->accepted += tally->accepted;
    to->refused += tally->refused;
    to->unknown += tally->unknown;
    to->simulated_us += tally->simulated_us;
}

/* What a campaign is for: without these it has shown nothing. */
static bool is_provoked(const struct tally *tally, uint64_t runs)
{
    static const enum effect wanted[] = {EFFECT_TWO_LEADERS, EFFECT_OWN_VOID, EFFECT_OFFSET_UNKNOWN,
                                         EFFECT_REPEATED, EFFECT_LATE};
    uint64_t min = runs >= 2000 ? PROVOKED_MIN : PROVOKED_MIN * runs / 2000;
    bool all = true;
    for (size_t i = 0; runs >= SEEDS_MIN && i < PW_COUNT(wanted); i++) {
        if (tally->effects[wanted[i]] < min) {
            printf("BROKEN a campaign provokes what it is for\n  %s: %llu, and %llu are wanted\n",
                   sim_effect_names[wanted[i]], (unsigned long long)tally->effects[wanted[i]],
                   (unsigned long long)min);
            all = false;
        }
    }
    return all;
}

static void print_tally(const struct tally *tally, uint64_t runs)
{
    printf("%llu runs, %llu commands in %llu simulated s: %llu accepted, %llu refused, %llu "
           "unknown. Took effect:",
           (unsigned long long)runs, (unsigned long long)tally->commands,
           (unsigned long long)(tally->simulated_us / PW_US_PER_SECOND),
           (unsigned long long)tally->accepted, (unsigned long long)tally->refused,
           (unsigned long long)tally->unknown);
    for (uint32_t i = 0; i < EFFECT_COUNT; i++) {
        printf("%s %llu %s", i == 0 ? "" : ",", (unsigned long long)tally->effects[i],
               sim_effect_names[i]);
    }
    printf(".\n");
}

static int campaign(const struct options *options)
{
    pid_t pids[JOBS_MAX];
    int64_t until_s = options->minutes > 0 ? now_s() + 60 * options->minutes : 0;
    const struct verdict *failed = NULL;
    struct tally total = {0};
    uint64_t runs = 0;
    fflush(stdout);
    for (uint32_t i = 0; i < options->jobs; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            run_seeds(options, i, until_s);
        }
    }
    for (uint32_t left = options->jobs; left > 0; left--) {
        int status = 0;
        pid_t pid = wait(&status);
        for (uint32_t i = 0; i < options->jobs; i++) {
            if (pid == pids[i] && status != 0 && failed == NULL) {
                atomic_store(&shared->over, true);
                failed = &shared->verdicts[i];
                explain(&shared->verdicts[i], status);
            }
        }
    }
    for (uint32_t i = 0; i < options->jobs; i++) {
        add(&total, &shared->tallies[i]);
        runs += shared->runs[i];
    }
    if (failed != NULL) {
        struct verdict copy = *failed;
        printf("after %llu good runs: ", (unsigned long long)runs);
        tell_failure(options, &copy);
        return 1;
    }
    bool good = is_provoked(&total, runs);
    print_tally(&total, runs);
    return good ? 0 : 1;
}

/* --- Arguments --- */

static _Noreturn void usage(void)
{
    fprintf(stderr, "usage: sim [--seed N] [--seeds N] [--commands N] [--jobs N] [--minutes N] "
                    "[--without FAULT,...] [--trace] [--brief]\nfaults:");
    for (uint32_t i = 0; i < FAULT_COUNT; i++) {
        fprintf(stderr, " %s", sim_fault_names[i]);
    }
    fprintf(stderr, "\n");
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

static uint32_t faults_of(char *text)
{
    uint32_t faults = 0;
    for (char *name = strtok(text, ","); name != NULL; name = strtok(NULL, ",")) {
        uint32_t i = 0;
        while (i < FAULT_COUNT && strcmp(sim_fault_names[i], name) != 0) {
            i++;
        }
        if (i == FAULT_COUNT) {
            usage();
        }
        faults |= 1U << i;
    }
    return faults;
}

static struct options read_options(int argc, char **argv)
{
    static const struct option known[] = {{"seed", required_argument, NULL, 's'},
                                          {"seeds", required_argument, NULL, 'n'},
                                          {"commands", required_argument, NULL, 'c'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"minutes", required_argument, NULL, 'm'},
                                          {"without", required_argument, NULL, 'w'},
                                          {"trace", no_argument, NULL, 't'},
                                          {"brief", no_argument, NULL, 'b'},
                                          {NULL, 0, NULL, 0}};
    struct options options = {.plan = {.seed = 1, .commands = 500}, .seeds = 20, .jobs = 1};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 's': options.plan.seed = number_of(optarg, UINT64_MAX); break;
        case 'n': options.seeds = number_of(optarg, UINT64_MAX); break;
        case 'c': options.plan.commands = (uint32_t)number_of(optarg, OPS_MAX - 200); break;
        case 'j': options.jobs = (uint32_t)number_of(optarg, 10000); break;
        case 'm': options.minutes = (int64_t)number_of(optarg, 1000000); break;
        case 'w': options.plan.without = faults_of(optarg); break;
        case 't': options.plan.trace = true; break;
        case 'b': options.brief = true; break;
        default: usage();
        }
    }
    if (optind < argc || options.jobs == 0) {
        usage();
    }
    options.jobs = options.jobs < JOBS_MAX ? options.jobs : JOBS_MAX;
    return options;
}

int main(int argc, char **argv)
{
    struct options options = read_options(argc, argv);
    program = argv[0];
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("sim: mmap");
        return 2;
    }
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    return campaign(&options);
}
