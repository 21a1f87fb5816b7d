/* api/directory.c: maps of (tenant, id), and what each event does to them. */
#include "api/directory.h"

#include <pthread.h>
#include <stdlib.h>

#include "commands/memory.h"

#define RESTORED_AT_ONCE 1024 /* People or sessions of a snapshot. */

struct key {
    struct pw_id tenant_id;
    struct pw_id id;
};

struct email_key {
    struct pw_id tenant_id;
    struct pw_hash tag;
};

struct person {
    struct pw_id key_id;
    struct pw_hash email_tag;
    uint32_t roles;
    uint32_t state;
};

struct pw_directory {
    pthread_rwlock_t lock;
    struct pw_map *equality_keys; /* Tenant's id -> id */
    struct pw_map *people;        /* struct key -> struct person */
    struct pw_map *passwords;     /* struct key -> struct pw_password */
    struct pw_map *emails;        /* struct email_key -> id of a user */
    struct pw_map *sessions;      /* struct key -> nothing */
};

/* However many ask, an event waits for those alone who ask already: else it could be kept out for long. */
static void init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

struct pw_directory *pw_directory_new(void)
{
    struct pw_directory *directory = pw_memory_new(1, sizeof *directory);
    init_lock(&directory->lock);
    directory->equality_keys = pw_map_new(sizeof(struct pw_id), sizeof(struct pw_id));
    directory->people = pw_map_new(sizeof(struct key), sizeof(struct person));
    directory->passwords = pw_map_new(sizeof(struct key), sizeof(struct pw_password));
    directory->emails = pw_map_new(sizeof(struct email_key), sizeof(struct pw_id));
    directory->sessions = pw_map_new(sizeof(struct key), 0);
    return directory;
}

void pw_directory_free(struct pw_directory *directory)
{
    if (directory == NULL) {
        return;
    }
    pw_map_free(directory->equality_keys);
    pw_map_free(directory->people);
    pw_map_free(directory->passwords);
    pw_map_free(directory->emails);
    pw_map_free(directory->sessions);
    pthread_rwlock_destroy(&directory->lock);
    free(directory);
}

/* --- What happened --- */

static void put_email(struct pw_directory *directory, const struct pw_id *tenant_id,
                      const struct pw_hash *tag, const struct pw_id *user_id)
{
    struct email_key key = {*tenant_id, *tag};
    memcpy(pw_map_put(directory->emails, &key, NULL), user_id, sizeof *user_id);
}

static void drop_email(struct pw_directory *directory, const struct pw_id *tenant_id,
                       const struct pw_hash *tag)
{
    struct email_key key = {*tenant_id, *tag};
    pw_map_remove(directory->emails, &key, NULL);
}

static void put_password(struct pw_directory *directory, const struct key *key,
                         struct pw_str sealed)
{
    if (sealed.len > 0 && sealed.len <= PW_SEALED_PASSWORD_BYTES_MAX) {
        struct pw_password *password = pw_map_put(directory->passwords, key, NULL);
        *password = (struct pw_password){.bytes = (uint32_t)sealed.len};
        memcpy(password->sealed, sealed.ptr, sealed.len);
    }
}

static struct person *person_of(struct pw_directory *directory, const struct key *key)
{
    return pw_map_put(directory->people, key, NULL);
}

static void on_registered(struct pw_directory *directory, const struct key *key,
                          const struct pw_user_registered *registered)
{
    *person_of(directory, key) = (struct person){.key_id = registered->key_id,
                                                 .email_tag = registered->email_tag,
                                                 .roles = registered->roles,
                                                 .state = PW_USER_ACTIVE};
    put_email(directory, &key->tenant_id, &registered->email_tag, &key->id);
    put_password(directory, key, registered->password);
}

static void on_profile_updated(struct pw_directory *directory, const struct key *key,
                               const struct pw_user_profile_updated *updated)
{
    struct person *person = person_of(directory, key);
    drop_email(directory, &key->tenant_id, &person->email_tag);
    person->email_tag = updated->email_tag;
    put_email(directory, &key->tenant_id, &updated->email_tag, &key->id);
}

static void on_key_destroyed(struct pw_directory *directory, const struct key *key)
{
    struct person *person = person_of(directory, key);
    drop_email(directory, &key->tenant_id, &person->email_tag);
    person->email_tag = (struct pw_hash){{0}};
    person->state = PW_USER_ERASED;
    pw_map_remove(directory->passwords, key, NULL);
}

