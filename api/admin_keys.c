/* api/admin_keys.c: the operator's verbs for the keys of personal data, docs/keys.md. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/http.h"
#include "api/node.h"
#include "api/verbs.h"
#include "eventstore/key_store.h"

#define OPENED_MAX    16 /* Nothing is encrypted here, so hardly any. */
#define DESTROYED_MAX 64 /* At once. */

/* One store, opened, checked and read. */
struct keys {
    struct pw_masters *masters;
    struct pw_key_store *store;
    struct pw_key_counts counts;
};

static void on_progress(void *self, uint64_t done, uint64_t count)
{
    fprintf(stderr, "\r%s %llu of %llu keys", (const char *)self, (unsigned long long)done,
            (unsigned long long)count);
}

static struct pw_key_progress progress_of(const char *what)
{
    return (struct pw_key_progress){.self = (void *)(uintptr_t)what, .told = on_progress};
}

static void progress_end(bool shown)
{
    if (shown) {
        fputs("\r\033[K", stderr);
    }
}

static enum pw_code keys_open(struct keys *keys, const struct pw_config *config, bool reads_only,
                              struct pw_err *err)
{
    struct pw_key_store_config options = {.opened_max = OPENED_MAX};
    struct pw_key_progress progress = progress_of("read");
    bool shows = isatty(STDERR_FILENO) != 0;
    enum pw_code code = pw_node_load_masters(config, &keys->masters, err);
    code = code != PW_OK ? code : pw_node_open_keys(config, reads_only, &options.log, err);
    if (code != PW_OK) {
        return code;
    }
    code = options.log.check(options.log.self, err);
    if (code != PW_OK) {
        options.log.close(options.log.self);
        return code;
    }
    options.masters = keys->masters;
    code = pw_key_store_open(&options, &keys->store, err);
    if (code == PW_OK) {
        code = pw_key_store_read(keys->store, shows ? &progress : NULL, &keys->counts, err);
        progress_end(shows);
    }
    return code;
}

static void keys_close(struct keys *keys)
{
    pw_key_store_close(keys->store);
    pw_masters_free(keys->masters);
}

static void tell_patience(void)
{
    fputs("Kafka forgets them when it compacts the topic: repeat this in an hour, until none is "
          "left\n",
          stderr);
}

/* --- create --- */

static bool take_purpose(const struct pw_verb_text *text, enum pw_key_purpose *ret_purpose)
{
    bool is_equality = text->text != NULL && strcmp(text->text, "equality") == 0;
    if (text->text != NULL && !is_equality && strcmp(text->text, "personal") != 0) {
        fputs("proctorwise: --purpose must be personal or equality\n", stderr);
        return false;
    }
    *ret_purpose = is_equality ? PW_KEY_EQUALITY : PW_KEY_PERSONAL;
    return true;
}

static int create(const struct pw_config *config, const char *tenant, enum pw_key_purpose purpose,
                  bool as_json)
{
    struct keys keys = {.masters = NULL};
    struct pw_id tenant_id;
    struct pw_id key_id;
    struct pw_err err = {0};
    char text[PW_ID_TEXT_BYTES + 1];
    if (!pw_id_parse(pw_str_of(tenant), &tenant_id)) {
        fputs("proctorwise: --tenant must be a UUID\n", stderr);
        return PW_EXIT_USAGE;
    }
    enum pw_code code = keys_open(&keys, config, false, &err);
    code =
        code != PW_OK ? code : pw_key_store_create(keys.store, &tenant_id, purpose, &key_id, &err);
    keys_close(&keys);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    pw_id_format(&key_id, text);
    printf(as_json ? "{\"key_id\":\"%s\"}\n" : "%s\n", text);
    return PW_EXIT_GOOD;
}

int pw_verb_admin_keys_create(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text tenant = {0};
    struct pw_verb_text purpose_text = {0};
    enum pw_key_purpose purpose;
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("tenant", tenant), PW_FLAG_TEXT("purpose", purpose_text),
                              PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = pw_verb_needs(&tenant, "tenant") && take_purpose(&purpose_text, &purpose)
                     ? create(&config, tenant.text, purpose, as_json)
                     : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}

/* --- list --- */

static const char *purpose_name(const struct pw_key_record *record)
{
    switch ((int)record->purpose) {
    case PW_KEY_PERSONAL: return "personal";
    case PW_KEY_EQUALITY: return "equality";
    default: return "unknown";
    }
}

static const char *state_name(struct keys *keys, const struct pw_key_record *record)
{
    switch (pw_key_store_try(keys->store, &record->key_id, NULL)) {
    case PW_OK:
        return pw_id_equal(&record->master_id, pw_masters_id(keys->masters, 0)) ? "good" : "old";
    case PW_ERR_SETTING_WRONG: return "unknown-master";
    default: return "damaged";
    }
}

/* Gives whether it opens. */
static bool print_key(struct keys *keys, const struct pw_key_record *record, bool as_json)
{
    char key_id[PW_ID_TEXT_BYTES + 1];
    char tenant_id[PW_ID_TEXT_BYTES + 1];
    char master_id[PW_ID_TEXT_BYTES + 1];
    const char *state = state_name(keys, record);
    pw_id_format(&record->key_id, key_id);
    pw_id_format(&record->tenant_id, tenant_id);
    pw_id_format(&record->master_id, master_id);
    printf(as_json
               ? "{\"key_id\":\"%s\",\"tenant_id\":\"%s\",\"purpose\":\"%s\",\"master_id\":\"%s\","
                 "\"state\":\"%s\"}\n"
               : "%s  %s  %-8s  %s  %s\n",
           key_id, tenant_id, purpose_name(record), master_id, state);
    return strcmp(state, "good") == 0 || strcmp(state, "old") == 0;
}

