/* api/verb_post.c: a command to the running node, as verbs send it. */
#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/http.h"
#include "api/verbs.h"

#define PATIENCE_SECONDS 30

struct pw_id pw_verb_make_key(void *self)
{
    uint8_t random[16];
    (void)self;
    randombytes_buf(random, sizeof random);
    return pw_id_v7(pw_http_wall_us(), random);
}

static void post_once(const char *url, struct curl_slist *headers, const char *body,
                      struct pw_reply *answer)
{
    CURL *curl = curl_easy_init();
    long status = 0;
    pw_reply_begin(answer);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pw_gather_on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->gathered);
    if (curl_easy_perform(curl) == CURLE_OK) {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_easy_cleanup(curl);
    pw_reply_read(answer, status);
}

/* The same key: however often it arrives, it is carried out once. */
static void post(const char *url, struct curl_slist *headers, const char *body,
                 struct pw_reply *answer)
{
    time_t give_up = time(NULL) + PATIENCE_SECONDS;
    post_once(url, headers, body, answer);
    while ((answer->status == 503 || answer->status == 0) && time(NULL) < give_up) {
        struct timespec pause = {.tv_nsec = 500000000};
        nanosleep(&pause, NULL);
        post_once(url, headers, body, answer);
    }
}

static int judge(const char *url, const struct pw_internal_request *request,
                 const struct pw_reply *answer)
{
    if (pw_reply_is_yes(answer)) {
        return PW_EXIT_GOOD;
    }
    if (answer->status == 0) {
        fprintf(stderr, "proctorwise: no node answers at %s\n", url);
        return PW_EXIT_UNREACHABLE;
    }
    if (request->pardoned == NULL || strcmp(answer->problem, request->pardoned) != 0) {
        fprintf(stderr, "proctorwise: %ld: %s\n", answer->status, answer->detail);
    }
    return answer->status == 503 ? PW_EXIT_UNREACHABLE : PW_EXIT_WRONG;
}

static int send_to_node(const struct pw_config *config, const struct pw_internal_request *request,
                        const char *body, struct pw_reply *answer)
{
    char *cluster_key = NULL;
    size_t key_bytes = 0;
    struct pw_err err = {0};
    char url[512];
    char made[PW_ID_TEXT_BYTES + 1];
    enum pw_code code = pw_config_read_file(config, PW_CONFIG_CLUSTER_KEY_FILE, 32, 256,
                                            &cluster_key, &key_bytes, &err);
    if (code != PW_OK) {
        return pw_verb_fail(code, err.detail);
    }
    struct pw_id key = pw_verb_make_key(NULL);
    pw_id_format(&key, made);
    struct curl_slist *headers =
        pw_command_headers(cluster_key, request->key != NULL ? request->key : made);
    pw_secret_free(cluster_key, key_bytes);
    snprintf(url, sizeof url, "http://%s%s", pw_config_text(config, PW_CONFIG_ADMIN_LISTEN),
             request->path);
    post(url, headers, body, answer);
    curl_slist_free_all(headers);
    return judge(url, request, answer);
}

int pw_internal_post(const struct pw_config *config, const struct pw_internal_request *request,
                     struct pw_reply *answer)
{
    char *body = json_dumps(request->body, JSON_COMPACT);
    json_decref(request->body);
    pw_reply_begin(answer);
    if (body == NULL) {
        fputs("proctorwise: the texts given are not UTF-8\n", stderr);
        return PW_EXIT_USAGE;
    }
    int result = send_to_node(config, request, body, answer);
    pw_secret_free(body, strlen(body)); /* It may hold a password. */
    return result;
}

void pw_internal_print(const struct pw_reply *answer, bool as_json)
{
    printf("%s\n", as_json ? answer->text : answer->id);
    fflush(stdout); /* Before what is told next. */
}

int pw_internal_command(const struct pw_config *config, const char *path, json_t *body,
                        const char *key, bool as_json)
{
    struct pw_reply answer;
    struct pw_internal_request request = {.path = path, .body = body, .key = key};
    int result = pw_internal_post(config, &request, &answer);
    if (result == PW_EXIT_GOOD) {
        pw_internal_print(&answer, as_json);
    }
    return result;
}
