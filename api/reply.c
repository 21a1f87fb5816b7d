/* api/reply.c: what a node answered to a command, as the command line reads it. */
#include "api/reply.h"

#include <curl/curl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands/memory.h"

struct curl_slist *pw_command_headers(const char *bearer, const char *key)
{
    static const char authorization[] = "Authorization: Bearer ";
    size_t room = sizeof authorization + strlen(bearer);
    char *line = pw_memory_new(1, room);
    char key_line[128];
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    snprintf(line, room, "%s%s", authorization, bearer);
    headers = curl_slist_append(headers, line);
    sodium_memzero(line, room);
    free(line);
    snprintf(key_line, sizeof key_line, "Idempotency-Key: %s", key);
    return curl_slist_append(headers, key_line);
}

void pw_reply_begin(struct pw_reply *answer)
{
    answer->status = 0;
    answer->gathered = (struct pw_gather){.text = answer->text, .room = PW_REPLY_BYTES_MAX};
    answer->text[0] = '\0';
    answer->id[0] = answer->reset_token[0] = answer->problem[0] = answer->detail[0] = '\0';
}

/* Behind what is there already, as far as there is room. */
static void add(char *text, size_t room, const char *before, const char *more)
{
    size_t len = strlen(text);
    if (more == NULL || more[0] == '\0') {
        return;
    }
    snprintf(text + len, room - len, "%s%s", before, more);
    for (char *at = text + len; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            *at = ' ';
        }
    }
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void read_problem(struct pw_reply *answer, const json_t *json)
{
    const char *type = text_of(json, "type");
    const char *slash = type != NULL ? strrchr(type, '/') : NULL;
    const json_t *errors = json_object_get(json, "errors");
    add(answer->problem, sizeof answer->problem, "", slash != NULL ? slash + 1 : NULL);
    add(answer->detail, sizeof answer->detail, "", text_of(json, "title"));
    add(answer->detail, sizeof answer->detail, ": ", text_of(json, "detail"));
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *item = json_array_get(errors, i);
        add(answer->detail, sizeof answer->detail, "; ", text_of(item, "pointer"));
        add(answer->detail, sizeof answer->detail, " ", text_of(item, "detail"));
    }
}

void pw_reply_read(struct pw_reply *answer, long status)
{
    json_t *json = json_loadb(answer->text, answer->gathered.bytes, 0, NULL);
    answer->text[answer->gathered.bytes] = '\0';
    answer->status = status;
    if (pw_reply_is_yes(answer)) {
        add(answer->id, sizeof answer->id, "", text_of(json, "id"));
        add(answer->reset_token, sizeof answer->reset_token, "", text_of(json, "reset_token"));
    } else {
        read_problem(answer, json);
        if (answer->detail[0] == '\0') {
            snprintf(answer->detail, sizeof answer->detail, "answered %ld, and not by a node",
                     status);
        }
    }
    json_decref(json);
}
