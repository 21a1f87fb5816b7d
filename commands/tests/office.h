/* commands/tests/office.h: a booking office under random commands, out of one seed.
 *
 * Contract  A run is a function of its plan: seed, steps, and which of these are left out. Each step draws from a stream of its own, and
 *           what it is about is chosen so that leaving out other steps seldom changes the choice; so a run that fails can be shortened.
 * Pages     office.c       runs, what is held against what, and the shortening of what failed
 *           office_draw.c  who asks for what, and when; office_exams.c, of exams and items
 *           model.h        what is right */
#ifndef PW_COMMANDS_TESTS_OFFICE_H
#define PW_COMMANDS_TESTS_OFFICE_H

#include "commands/due.h"
#include "commands/tests/model_parts.h"

#define OFFICE_TENANTS    2
#define OFFICE_STEPS_MAX  2000
#define OFFICE_LIST_BYTES 128
#define OFFICE_START_US   INT64_C(1800000000000000)

struct office {
    uint64_t random; /* Of this step. */
    uint32_t step;
    int64_t now_us;
    struct model *model;
    uint8_t lists[OFFICE_STEPS_MAX][OFFICE_LIST_BYTES]; /* What a step's command names. */
};

uint64_t office_draw(struct office *office, uint64_t below);

struct pw_id office_tenant(uint32_t number);

/* Turns the clock: mostly a little; now and then to where something ends or begins, or just beside that. */
void office_turn_clock(struct office *office);

/* What somebody asks for now. Texts are literals; lists, too, or they stand in the office. */
struct pw_job office_ask(struct office *office);

#endif
