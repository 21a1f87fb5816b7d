/* api/tests/pages.c: what is served to everybody: problems' pages, the API's description, our public keys. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "api/tests/rig.h"

Test(pages, problems_have_pages)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    rig_open(&rig);
    for (int code = PW_OK + 1; code < PW_CODE_COUNT; code++) {
        snprintf(url, sizeof url, "%s/problems/%s", rig.public_url,
                 pw_error_info((enum pw_code)code)->name);
        rig_ask("GET", url, NULL, NULL, &answer);
        cr_expect_eq(answer.status, 200, "%s", url);
    }
    snprintf(url, sizeof url, "%s/problems/no-such-problem", rig.public_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 404);
    rig_close(&rig);
}

Test(pages, a_problem_s_page_says_what_it_means_and_what_to_do)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    char text[512];
    static const char *const json[] = {"Accept: application/json", NULL};
    static const char *const neither[] = {"Accept: image/png", NULL};
    const struct pw_error_info *info = pw_error_info(PW_ERR_SLOT_FULL);
    rig_open(&rig);
    snprintf(url, sizeof url, "%s/problems/slot-full", rig.public_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect(answer_has(&answer, "Content-Type", "text/html; charset=utf-8"));
    cr_expect(strstr(answer.body, info->title) != NULL, "%s", answer.body);
    cr_expect(strstr(answer.body, "409 Conflict") != NULL, "%s", answer.body);
    cr_expect(strstr(answer.body, info->remedy) != NULL, "%s", answer.body);
    rig_ask("GET", url, json, NULL, &answer);
    cr_expect(answer_has(&answer, "Content-Type", "application/json"));
    cr_expect(answer_text(&answer, "type", text, sizeof text) &&
              strcmp(text, "/problems/slot-full") == 0);
    cr_expect(answer_text(&answer, "meaning", text, sizeof text) &&
              strcmp(text, info->meaning) == 0);
    cr_expect(answer_text(&answer, "remedy", text, sizeof text) && strcmp(text, info->remedy) == 0);
    rig_ask("GET", url, neither, NULL, &answer);
    cr_expect_eq(answer.status, 406);
    rig_close(&rig);
}

Test(pages, the_api_s_description_is_served_to_everybody)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    char etag[64] = "If-None-Match: ";
    static const char *const html[] = {"Accept: text/html", NULL};
    const char *known[] = {etag, NULL};
    rig_open(&rig);
    snprintf(url, sizeof url, "%s/v1/openapi.json", rig.public_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect(answer_has(&answer, "Content-Type", "application/json"));
    cr_expect(answer_has(&answer, "Cache-Control", "public, max-age=3600"));
    cr_expect(strncmp(answer.body, "{\"openapi\":\"3.1.0\"", 18) == 0, "%.40s", answer.body);
    const char *tag = strstr(answer.headers, "ETag: ");
    cr_assert(tag != NULL);
    strncat(etag, tag + 6, strcspn(tag + 6, "\r"));
    rig_ask("GET", url, known, NULL, &answer);
    cr_expect_eq(answer.status, 304);
    cr_expect_eq(answer.body_bytes, 0);
    rig_ask("GET", url, html, NULL, &answer);
    cr_expect_eq(answer.status, 406);
    rig_ask("POST", url, NULL, "{}", &answer);
    cr_expect_eq(answer.status, 405);
    snprintf(url, sizeof url, "%s/v1/openapi.json", rig.internal_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 404);
    rig_close(&rig);
}

Test(pages, our_keys_are_published_to_everybody)
{
    static struct rig rig;
    struct answer answer;
    char url[160];
    char etag[64] = "If-None-Match: ";
    const char *known[] = {etag, NULL};
    rig_open(&rig);
    snprintf(url, sizeof url, "%s/v1/jwks.json", rig.public_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 200);
    cr_expect(answer_has(&answer, "Content-Type", "application/json"));
    cr_expect(answer_has(&answer, "Cache-Control", "public, max-age=300"));
    cr_expect(strncmp(answer.body, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\"", 37) == 0,
              "%s", answer.body);
    const char *tag = strstr(answer.headers, "ETag: ");
    cr_assert(tag != NULL);
    strncat(etag, tag + 6, strcspn(tag + 6, "\r"));
    rig_ask("GET", url, known, NULL, &answer);
    cr_expect_eq(answer.status, 304);
    snprintf(url, sizeof url, "%s/v1/jwks.json", rig.internal_url);
    rig_ask("GET", url, NULL, NULL, &answer);
    cr_expect_eq(answer.status, 404);
    rig_close(&rig);
}

/* Of both listeners: whoever mistypes a parameter is told, here as everywhere. */
Test(pages, none_takes_parameters)
{
    static const char *const headers[] = {"Authorization: Bearer " RIG_CLUSTER_KEY, NULL};
    static const struct {
        bool is_internal;
        const char *path;
    } rows[] = {
        {false, "/problems/slot-full"},
        {false, "/v1/openapi.json"},
        {false, "/v1/jwks.json"},
        {true, "/metrics"},
        {true, "/healthz"},
        {true, "/readyz"},
        {true, "/internal/leads"},
    };
    static struct rig rig;
    struct answer answer;
    char url[160];
    char name[64];
    rig_open(&rig);
    for (size_t i = 0; i < PW_COUNT(rows); i++) {
        const char *base = rows[i].is_internal ? rig.internal_url : rig.public_url;
        snprintf(url, sizeof url, "%s%s?verbose=1&x", base, rows[i].path);
        rig_ask("GET", url, headers, NULL, &answer);
        cr_expect_eq(answer.status, 400, "%s: %ld", rows[i].path, answer.status);
        cr_expect_str_eq(answer_problem(&answer, name), "invalid", "%s", rows[i].path);
        cr_expect(strstr(answer.body, "\"/verbose\"") != NULL &&
                      strstr(answer.body, "\"/x\"") != NULL,
                  "%s", answer.body);
        snprintf(url, sizeof url, "%s%s?", base, rows[i].path);
        rig_ask("GET", url, headers, NULL, &answer);
        cr_expect_eq(answer.status, 200, "%s: %ld", rows[i].path, answer.status);
    }
    for (uint32_t i = 1; i < rig.service.public_routes.count; i++) {
        const struct pw_route *route = &rig.service.public_routes.routes[i];
        cr_expect(pw_route_answers(route, PW_ERR_INVALID), "%s", route->name);
    }
    rig_close(&rig);
}
