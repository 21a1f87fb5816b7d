/* api/tests/passwords.c: passwords that may be had, hashed, and verified. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/resource.h>

#include "api/passwords.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED /* Its shadow needs more addresses than a limit could leave it. */
#endif
#endif

#define CHEAP_KIB 64 /* A test needs no strength. */
#define GOOD      "correct horse battery"

static struct pw_passwords *passwords_of(uint32_t memory_kib, uint32_t passes, uint32_t queue_max)
{
    struct pw_passwords *passwords = NULL;
    struct pw_password_options options = {
        .pool = {1, queue_max, pw_clock_system()}, .memory_kib = memory_kib, .passes = passes};
    cr_assert(sodium_init() >= 0);
    cr_assert_eq(pw_passwords_new(&options, &passwords, NULL), PW_OK);
    return passwords;
}

/* --- One job, waited for --- */

struct asked {
    struct pw_password_job job; /* First. */
    char password[256];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_answered;
    bool was_zeroed; /* When done was called. */
};

static bool is_zeroed(const struct asked *asked)
{
    return sodium_is_zero((const unsigned char *)asked->password, sizeof asked->password);
}

static void on_done(struct pw_password_job *job)
{
    struct asked *asked = (struct asked *)job;
    pthread_mutex_lock(&asked->lock);
    asked->is_answered = true;
    asked->was_zeroed = is_zeroed(asked);
    pthread_cond_signal(&asked->changed);
    pthread_mutex_unlock(&asked->lock);
}

static void ask(struct asked *asked, const char *password, const char *hash)
{
    *asked = (struct asked){
        .job = {.password = asked->password, .password_bytes = strlen(password), .done = on_done},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER};
    memcpy(asked->password, password, strlen(password));
    memcpy(asked->job.hash, hash, strlen(hash));
}

static void wait_for_answer(struct asked *asked)
{
    pthread_mutex_lock(&asked->lock);
    while (!asked->is_answered) {
        pthread_cond_wait(&asked->changed, &asked->lock);
    }
    pthread_mutex_unlock(&asked->lock);
    cr_expect(asked->was_zeroed, "the password is gone by then");
}

static void hash(struct pw_passwords *passwords, const char *password, struct asked *asked)
{
    ask(asked, password, "");
    cr_assert_eq(pw_passwords_hash(passwords, &asked->job), PW_OK);
    wait_for_answer(asked);
}

static void verify(struct pw_passwords *passwords, const char *password, const char *on_record,
                   struct asked *asked)
{
    ask(asked, password, on_record);
    cr_assert_eq(pw_passwords_verify(passwords, &asked->job), PW_OK);
    wait_for_answer(asked);
}

/* --- What may be had --- */

#define TEN      "abcdefghij"
#define LONGEST  TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678"
#define IS_SHORT "must have 8 to 128 bytes of UTF-8"
#define IS_KNOWN "is one of those that are tried first"

static const struct {
    const char *name;
    const char *password;
    const char *fault;
} faults[] = {
    {"eight bytes", "kd83.plq", NULL},
    {"seven", "kd83.pl", IS_SHORT},
    {"none", "", IS_SHORT},
    {"a hundred and twenty-eight", LONGEST, NULL},
    {"one more", LONGEST "9", IS_SHORT},
    {"spaces count", "a b c d e", NULL},
    {"no rule about letters and digits", "onlyletters", NULL},
    {"any script", "п\u0430р\u043eл\u044cя", NULL},
    {"no UTF-8", "abcdefgh\xff", IS_SHORT},
    {"tried first", "password", IS_KNOWN},
    {"in any case", "PassWord1", IS_KNOWN},
    {"digits that anybody tries", "12345678", IS_KNOWN},
    {"the name of the house", "proctorwise", IS_KNOWN},
    {"one letter", "zzzzzzzzzz", IS_KNOWN},
    {"longer than one that is tried", "passwordpasswordx", NULL},
};

Test(passwords, only_length_and_the_worst_ones_are_refused)
{
    for (size_t i = 0; i < PW_COUNT(faults); i++) {
        const char *fault = pw_password_fault(pw_str_of(faults[i].password));
        if (faults[i].fault == NULL) {
            cr_expect_null(fault, "%s: %s", faults[i].name, fault);
        } else {
            cr_expect(fault != NULL && strcmp(fault, faults[i].fault) == 0, "%s: %s",
                      faults[i].name, fault != NULL ? fault : "nothing");
        }
    }
    cr_expect_not_null(pw_password_fault((struct pw_str){"abcdefgh\0i", 10}), "no NUL");
}

Test(passwords, are_forgotten)
{
    char text[] = "{\"password\": \"correct horse\"}";
    pw_password_forget((struct pw_str){text, sizeof text});
    cr_expect(sodium_is_zero((unsigned char *)text, sizeof text));
}

/* --- Hashes --- */

