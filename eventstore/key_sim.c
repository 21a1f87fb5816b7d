/* eventstore/key_sim.c: a log of keys in memory. */
#include "eventstore/key_adapters.h"

#include <pthread.h>
#include <stdlib.h>

struct sim_record {
    uint64_t offset; /* The cleaner leaves gaps. */
    char *log_key;
    size_t log_key_bytes;
    uint8_t *value; /* NULL: a tombstone. */
    size_t value_bytes;
};

struct sim_list {
    struct sim_record *items;
    size_t count;
};

struct pw_key_sim {
    pthread_mutex_t lock; /* Guards all of it: handles may be in several threads. */
    struct sim_list log;
    struct sim_list late;
    uint64_t next_offset;
    uint32_t writes_until_fault;
    bool has_fault;
    enum pw_key_sim_fault fault;
    bool down;
    void (*hook)(void *self);
    void *hook_self;
};

struct sim_handle {
    struct pw_key_sim *sim;
    uint64_t next_offset; /* Where following goes on. */
};

static void *not_null(void *memory)
{
    if (memory == NULL) {
        abort(); /* Without memory the process ends. */
    }
    return memory;
}

static void *copy(const void *data, size_t bytes)
{
    void *made = not_null(malloc(bytes + 1));
    if (bytes > 0) {
        memcpy(made, data, bytes);
    }
    return made;
}

static void list_push(struct sim_list *list, struct sim_record record)
{
    list->items = not_null(realloc(list->items, (list->count + 1) * sizeof *list->items));
    list->items[list->count++] = record;
}

/* Moves it to the end of the log. */
static void land(struct pw_key_sim *sim, struct sim_record record)
{
    record.offset = sim->next_offset++;
    list_push(&sim->log, record);
}

static struct sim_record record_new(struct pw_str log_key, const void *value, size_t value_bytes)
{
    return (struct sim_record){
        .log_key = copy(log_key.ptr, log_key.len),
        .log_key_bytes = log_key.len,
        .value = value == NULL ? NULL : copy(value, value_bytes),
        .value_bytes = value_bytes,
    };
}

static void record_free(struct sim_record *record)
{
    free(record->log_key);
    free(record->value);
}

static void list_free(struct sim_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        record_free(&list->items[i]);
    }
    free(list->items);
}

struct pw_key_sim *pw_key_sim_new(void)
{
    struct pw_key_sim *sim = not_null(calloc(1, sizeof *sim));
    pthread_mutex_init(&sim->lock, NULL);
    return sim;
}

