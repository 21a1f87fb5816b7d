/* api/tests/passwords.c: passwords that may be had, hashed, and verified. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <sys/resource.h>

#include "api/passwords.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED /* Its shadow needs more addresses than a limit could leave it. */
#endif
#endif

#define CHEAP_KIB 64 /* A test needs no strength. */
#define GOOD      "correct horse battery"

typedef char hash_text[PW_PASSWORD_HASH_BYTES_MAX + 1];

static struct pw_passwords *passwords_of(uint32_t memory_kib, uint32_t passes)
{
    struct pw_passwords *passwords = NULL;
    cr_assert(sodium_init() >= 0);
    cr_assert_eq(pw_passwords_new(memory_kib, passes, &passwords, NULL), PW_OK);
    return passwords;
}

static void hash(struct pw_passwords *passwords, const char *password, hash_text ret_hash)
{
    cr_assert_eq(pw_password_hash(passwords, pw_str_of(password), ret_hash, NULL), PW_OK);
}

static bool fits(struct pw_passwords *passwords, const char *password, const char *on_record)
{
    return pw_password_fits(passwords, pw_str_of(password), on_record);
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
    struct pw_passwords *passwords = passwords_of(CHEAP_KIB, 1);
    hash_text first;
    hash_text second;
    hash_text none = "$argon2id$no hash";
    hash(passwords, GOOD, first);
    hash(passwords, GOOD, second);
    cr_expect_eq(strncmp(first, "$argon2id$v=19$m=64,t=1,p=1$", 28), 0, "%s", first);
    cr_expect_str_neq(first, second, "each has its salt");
    cr_expect(fits(passwords, GOOD, first));
    cr_expect_not(fits(passwords, GOOD "!", first));
    cr_expect_not(fits(passwords, "", first));
    cr_expect_not(fits(passwords, GOOD, none));
    pw_passwords_free(passwords);
}

Test(passwords, a_hash_of_another_cost_still_fits)
{
    struct pw_passwords *before = passwords_of(CHEAP_KIB, 1);
    struct pw_passwords *after = passwords_of(2 * CHEAP_KIB, 2);
    hash_text made;
    hash(before, GOOD, made);
    cr_expect(fits(after, GOOD, made));
    cr_expect_not(fits(after, "another one", made));
    pw_passwords_free(before);
    pw_passwords_free(after);
}

/* Processor time, so that whoever else runs does not count. */
static int64_t cpu_us(struct pw_passwords *passwords, const char *on_record)
{
    struct rusage before;
    struct rusage after;
    getrusage(RUSAGE_SELF, &before);
    fits(passwords, GOOD, on_record);
    getrusage(RUSAGE_SELF, &after);
    return (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
            before.ru_stime.tv_sec) *
               PW_US_PER_SECOND +
           after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
           before.ru_stime.tv_usec;
}

Test(passwords, whoever_is_not_there_is_verified_all_the_same)
{
    struct pw_passwords *passwords = passwords_of(8192, 2);
    int64_t nobody_us = 0;
    int64_t somebody_us = 0;
    hash_text on_record;
    hash(passwords, "somebody's password", on_record);
    for (int i = 0; i < 8; i++) {
        nobody_us += cpu_us(passwords, "");
        somebody_us += cpu_us(passwords, on_record);
    }
    cr_expect(nobody_us > somebody_us / 2 && somebody_us > nobody_us / 2, "%lld and %lld",
              (long long)nobody_us, (long long)somebody_us);
    cr_expect_not(fits(passwords, GOOD, ""));
    pw_passwords_free(passwords);
}

#ifndef SANITIZED
Test(passwords, without_memory_there_is_no_hash)
{
    struct pw_passwords *passwords = passwords_of(65536, 1);
    struct pw_err err = {0};
    hash_text made;
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_AS, &limit), 0);
    struct rlimit low = {.rlim_cur = 1, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_AS, &low), 0);
    enum pw_code code = pw_password_hash(passwords, PW_STR(GOOD), made, &err);
    setrlimit(RLIMIT_AS, &limit);
    cr_expect_eq(code, PW_ERR_INTERNAL);
    pw_passwords_free(passwords);
}
#endif