/* What a read found beside good keys; gives whether that is nothing bad. */
static bool tell_counts(const struct pw_key_counts *counts)
{
    const struct {
        const char *what;
        uint64_t count;
        bool is_bad;
    } told[] = {
        {"keys", counts->keys, false},
        {"destroyed", counts->destroyed, false},
        {"of these still in the log: destroy them again", counts->lingering, false},
        {"written again after their end: destroy them again", counts->late, true},
        {"damaged records", counts->damaged, true},
        {"records that contradict an earlier one", counts->conflicts, true},
        {"foreign records", counts->foreign, false},
    };
    bool good = true;
    for (size_t i = 0; i < PW_COUNT(told); i++) {
        if (i == 0 || told[i].count > 0) {
            fprintf(stderr, "%llu %s\n", (unsigned long long)told[i].count, told[i].what);
        }
        good = good && !(told[i].is_bad && told[i].count > 0);
    }
    return good;
}

static int list(const struct pw_config *config, bool as_json)
{
    struct keys keys = {.masters = NULL};
    struct pw_key_record record;
    struct pw_err err = {0};
    enum pw_code code = keys_open(&keys, config, true, &err);
    bool good = code == PW_OK;
    for (uint32_t i = 0; code == PW_OK && i < pw_key_store_count(keys.store); i++) {
        if (pw_key_store_at(keys.store, i, &record)) {
            good = print_key(&keys, &record, as_json) && good;
        }
    }
    good = code == PW_OK && tell_counts(&keys.counts) && good;
    keys_close(&keys);
    return code != PW_OK ? pw_verb_fail(code, err.detail) : good ? PW_EXIT_GOOD : PW_EXIT_WRONG;
}

int pw_verb_admin_keys_list(int argc, char **argv)
{
    struct pw_config config;
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = list(&config, as_json);
    }
    pw_config_close(&config);
    return result;
}

/* --- rotate --- */

static int rotate(const struct pw_config *config, bool as_json)
{
    struct keys keys = {.masters = NULL};
    struct pw_rewrap_counts counts = {.rewrapped = 0};
    struct pw_key_progress progress = progress_of("wrapped");
    struct pw_err err = {0};
    bool shows = isatty(STDERR_FILENO) != 0;
    enum pw_code code = keys_open(&keys, config, false, &err);
    if (code == PW_OK) {
        code = pw_key_store_rewrap(keys.store, shows ? &progress : NULL, &counts, &err);
        progress_end(shows);
    }
    keys_close(&keys);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    printf(as_json ? "{\"rewrapped\":%llu,\"current\":%llu,\"unopened\":%llu,\"destroyed\":%llu,"
                     "\"lingering\":%llu}\n"
                   : "%llu rewrapped, %llu under the current master key already, %llu that do not "
                     "open, %llu destroyed meanwhile, %llu under other master keys still in the "
                     "log\n",
           (unsigned long long)counts.rewrapped, (unsigned long long)counts.current,
           (unsigned long long)counts.unopened, (unsigned long long)counts.destroyed,
           (unsigned long long)counts.lingering);
    if (counts.lingering > counts.unopened) {
        tell_patience();
    }
    return counts.unopened == 0 ? PW_EXIT_GOOD : PW_EXIT_WRONG;
}

int pw_verb_admin_keys_rotate(int argc, char **argv)
{
    struct pw_config config;
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        result = rotate(&config, as_json);
    }
    pw_config_close(&config);
    return result;
}

/* --- destroy --- */

static bool is_agreed(size_t count)
{
    char answer[16] = "";
    if (isatty(STDIN_FILENO) == 0) {
        fputs("proctorwise: --yes is needed where nobody can be asked\n", stderr);
        return false;
    }
    fprintf(stderr,
            "Destroy %zu keys? What they encrypted can never be read again. yes or no: ", count);
    return fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

static int destroy(const struct pw_config *config, const struct pw_id *key_ids, size_t count,
                   bool as_json)
{
    struct keys keys = {.masters = NULL};
    struct pw_err err = {0};
    size_t lingering = 0;
    enum pw_code code = keys_open(&keys, config, false, &err);
    code =
        code != PW_OK ? code : pw_key_store_destroy(keys.store, key_ids, count, &lingering, &err);
    keys_close(&keys);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    printf(as_json ? "{\"destroyed\":%zu,\"lingering\":%zu}\n"
                   : "%zu destroyed, %zu still in the log\n",
           count, lingering);
    if (lingering > 0) {
        tell_patience();
    }
    return PW_EXIT_GOOD;
}

static bool take_keys(const char *const *texts, size_t count, struct pw_id *ret_ids)
{
    for (size_t i = 0; i < count; i++) {
        if (!pw_id_parse(pw_str_of(texts[i]), &ret_ids[i])) {
            fprintf(stderr, "proctorwise: --key must be a UUID, and %s is none\n", texts[i]);
            return false;
        }
    }
    if (count == 0) {
        fputs("proctorwise: --key is needed; see --help\n", stderr);
    }
    return count > 0;
}

int pw_verb_admin_keys_destroy(int argc, char **argv)
{
    struct pw_config config;
    const char *texts[DESTROYED_MAX];
    struct pw_id key_ids[DESTROYED_MAX];
    size_t count = 0;
    bool yes = false;
    bool as_json = false;
    struct pw_flag flags[] = {{"key", NULL, texts, &count, DESTROYED_MAX},
                              PW_FLAG_SWITCH("yes", yes),
                              PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool goes_on = take_keys(texts, count, key_ids) && (yes || is_agreed(count));
        result = goes_on ? destroy(&config, key_ids, count, as_json) : PW_EXIT_USAGE;
    }
    pw_config_close(&config);
    return result;
}
