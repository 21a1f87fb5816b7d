/* commands/tests/office_parts.h: what the pages that draw share.
 *
 *   office_draw.c   who asks for what, and when
 *   office_exams.c  what teachers ask for: the bank, and the exams that ask from it */
#ifndef PW_COMMANDS_TESTS_OFFICE_PARTS_H
#define PW_COMMANDS_TESTS_OFFICE_PARTS_H

#include "commands/tests/office.h"

#define GRID                                                                                       \
    15 /* Minutes. Starts, durations and buffers fall on it, so that boundaries are met often. */

enum kind { KIND_TENANT = 1, KIND_STUDENT, KIND_TEACHER, KIND_PROCTOR, KIND_ADMIN, KIND_MADE };

bool office_one_in(struct office *office, uint64_t count);
struct pw_id office_id(enum kind kind, uint32_t tenant, uint32_t number);
uint32_t office_grid(struct office *office, uint32_t from, uint32_t count);
uint32_t office_reason(struct office *office);

/* Each of several is as likely, and stays the choice while it is there, whoever else comes or goes. */
struct choice {
    uint64_t salt;
    uint64_t best;
    const void *chosen; /* NULL: there was none. */
};

struct choice office_choose(struct office *office);
void office_consider(struct choice *choice, const struct pw_id *id, const void *what);
const struct exam *office_any_exam(struct office *office, const struct pw_id *tenant);

/* By whom a command comes: somebody; mostly the exam's teacher. */
void office_by(struct pw_job *job, struct pw_id actor, enum pw_role role);
void office_by_teacher(struct office *office, struct pw_job *job, uint32_t tenant,
                       const struct exam *exam);

/* --- office_exams.c --- made: the id of what is new. */
void office_ask_of_exam(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made);
void office_ask_of_item(struct office *office, struct pw_job *job, uint32_t tenant,
                        struct pw_id made);

#endif