Test(passwords, a_hash_fits_its_password_only)
{
    struct pw_passwords *passwords = passwords_of(CHEAP_KIB, 1, 8);
    struct asked first;
    struct asked second;
    struct asked asked;
    hash(passwords, GOOD, &first);
    hash(passwords, GOOD, &second);
    cr_expect_eq(first.job.job.code, PW_OK);
    cr_expect_eq(strncmp(first.job.hash, "$argon2id$v=19$m=64,t=1,p=1$", 28), 0, "%s",
                 first.job.hash);
    cr_expect_str_neq(first.job.hash, second.job.hash, "each has its salt");
    verify(passwords, GOOD, first.job.hash, &asked);
    cr_expect(asked.job.job.code == PW_OK && asked.job.fits && !asked.job.needs_rehash);
    verify(passwords, GOOD "!", first.job.hash, &asked);
    cr_expect(asked.job.job.code == PW_OK && !asked.job.fits && !asked.job.needs_rehash);
    verify(passwords, "", first.job.hash, &asked);
    cr_expect(!asked.job.fits);
    verify(passwords, GOOD, "$argon2id$no hash", &asked);
    cr_expect(!asked.job.fits);
    pw_passwords_free(passwords);
}

Test(passwords, a_hash_of_another_cost_still_fits_and_wants_to_be_made_anew)
{
    struct pw_passwords *before = passwords_of(CHEAP_KIB, 1, 8);
    struct asked made;
    struct asked asked;
    hash(before, GOOD, &made);
    pw_passwords_free(before);
    const struct {
        uint32_t memory_kib;
        uint32_t passes;
        bool needs_rehash;
    } costs[] = {{CHEAP_KIB, 1, false}, {CHEAP_KIB, 2, true}, {2 * CHEAP_KIB, 1, true}};
    for (size_t i = 0; i < PW_COUNT(costs); i++) {
        struct pw_passwords *after = passwords_of(costs[i].memory_kib, costs[i].passes, 8);
        verify(after, GOOD, made.job.hash, &asked);
        cr_expect(asked.job.fits, "%zu", i);
        cr_expect_eq(asked.job.needs_rehash, costs[i].needs_rehash, "%zu", i);
        verify(after, "another one", made.job.hash, &asked);
        cr_expect(!asked.job.fits && !asked.job.needs_rehash, "%zu", i);
        pw_passwords_free(after);
    }
}

/* Processor time, so that whoever else runs does not count. */
static int64_t cpu_us(struct pw_passwords *passwords, const char *on_record)
{
    struct rusage before;
    struct rusage after;
    struct asked asked;
    getrusage(RUSAGE_SELF, &before);
    verify(passwords, GOOD, on_record, &asked);
    getrusage(RUSAGE_SELF, &after);
    cr_expect(asked.job.job.code == PW_OK);
    return (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
            before.ru_stime.tv_sec) *
               PW_US_PER_SECOND +
           after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
           before.ru_stime.tv_usec;
}

Test(passwords, whoever_is_not_there_is_verified_all_the_same)
{
    struct pw_passwords *passwords = passwords_of(8192, 2, 8);
    struct asked asked;
    int64_t nobody_us = 0;
    int64_t somebody_us = 0;
    hash(passwords, "somebody's password", &asked);
    char on_record[sizeof asked.job.hash];
    memcpy(on_record, asked.job.hash, sizeof on_record);
    for (int i = 0; i < 8; i++) {
        nobody_us += cpu_us(passwords, "");
        somebody_us += cpu_us(passwords, on_record);
    }
    cr_expect(nobody_us > somebody_us / 2 && somebody_us > nobody_us / 2, "%lld and %lld",
              (long long)nobody_us, (long long)somebody_us);
    verify(passwords, GOOD, "", &asked);
    cr_expect(!asked.job.fits && !asked.job.needs_rehash);
    pw_passwords_free(passwords);
}

/* --- What cannot be done --- */

Test(passwords, who_is_refused_has_no_password_left_either)
{
    struct pw_passwords *passwords = passwords_of(CHEAP_KIB, 1, 0);
    struct asked asked;
    struct pw_pool_counts counts;
    ask(&asked, GOOD, "");
    cr_expect_eq(pw_passwords_hash(passwords, &asked.job), PW_ERR_QUEUE_FULL);
    cr_expect(is_zeroed(&asked));
    pw_passwords_count(passwords, &counts);
    cr_expect_eq(counts.refused, 1);
    pw_passwords_stop(passwords);
    ask(&asked, GOOD, "");
    cr_expect_eq(pw_passwords_verify(passwords, &asked.job), PW_ERR_STOPPING);
    cr_expect(is_zeroed(&asked));
    pw_passwords_free(passwords);
    pw_passwords_count(NULL, &counts);
    cr_expect_eq(counts.refused, 0);
}

#ifndef SANITIZED
Test(passwords, without_memory_there_is_no_hash)
{
    struct pw_passwords *passwords = passwords_of(65536, 1, 8);
    struct asked asked;
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_AS, &limit), 0);
    struct rlimit low = {.rlim_cur = 1, .rlim_max = limit.rlim_max};
    ask(&asked, GOOD, "");
    cr_assert_eq(setrlimit(RLIMIT_AS, &low), 0);
    enum pw_code code = pw_passwords_hash(passwords, &asked.job);
    wait_for_answer(&asked);
    setrlimit(RLIMIT_AS, &limit);
    cr_expect_eq(code, PW_OK);
    cr_expect_eq(asked.job.job.code, PW_ERR_INTERNAL);
    pw_passwords_free(passwords);
}
#endif