struct pw_event_set pw_directory_event_types(void)
{
    static const enum pw_event_type types[] = {PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN,
                                               PW_EVENT_USER_REGISTERED,
                                               PW_EVENT_USER_PROFILE_UPDATED,
                                               PW_EVENT_USER_ROLES_GRANTED,
                                               PW_EVENT_USER_ROLES_REVOKED,
                                               PW_EVENT_USER_DEACTIVATED,
                                               PW_EVENT_USER_REACTIVATED,
                                               PW_EVENT_USER_PASSWORD_SET,
                                               PW_EVENT_USER_KEY_DESTROYED,
                                               PW_EVENT_SESSION_OPENED,
                                               PW_EVENT_SESSION_REVOKED};
    struct pw_event_set set = {{0}};
    for (size_t i = 0; i < PW_COUNT(types); i++) {
        pw_event_set_add(&set, types[i]);
    }
    return set;
}

void pw_directory_event(struct pw_directory *directory, const struct pw_id *tenant_id,
                        const struct pw_event *event)
{
    struct key key = {*tenant_id, event->stream_id};
    struct pw_event_set types = pw_directory_event_types();
    if (!pw_event_set_has(&types, event->type)) {
        return;
    }
    pthread_rwlock_wrlock(&directory->lock);
    switch (event->type) {
    case PW_EVENT_TENANT_EQUALITY_KEY_CHOSEN:
        memcpy(pw_map_put(directory->equality_keys, tenant_id, NULL),
               &event->tenant_equality_key_chosen.key_id, sizeof(struct pw_id));
        break;
    case PW_EVENT_USER_REGISTERED: on_registered(directory, &key, &event->user_registered); break;
    case PW_EVENT_USER_PROFILE_UPDATED:
        on_profile_updated(directory, &key, &event->user_profile_updated);
        break;
    case PW_EVENT_USER_ROLES_GRANTED:
        person_of(directory, &key)->roles |= event->user_roles_granted.roles;
        break;
    case PW_EVENT_USER_ROLES_REVOKED:
        person_of(directory, &key)->roles &= ~event->user_roles_revoked.roles;
        break;
    case PW_EVENT_USER_DEACTIVATED: person_of(directory, &key)->state = PW_USER_DEACTIVATED; break;
    case PW_EVENT_USER_REACTIVATED: person_of(directory, &key)->state = PW_USER_ACTIVE; break;
    case PW_EVENT_USER_PASSWORD_SET:
        put_password(directory, &key, event->user_password_set.password);
        break;
    case PW_EVENT_USER_KEY_DESTROYED: on_key_destroyed(directory, &key); break;
    case PW_EVENT_SESSION_OPENED: pw_map_put(directory->sessions, &key, NULL); break;
    case PW_EVENT_SESSION_REVOKED: pw_map_remove(directory->sessions, &key, NULL); break;
    default: break; /* Nothing that a door asks for. */
    }
    pthread_rwlock_unlock(&directory->lock);
}

static void restore_person(struct pw_directory *directory, const struct pw_tenant *tenant,
                           const struct pw_id *user_id, const struct pw_user *user)
{
    struct key key = {*pw_tenant_id(tenant), *user_id};
    *person_of(directory, &key) = (struct person){.key_id = user->key_id,
                                                  .email_tag = user->email_tag,
                                                  .roles = user->roles,
                                                  .state = user->state};
    if (user->state != PW_USER_ERASED) {
        put_email(directory, &key.tenant_id, &user->email_tag, user_id);
        put_password(directory, &key, pw_tenant_password(tenant, user_id));
    }
}

/* The lock is given up now and then: requests, of whichever tenant, wait for it. */
static void let_others(struct pw_directory *directory, uint32_t *count)
{
    if (++*count % RESTORED_AT_ONCE == 0) {
        pthread_rwlock_unlock(&directory->lock);
        pthread_rwlock_wrlock(&directory->lock);
    }
}

static void restore_tenant(struct pw_directory *directory, const struct pw_tenant *tenant)
{
    const struct pw_id *tenant_id = pw_tenant_id(tenant);
    const struct pw_id *id;
    const struct pw_user *user;
    const struct pw_session *session;
    uint64_t users = 0;
    uint64_t sessions = 0;
    uint32_t count = 0;
    if (!pw_id_is_nil(pw_tenant_equality_key(tenant))) {
        memcpy(pw_map_put(directory->equality_keys, tenant_id, NULL),
               pw_tenant_equality_key(tenant), sizeof(struct pw_id));
    }
    while (pw_tenant_next_user(tenant, &users, &id, &user)) {
        restore_person(directory, tenant, id, user);
        let_others(directory, &count);
    }
    while (pw_tenant_next_session(tenant, &sessions, &id, &session)) {
        struct key key = {*tenant_id, *id};
        pw_map_put(directory->sessions, &key, NULL);
        let_others(directory, &count);
    }
}

