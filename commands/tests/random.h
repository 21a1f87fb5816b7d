/* commands/tests/random.h: a run of random commands with random undo, and the list of events that its naive model walks.
 *
 * random.c runs them, random_people.c draws what is about accounts, and says what is right: that shares no idea with the state, and is
 * derived from the events that count, each time anew. */
#ifndef PW_COMMANDS_TESTS_RANDOM_H
#define PW_COMMANDS_TESTS_RANDOM_H

#include "commands/tests/world.h"

#define RANDOM_EVENTS_MAX 6000
#define RANDOM_MARKS_MAX  12

enum kind { KIND_TENANT = 1, KIND_PERSON, KIND_USER, KIND_SESSION, KIND_KEY };

struct kept {
    uint32_t tenant;
    struct pw_event event;
};

struct mark {
    uint64_t undo;
    uint32_t event_count;
    struct pw_hash bytes;
};

struct run {
    uint64_t random;
    struct pw_state *state;
    struct pw_undo *undo;
    int64_t now_us;
    uint32_t session_count; /* Ids of sessions that were given out, undone ones too. */
    struct kept kept[RANDOM_EVENTS_MAX];
    uint32_t event_count;
    struct mark marks[RANDOM_MARKS_MAX];
    uint32_t mark_count;
    uint32_t answers[PW_CODE_COUNT];
    uint32_t undone_count;
};

uint32_t random_draw(struct run *run, uint32_t below);
struct pw_id random_id_of(enum kind kind, uint32_t number);

/* random_people.c */
struct pw_command people_draw(struct run *run, uint32_t tenant, struct pw_context *by);
void people_pass_time(struct run *run);

/* What must be answered, and by how many events a yes is followed. */
enum pw_code people_foretell(const struct run *run, uint32_t tenant,
                             const struct pw_command *command, const struct pw_context *by,
                             uint32_t *ret_event_count);
void people_check_rules(const struct run *run, uint32_t tenant);

#endif
