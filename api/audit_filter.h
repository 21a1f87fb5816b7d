/* api/audit_filter.h: which events and answers of a ledger somebody asked for.
 *
 * Contract  A partition's events and answers are shown to it all, from the partition's beginning and in their order, also those
 *           that are not wanted: which streams belong to an exam, or are about a person, is learnt from events.
 *             An event belongs to an exam if its stream is the exam, if its payload names it as `exam_id`, or if one before it did so
 *           in the same stream: the exam, its slots, their reservations. It is about a person likewise: their account, and what names
 *           them as `student_id` or `user_id`. An answer belongs where the stream belongs that it speaks of; one is also about the
 *           person who asked.
 *             All that was asked for at once must hold.
 * Owner     Between init and close it has memory of its own, for the streams that it learns.
 * Threads   One owner. */
#ifndef PW_API_AUDIT_FILTER_H
#define PW_API_AUDIT_FILTER_H

#include "commands/map.h"
#include "eventstore/record.h"

struct pw_audit_filter {
    struct pw_id tenant_id; /* Nil, here and below: of all. */
    struct pw_id stream_id;
    struct pw_id exam_id;
    struct pw_id person_id;
    int64_t from; /* Offsets, inclusive. */
    int64_t to;
    int64_t since_us; /* decided_at, inclusive. */
    int64_t until_us;
    bool with_answers; /* Beside the events, */
    bool refused_only; /* or only those that say no. */
    struct pw_map *of_exam;
    struct pw_map *of_person;
};

void pw_audit_filter_init(struct pw_audit_filter *filter); /* Every event, and no answer. */
void pw_audit_filter_close(struct pw_audit_filter *filter);

/* An event of the commit that stands at the offset. */
bool pw_audit_filter_event(struct pw_audit_filter *filter, int64_t offset,
                           const struct pw_record *record, const struct pw_event *event);

/* An answer of the record at the offset, whichever kind that is. */
bool pw_audit_filter_answer(const struct pw_audit_filter *filter, int64_t offset,
                            const struct pw_record *record, const struct pw_answer *answer);

/* Whether nothing is wanted any more of a partition from this offset on; what stands before it was decided at last_decided_at_us. */
bool pw_audit_filter_is_over(const struct pw_audit_filter *filter, int64_t offset,
                             int64_t last_decided_at_us);

#endif