void pw_directory_restored(struct pw_directory *directory, const struct pw_state *state)
{
    const struct pw_tenant *tenant;
    for (uint32_t i = 0; (tenant = pw_state_tenant_at(state, i)) != NULL; i++) {
        pthread_rwlock_wrlock(&directory->lock);
        restore_tenant(directory, tenant);
        pthread_rwlock_unlock(&directory->lock);
    }
}

/* --- What is asked --- */

static bool find(struct pw_directory *directory, const struct key *key,
                 struct pw_account *ret_account)
{
    const struct person *person = pw_map_get(directory->people, key);
    const struct pw_password *password = pw_map_get(directory->passwords, key);
    if (person == NULL) {
        return false;
    }
    *ret_account = (struct pw_account){.user_id = key->id,
                                       .key_id = person->key_id,
                                       .email_tag = person->email_tag,
                                       .roles = person->roles,
                                       .state = (enum pw_user_state)person->state};
    if (password != NULL) {
        ret_account->password = *password;
    }
    return true;
}

bool pw_directory_account(struct pw_directory *directory, const struct pw_id *tenant_id,
                          const struct pw_id *user_id, struct pw_account *ret_account)
{
    struct key key = {*tenant_id, *user_id};
    pthread_rwlock_rdlock(&directory->lock);
    bool is_there = find(directory, &key, ret_account);
    pthread_rwlock_unlock(&directory->lock);
    return is_there;
}

bool pw_directory_by_email(struct pw_directory *directory, const struct pw_id *tenant_id,
                           const struct pw_hash *email_tag, struct pw_account *ret_account)
{
    struct email_key email_key = {*tenant_id, *email_tag};
    pthread_rwlock_rdlock(&directory->lock);
    const struct pw_id *user_id = pw_map_get(directory->emails, &email_key);
    bool is_there = false;
    if (user_id != NULL) {
        struct key key = {*tenant_id, *user_id};
        is_there = find(directory, &key, ret_account);
    }
    pthread_rwlock_unlock(&directory->lock);
    return is_there;
}

bool pw_directory_equality_key(struct pw_directory *directory, const struct pw_id *tenant_id,
                               struct pw_id *ret_key_id)
{
    pthread_rwlock_rdlock(&directory->lock);
    const struct pw_id *key_id = pw_map_get(directory->equality_keys, tenant_id);
    if (key_id != NULL) {
        *ret_key_id = *key_id;
    }
    pthread_rwlock_unlock(&directory->lock);
    return key_id != NULL;
}

/* Of a session that is not known: whether another node may have opened it behind what was read here. */
static bool is_news(const struct pw_actor *actor, int64_t read_offset, int64_t now_us)
{
    int64_t issued_at_us = actor->issued_at_us;
    return actor->session_offset > read_offset && issued_at_us != INT64_MIN &&
           now_us - issued_at_us < PW_SESSION_NEWS_US && issued_at_us - now_us < PW_SESSION_NEWS_US;
}

bool pw_directory_has_session(struct pw_directory *directory, const struct pw_id *tenant_id,
                              const struct pw_id *session_id)
{
    struct key key = {*tenant_id, *session_id};
    pthread_rwlock_rdlock(&directory->lock);
    bool is_there = pw_map_get(directory->sessions, &key) != NULL;
    pthread_rwlock_unlock(&directory->lock);
    return is_there;
}

bool pw_directory_admits(struct pw_directory *directory, struct pw_actor *actor,
                         int64_t read_offset, int64_t now_us)
{
    struct key key = {actor->tenant_id, actor->id};
    struct key session = {actor->tenant_id, actor->session_id};
    bool is_ours = !pw_id_is_nil(&actor->session_id);
    pthread_rwlock_rdlock(&directory->lock);
    bool admits = !is_ours || pw_map_get(directory->sessions, &session) != NULL ||
                  is_news(actor, read_offset, now_us);
    const struct person *person = pw_map_get(directory->people, &key);
    if (person != NULL) {
        admits = admits && person->state == PW_USER_ACTIVE;
        actor->roles = is_ours ? person->roles : actor->roles & person->roles;
    }
    pthread_rwlock_unlock(&directory->lock);
    return admits;
}

void pw_directory_count(struct pw_directory *directory, struct pw_directory_counts *ret_counts)
{
    pthread_rwlock_rdlock(&directory->lock);
    *ret_counts = (struct pw_directory_counts){.accounts = pw_map_count(directory->people),
                                               .sessions = pw_map_count(directory->sessions)};
    pthread_rwlock_unlock(&directory->lock);
}
