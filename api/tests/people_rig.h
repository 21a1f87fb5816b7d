/* api/tests/people_rig.h: a tenant that keeps accounts, behind the doors of rig.h: an admin who signs in elsewhere, and Ann, who has an account.
 *
 * Contract  One world a process: `people`, between people_open and people_close. The last answer is `people.answer`. */
#ifndef PW_API_TESTS_PEOPLE_RIG_H
#define PW_API_TESTS_PEOPLE_RIG_H

#include "api/tests/rig.h"

#define ADMIN    "01890a5d-ac96-774b-bcce-b302099a0001"
#define STRANGER "01890a5d-ac96-774b-bcce-b302099a0002"
#define ANN                                                                                        \
    "{\"email\": \"Ann@uni-graz.example\", \"name\": \"Ann Auer\", \"roles\": [\"student\"], "     \
    "\"password\": \"correct horse\"}"
#define BOB                                                                                        \
    "{\"email\": \"Bob@uni-graz.example\", \"name\": \"Bob Bauer\", \"roles\": [\"admin\"], "      \
    "\"password\": \"correct horse\"}"
#define LOGIN(address, password)                                                                   \
    "{\"email\": \"" address "\", \"password\": \"" password "\", \"label\": \"Firefox\"}"
#define BOB_LOGIN LOGIN("bob@uni-graz.example", "correct horse")
#define ANN_LOGIN LOGIN("ann@UNI-graz.example", "correct horse")

struct people {
    struct rig rig;
    char admin[2048];   /* An outside issuer's token: the admin is no account of ours. */
    char ann[64];       /* Ids. */
    char keys[64][128]; /* Idempotency-Keys that ask_under has made. */
    struct answer answer;
};

extern struct people people;

void people_open(void);
void people_close(void);

/* POSTs to the tenant; token NULL: none. */
void people_ask(const char *token, const char *path, const char *body);

/* The same under an Idempotency-Key: the same number is the same key. */
void people_ask_under(uint8_t key_number, const char *token, const char *path, const char *body);

/* A header with a key of now. */
void people_make_key(uint8_t number, char ret_header[128]);

/* To /internal/ of the tenant. */
void people_ask_as_operator(const char *path, const char *body);

/* To /users/{Ann}/{verb}, by the admin. */
void people_about_ann(const char *verb, const char *body);

/* --- Sessions of Ann --- */

struct tokens {
    char access[2048];
    char refresh[128];
    char session[64];
};

void people_log_in(struct tokens *ret_tokens);
void people_take_tokens(struct tokens *ret_tokens); /* Of the answer. */
void people_refresh(const char *token);

/* What a good token may do whoever has it: the read models are not there, but the door lets it by. */
bool people_let_in(const char *token);

/* --- The answer --- */

const char *people_problem(void);
void people_take_text(const char *name, char *ret_text, size_t room);
bool people_were_told_again(void); /* A yes, as a repeat. */
bool people_were_refused(unsigned status, const char *name);

#endif