void pw_key_sim_free(struct pw_key_sim *sim)
{
    list_free(&sim->log);
    list_free(&sim->late);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

void pw_key_sim_fail(struct pw_key_sim *sim, uint32_t writes, enum pw_key_sim_fault fault)
{
    pthread_mutex_lock(&sim->lock);
    sim->has_fault = true;
    sim->writes_until_fault = writes;
    sim->fault = fault;
    pthread_mutex_unlock(&sim->lock);
}

void pw_key_sim_land(struct pw_key_sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    for (size_t i = 0; i < sim->late.count; i++) {
        land(sim, sim->late.items[i]);
    }
    sim->late.count = 0;
    pthread_mutex_unlock(&sim->lock);
}

void pw_key_sim_set_down(struct pw_key_sim *sim, bool down)
{
    pthread_mutex_lock(&sim->lock);
    sim->down = down;
    pthread_mutex_unlock(&sim->lock);
}

void pw_key_sim_before_write(struct pw_key_sim *sim, void (*hook)(void *self), void *self)
{
    pthread_mutex_lock(&sim->lock);
    sim->hook = hook;
    sim->hook_self = self;
    pthread_mutex_unlock(&sim->lock);
}

static bool is_last_of_its_key(const struct sim_list *list, size_t number, size_t end)
{
    const struct sim_record *record = &list->items[number];
    for (size_t i = number + 1; i < end; i++) {
        if (list->items[i].log_key_bytes == record->log_key_bytes &&
            memcmp(list->items[i].log_key, record->log_key, record->log_key_bytes) == 0) {
            return false;
        }
    }
    return true;
}

void pw_key_sim_compact(struct pw_key_sim *sim, size_t open_count, bool tombstones_are_old)
{
    struct sim_list *log = &sim->log;
    pthread_mutex_lock(&sim->lock);
    size_t end = log->count > open_count ? log->count - open_count : 0;
    size_t kept = 0;
    for (size_t i = 0; i < log->count; i++) {
        struct sim_record *record = &log->items[i];
        bool is_old = record->value == NULL && tombstones_are_old;
        if (i >= end || (is_last_of_its_key(log, i, end) && !is_old)) {
            log->items[kept++] = *record;
        } else {
            record_free(record);
        }
    }
    log->count = kept;
    pthread_mutex_unlock(&sim->lock);
}

void pw_key_sim_put(struct pw_key_sim *sim, struct pw_str log_key, const void *value,
                    size_t value_bytes)
{
    pthread_mutex_lock(&sim->lock);
    land(sim, record_new(log_key, value, value_bytes));
    pthread_mutex_unlock(&sim->lock);
}

static enum pw_code down(struct pw_err *err)
{
    return pw_fail(err, PW_ERR_LEDGER_DOWN, "the simulated log is away");
}

static void call_hook(struct pw_key_sim *sim)
{
    pthread_mutex_lock(&sim->lock);
    void (*hook)(void *self) = sim->hook;
    void *hook_self = sim->hook_self;
    sim->hook = NULL; /* What it writes has no hook of its own. */
    pthread_mutex_unlock(&sim->lock);
    if (hook != NULL) {
        hook(hook_self);
    }
}

static enum pw_code write_locked(struct pw_key_sim *sim, const struct pw_id *key_id,
                                 const void *value, size_t value_bytes, struct pw_err *err)
{
    char text[PW_ID_TEXT_BYTES + 1];
    enum pw_code code = PW_OK;
    if (sim->down) {
        return down(err);
    }
    if (sim->has_fault && sim->writes_until_fault-- == 0) {
        sim->has_fault = false;
        code = down(err);
        if (sim->fault == PW_KEY_SIM_LOSE) {
            return code;
        }
    }
    pw_id_format(key_id, text);
    struct sim_record record = record_new(pw_str_of(text), value, value_bytes);
    if (code != PW_OK && sim->fault == PW_KEY_SIM_LATE) {
        list_push(&sim->late, record);
    } else {
        land(sim, record);
    }
    return code;
}

static enum pw_code write_one(void *self, const struct pw_id *key_id, const void *value,
                              size_t value_bytes, struct pw_err *err)
{
    struct pw_key_sim *sim = ((struct sim_handle *)self)->sim;
    call_hook(sim);
    pthread_mutex_lock(&sim->lock);
    enum pw_code code = write_locked(sim, key_id, value, value_bytes, err);
    pthread_mutex_unlock(&sim->lock);
    return code;
}

static enum pw_code sim_check(void *self, struct pw_err *err)
{
    struct pw_key_sim *sim = ((struct sim_handle *)self)->sim;
    pthread_mutex_lock(&sim->lock);
    enum pw_code code = sim->down ? down(err) : PW_OK;
    pthread_mutex_unlock(&sim->lock);
    return code;
}

static enum pw_code sim_put(void *self, const struct pw_id *key_id,
                            const uint8_t value[PW_KEY_RECORD_BYTES], bool again,
                            struct pw_err *err)
{
    (void)again; /* As Kafka, it cannot tell. */
    return write_one(self, key_id, value, PW_KEY_RECORD_BYTES, err);
}

/* What comes behind a write that went wrong is on its way all the same. */
static enum pw_code sim_put_many(void *self, const struct pw_key_put *puts, size_t count,
                                 struct pw_err *err)
{
    enum pw_code code = PW_OK;
    for (size_t i = 0; i < count; i++) {
        enum pw_code one =
            write_one(self, &puts[i].key_id, puts[i].value, PW_KEY_RECORD_BYTES, err);
        code = code != PW_OK ? code : one;
    }
    return code;
}

static enum pw_code sim_destroy(void *self, const struct pw_id *key_id, struct pw_err *err)
{
    return write_one(self, key_id, NULL, 0, err);
}

static enum pw_code sim_follow(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    struct sim_handle *handle = self;
    struct pw_key_sim *sim = handle->sim;
    uint64_t number = 0;
    pthread_mutex_lock(&sim->lock);
    enum pw_code code = sim->down ? down(err) : PW_OK;
    for (size_t i = 0; code == PW_OK && i < sim->log.count; i++) {
        const struct sim_record *record = &sim->log.items[i];
        if (record->offset < handle->next_offset) {
            continue;
        }
        struct pw_key_entry entry = {
            .log_key = {record->log_key, record->log_key_bytes},
            .value = record->value,
            .value_bytes = record->value_bytes,
            .number = number++,
            .count = sim->log.count,
        };
        code = sink->entry(sink->self, &entry, err);
        handle->next_offset = code == PW_OK ? record->offset + 1 : handle->next_offset;
    }
    pthread_mutex_unlock(&sim->lock);
    return code;
}

static enum pw_code sim_read(void *self, const struct pw_key_sink *sink, struct pw_err *err)
{
    ((struct sim_handle *)self)->next_offset = 0;
    return sim_follow(self, sink, err);
}

static void sim_interrupt(void *self)
{
    (void)self; /* Only a test's own hook waits. */
}

static void sim_close(void *self)
{
    free(self); /* The log is the test's. */
}

struct pw_key_log pw_key_sim_open(struct pw_key_sim *sim)
{
    struct sim_handle *handle = not_null(calloc(1, sizeof *handle));
    handle->sim = sim;
    return (struct pw_key_log){
        .self = handle,
        .check = sim_check,
        .put = sim_put,
        .put_many = sim_put_many,
        .destroy = sim_destroy,
        .read = sim_read,
        .follow = sim_follow,
        .interrupt = sim_interrupt,
        .close = sim_close,
    };
}
