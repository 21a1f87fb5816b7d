/* api/copy.c: what export and import share. */
#include "api/copy.h"

#include <stdio.h>
#include <unistd.h>

#define SILENCE_MS        30000 /* A broker that says nothing for so long counts as lost. */
#define WAITING_COUNT_MAX 4096
#define WAITING_BYTES_MAX ((size_t)32 * 1024 * 1024)
#define PROGRESS_EVERY    4096

void pw_copy_chain_init(struct pw_chain *chain, uint32_t partition, uint32_t partition_count,
                        const struct pw_genesis *known)
{
    pw_chain_init(chain, partition);
    chain->partition_count = partition_count;
    chain->ledger_id = known->ledger_id;
    chain->horizon_us = known->horizon_us;
}

static enum pw_code lost(const struct pw_chain *chain, const struct pw_ledger_event *event,
                         struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DAMAGED, "partition %u, offset %lld: %s", chain->partition,
                   (long long)event->offset,
                   event->detail != NULL ? event->detail : "the log has no such offset");
}

static enum pw_code down(const struct pw_ledger_event *event, struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "%s",
                   event->detail != NULL ? event->detail : "nothing comes any more");
}

/* The record at the chain's head must still be the one that it stands on. */
static enum pw_code compare_head(const struct pw_chain *chain, const struct pw_ledger_event *event,
                                 struct pw_err *err)
{
    struct pw_hash prev;
    struct pw_hash hash = {{0}};
    if (event->kind == PW_LEDGER_RECORD && event->offset == chain->head_offset &&
        pw_record_prev(event->value, event->value_bytes, &prev)) {
        hash = pw_record_hash(event->value, event->value_bytes);
    }
    if (pw_hash_equal(&hash, &chain->head)) {
        return PW_OK;
    }
    return pw_fail(err, PW_ERR_LEDGER_DIVERGED,
                   "partition %u, offset %lld: the head of the copy is not in the source",
                   chain->partition, (long long)chain->head_offset);
}

static enum pw_code take(struct pw_chain *chain, const struct pw_ledger_event *event,
                         const struct pw_copy_reader *reader, struct pw_err *err)
{
    struct pw_record record;
    enum pw_verdict verdict =
        pw_chain_take(chain, event->offset, event->value, event->value_bytes, &record);
    if (verdict == PW_CHAIN_STOPPED) {
        return pw_fail(err, chain->stopped.code, "%s", chain->stopped.detail);
    }
    struct pw_copy_record copy = {event, verdict == PW_CHAIN_ACCEPTED ? &record : NULL, chain};
    return reader->record != NULL ? reader->record(reader->self, &copy, err) : PW_OK;
}

enum pw_code pw_copy_read(const struct pw_ledger *ledger, struct pw_chain *chain,
                          const struct pw_copy_reader *reader, int64_t *ret_end, struct pw_err *err)
{
    bool goes_on = chain->accepted_count > 0;
    struct pw_ledger_event event;
    enum pw_code code =
        ledger->read_from(ledger->self, chain->partition, goes_on ? chain->head_offset : 0, err);
    bool ends = false;
    while (code == PW_OK && !ends) {
        ledger->next(ledger->self, SILENCE_MS, &event);
        if (event.kind == PW_LEDGER_NOTHING || event.kind == PW_LEDGER_DOWN) {
            code = down(&event, err);
        } else if (event.kind == PW_LEDGER_DELIVERED || event.kind == PW_LEDGER_FAILED) {
            continue;
        } else if (goes_on) {
            goes_on = false;
            code = compare_head(chain, &event, err);
        } else if (event.kind == PW_LEDGER_LOST) {
            code = lost(chain, &event, err);
        } else if (event.kind == PW_LEDGER_RECORD) {
            bool is_new = event.offset >= chain->next_offset;
            code = is_new ? take(chain, &event, reader, err) : PW_OK;
        } else {
            ends = true;
            *ret_end = event.offset;
        }
    }
    ledger->read_stop(ledger->self, chain->partition);
    return code;
}

/* --- In flight --- */

static void show_progress(const struct pw_copy_flight *flight, bool at_end)
{
    if (!flight->shows_progress) {
        return;
    }
    if (at_end) {
        fputs("\r                                        \r", stderr);
    } else if (flight->done_count % PROGRESS_EVERY == 0) {
        fprintf(stderr, "\r%llu records %s", (unsigned long long)flight->done_count, flight->what);
    }
}

static enum pw_code report_take(struct pw_copy_flight *flight, struct pw_err *err)
{
    struct pw_ledger_event event;
    flight->ledger->next(flight->ledger->self, SILENCE_MS, &event);
    switch (event.kind) {
    case PW_LEDGER_DELIVERED:
        flight->waiting_count--;
        flight->waiting_bytes -= event.tag;
        flight->done_count++;
        show_progress(flight, false);
        return PW_OK;
    case PW_LEDGER_FAILED:
        return pw_fail(err, event.code, "partition %u: %s", event.partition,
                       event.detail != NULL ? event.detail : "an append failed");
    case PW_LEDGER_NOTHING: return down(&event, err);
    default: return PW_OK; /* DOWN too: the report of what is in flight says whether it was. */
    }
}

enum pw_code pw_copy_sent(struct pw_copy_flight *flight, size_t bytes, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    flight->waiting_count++;
    flight->waiting_bytes += bytes;
    while (code == PW_OK && (flight->waiting_count >= WAITING_COUNT_MAX ||
                             flight->waiting_bytes >= WAITING_BYTES_MAX)) {
        code = report_take(flight, err);
    }
    return code;
}

enum pw_code pw_copy_settle(struct pw_copy_flight *flight, struct pw_err *err)
{
    enum pw_code code = PW_OK;
    while (code == PW_OK && flight->waiting_count > 0) {
        code = report_take(flight, err);
    }
    show_progress(flight, true);
    return code;
}

void pw_copy_print_head(const struct pw_chain *chain)
{
    char id[PW_ID_TEXT_BYTES + 1];
    char hash[65];
    pw_id_format(&chain->ledger_id, id);
    pw_hex_format(chain->head.bytes, 32, hash);
    printf("head %s %u %lld %llu %s\n", id, chain->partition, (long long)chain->head_offset,
           (unsigned long long)chain->height, hash);
}
