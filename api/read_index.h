/* api/read_index.h: whether this node has read all that anybody was told before a request came.
 *
 * Contract  A leader that was succeeded does not know it until it reads on: what it refuses without a record it would refuse by what it
 *           knew. So whoever is about to refuse by what was read asks here first: the log is asked for its end after the job came, and
 *           the job is answered once the node has read that far (`is_current`), or when patience is over. This is the
 *           read index of Raft (Ongaro, "Consensus: Bridging Theory and Practice", 6.4), with the log's high watermark for the commit
 *           index. It is as good as the broker's word: one that was cut off from the other brokers together with this node, or lags behind
 *           them for a moment after its election, tells an end that is too low. Jobs of a partition that come together are one question.
 * Owner     A job lies where its owner has it, and belongs to the module until `done` was called.
 * Threads   pw_read_index_ask: any. One thread of the module's own calls `done`, `open` and `next_offset`.
 * Errors    None: a log that cannot be asked is one more reason not to be current. */
#ifndef PW_API_READ_INDEX_H
#define PW_API_READ_INDEX_H

#include "commands/engine.h"

#define PW_READ_INDEX_END_US (PW_US_PER_SECOND / 2) /* So long the log may take to tell its end, */
#define PW_READ_INDEX_READ_US                                                                      \
    (4 * PW_US_PER_SECOND) /* and the node to come to it: an idle leader takes up to two seconds. */

struct pw_read_index_job {
    uint32_t partition;
    void *owner; /* The caller's own. */
    void (*done)(struct pw_read_index_job *job);
    bool is_current;

    /* The module's own. */
    struct pw_read_index_job *next;
    int64_t until_boot_us;
    int64_t end; /* -1: not known yet. */
    bool is_asked;
};

struct pw_read_index_options {
    void *self;
    /* A handle to read by. LEDGER_DOWN: it is asked again. */
    enum pw_code (*open)(void *self, struct pw_ledger *ret_ledger, struct pw_err *err);
    /* The next offset that the node has not read. */
    int64_t (*next_offset)(void *self, uint32_t partition);
    uint32_t partition_count;
    struct pw_clock clock;
};

struct pw_read_index;

enum pw_code pw_read_index_new(const struct pw_read_index_options *options,
                               struct pw_read_index **ret_index, struct pw_err *err);

void pw_read_index_ask(struct pw_read_index *index, struct pw_read_index_job *job);

/* Answers what waits, and ends the thread; what is asked from here on is answered at once, as not current. May be repeated. */
void pw_read_index_stop(struct pw_read_index *index);
void pw_read_index_free(struct pw_read_index *index); /* Stops it first. */

#endif
