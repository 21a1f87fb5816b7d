/* api/admin_tenant.c: how the operator's verbs ask a running node, and the first of them: only `admin
 * ledger create` writes by itself. */
#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/http.h"
#include "api/verbs.h"

#define PATIENCE_SECONDS 30
#define ANSWER_BYTES_MAX 65536

struct answer {
    char text[ANSWER_BYTES_MAX + 1];
    size_t bytes;
    long status; /* 0: nobody answered. */
};

static size_t on_data(char *data, size_t size, size_t count, void *self)
{
    struct answer *answer = self;
    size_t bytes = size * count;
    if (bytes > ANSWER_BYTES_MAX - answer->bytes) {
        return 0;
    }
    memcpy(answer->text + answer->bytes, data, bytes);
    answer->bytes += bytes;
    answer->text[answer->bytes] = '\0';
    return bytes;
}

static struct curl_slist *make_headers(const char *cluster_key, const char *key)
{
    char line[512];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(line, sizeof line, "Authorization: Bearer %s", cluster_key);
    headers = curl_slist_append(headers, line);
    sodium_memzero(line, sizeof line);
    snprintf(line, sizeof line, "Idempotency-Key: %s", key);
    return curl_slist_append(headers, line);
}

static void post_once(const char *url, struct curl_slist *headers, const char *body,
                      struct answer *answer)
{
    CURL *curl = curl_easy_init();
    answer->bytes = 0;
    answer->status = 0;
    answer->text[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    }
    curl_easy_cleanup(curl);
}

static int tell_problem(const char *url, const struct answer *answer)
{
    if (answer->status == 0) {
        fprintf(stderr, "proctorwise: no node answers at %s\n", url);
        return PW_EXIT_UNREACHABLE;
    }
    json_t *problem = json_loadb(answer->text, answer->bytes, 0, NULL);
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const json_t *errors = json_object_get(problem, "errors");
    fprintf(stderr, "proctorwise: %ld: %s%s%s\n", answer->status, title != NULL ? title : "?",
            detail != NULL ? ": " : "", detail != NULL ? detail : "");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *item = json_array_get(errors, i);
        fprintf(stderr, "  %s %s\n", json_string_value(json_object_get(item, "pointer")),
                json_string_value(json_object_get(item, "detail")));
    }
    json_decref(problem);
    return answer->status == 503 ? PW_EXIT_UNREACHABLE : PW_EXIT_WRONG;
}

int pw_internal_post(const struct pw_config *config, const char *path, const char *body,
                     const char *key, char **ret_body)
{
    char *cluster_key = NULL;
    size_t key_bytes = 0;
    struct pw_err err = {0};
    char url[512];
    enum pw_code code = pw_config_read_file(config, PW_CONFIG_CLUSTER_KEY_FILE, 32, 256,
                                            &cluster_key, &key_bytes, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    struct answer *answer = malloc(sizeof *answer);
    struct curl_slist *headers = make_headers(cluster_key, key);
    time_t give_up = time(NULL) + PATIENCE_SECONDS;
    pw_secret_free(cluster_key, key_bytes);
    snprintf(url, sizeof url, "http://%s%s", pw_config_text(config, PW_CONFIG_ADMIN_LISTEN), path);
    post_once(url, headers, body, answer);
    /* The same key: however often it arrives, it is carried out once. */
    while ((answer->status == 503 || answer->status == 0) && time(NULL) < give_up) {
        struct timespec pause = {.tv_nsec = 500000000};
        nanosleep(&pause, NULL);
        post_once(url, headers, body, answer);
    }
    curl_slist_free_all(headers);
    int result = PW_EXIT_GOOD;
    if (answer->status == 200 || answer->status == 201) {
        *ret_body = strdup(answer->text);
    } else {
        result = tell_problem(url, answer);
    }
    free(answer);
    return result;
}

void pw_internal_key(char ret_key[PW_ID_TEXT_BYTES + 1])
{
    uint8_t random[16];
    randombytes_buf(random, sizeof random);
    struct pw_id id = pw_id_v7(pw_http_wall_us(), random);
    pw_id_format(&id, ret_key);
}

/* Prints the answer: whole, or only its id. */
static void print_answer(const char *body, bool as_json)
{
    json_t *json = json_loads(body, 0, NULL);
    const char *id = json_string_value(json_object_get(json, "id"));
    printf("%s\n", as_json || id == NULL ? body : id);
    json_decref(json);
}

int pw_internal_command(const struct pw_config *config, const char *path, json_t *body,
                        const char *key, bool as_json)
{
    char made[PW_ID_TEXT_BYTES + 1];
    char *text = json_dumps(body, JSON_COMPACT);
    char *answer = NULL;
    json_decref(body);
    if (text == NULL) {
        fputs("proctorwise: the texts given are not UTF-8\n", stderr);
        return PW_EXIT_USAGE;
    }
    pw_internal_key(made);
    int result = pw_internal_post(config, path, text, key != NULL ? key : made, &answer);
    if (result == PW_EXIT_GOOD) {
        print_answer(answer, as_json);
    }
    free(answer);
    free(text);
    return result;
}

int pw_verb_admin_tenant_create(int argc, char **argv)
{
    struct pw_config config;
    struct pw_verb_text name = {0};
    struct pw_verb_text zone = {0};
    struct pw_verb_text language = {0};
    struct pw_verb_text key = {0};
    bool as_json = false;
    struct pw_flag flags[] = {PW_FLAG_TEXT("name", name), PW_FLAG_TEXT("time-zone", zone),
                              PW_FLAG_TEXT("language", language),
                              PW_FLAG_TEXT("idempotency-key", key),
                              PW_FLAG_SWITCH("json", as_json)};
    int result = pw_verb_load(&config, argc, argv, flags, PW_COUNT(flags));
    if (result == PW_EXIT_GOOD) {
        bool complete = pw_verb_needs(&name, "name") && pw_verb_needs(&zone, "time-zone") &&
                        pw_verb_needs(&language, "language");
        result = PW_EXIT_USAGE;
        if (complete) {
            json_t *body = json_pack("{s:s, s:s, s:s}", "name", name.text, "time_zone", zone.text,
                                     "language", language.text);
            result = pw_internal_command(&config, "/internal/tenants", body, key.text, as_json);
        }
    }
    pw_config_close(&config);
    return result;
}
