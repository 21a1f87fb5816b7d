/* api/main.c: the command line: finds the verb and runs it. */
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>

#include "api/verbs.h"

static const struct {
    const char *words; /* `admin ledger create` */
    int (*run)(int argc, char **argv);
    bool has_settings; /* Its --help lists the settings. */
    const char *summary;
    const char *options;
} verbs[] = {
    {"serve", pw_verb_serve, true, "Run a node: commands, projections and queries.",
     "  --check                try settings, files, ledger and read models, then end\n"},
    {"admin ledger create", pw_verb_admin_ledger_create, true,
     "Create the ledger (a Kafka topic, or files) and its genesis records. Safe to repeat. Where "
     "keys.master_files is set, the topic or directory of the keys as well.",
     "  --json                 print the ledger's id as JSON\n"},
    {"admin migrate", pw_verb_admin_migrate, true,
     "Create or bring up to date the tables of the read models. Safe to repeat.", ""},
    {"admin rebuild", pw_verb_admin_rebuild, true,
     "Make the rows of read models anew from the ledger, while nodes serve; then queries show the "
     "new ones, and the old are deleted. Safe to stop and to repeat (docs/read-models.md).",
     "  NAME...                these read models\n"
     "  --all                  or: every one\n"
     "  --anew                 do not go on with what an earlier rebuild has begun\n"
     "  --clean                make nothing: only delete what earlier ones have left\n"
     "  --json                 print one JSON object\n"},
    {"admin tenant create", pw_verb_admin_tenant_create, true,
     "Create a tenant, through the running node on admin.listen; prints its id. Where the node has "
     "keys.master_files, the tenant keeps accounts.",
     "  --name TEXT            the institution's name\n"
     "  --time-zone ZONE       IANA time zone, such as Europe/Vienna\n"
     "  --language TAG         BCP 47 language tag, such as de\n"
     "  --idempotency-key KEY  a UUIDv7 of your own, to repeat a request safely\n"
     "  --json                 print the whole answer\n"},
    {"admin tenant trust", pw_verb_admin_tenant_trust, true,
     "Trust every Ed25519 key of an issuer's key set for a tenant, through the running node on "
     "admin.listen; prints them. Safe to repeat.",
     "  --tenant ID            the tenant\n"
     "  --issuer TEXT          what its tokens say in `iss`\n"
     "  --jwks FILE|URL        its JSON Web Key Set, in a file or at an https address\n"
     "  --insecure-http        the address may be http, on this machine\n"
     "  --json                 print one JSON object\n"},
    {"admin tenant distrust", pw_verb_admin_tenant_distrust, true,
     "Take trust in an issuer's key back, through the running node on admin.listen. Safe to "
     "repeat.",
     "  --tenant ID            the tenant\n"
     "  --issuer TEXT          what its tokens say in `iss`\n"
     "  --public-key KEY       Ed25519 public key, base64url\n"
     "  --key-file FILE        or: the public key of this key file\n"
     "  --json                 print the whole answer\n"},
    {"admin tenant accounts", pw_verb_admin_tenant_accounts, true,
     "Have a tenant keep accounts, through the running node on admin.listen; prints its id. Safe "
     "to "
     "repeat.",
     "  --tenant ID            the tenant\n"
     "  --json                 print the whole answer\n"},
    {"admin user create", pw_verb_admin_user_create, true,
     "Register a person, such as a tenant's first admin, through the running node on admin.listen; "
     "prints the id and, without a password, a one-time token to set one (docs/accounts-cli.md).",
     "  --tenant ID            the tenant\n"
     "  --email ADDRESS        e-mail address\n"
     "  --name TEXT            the name, as people read it\n"
     "  --role ROLE            student, teacher, admin, ...; may be repeated\n"
     "  --password-file FILE   file with the password, in one line\n"
     "  --ask-password         or: ask for it at the terminal\n"
     "  --json                 print id and reset_token as JSON\n"},
    {"admin user reset", pw_verb_admin_user_reset, true,
     "Make a person's one-time token to set a password, through the running node on admin.listen; "
     "prints it. An earlier one is good no more.",
     "  --tenant ID            the tenant\n"
     "  --user ID              the person\n"
     "  --json                 print the whole answer\n"},
    {"admin users import", pw_verb_admin_users_import, true,
     "Register the people of a roster (CSV: email,name,roles); reports each row. Safe to repeat "
     "(docs/accounts-cli.md).",
     "  FILE                   the roster, 10,000 people at most\n"
     "  --tenant ID            the tenant\n"
     "  --check                only check the file; nothing is sent\n"
     "  --grant                give the row's roles to who has an account already\n"
     "  --token-file FILE      an admin's token, for the public API; without, the cluster key and "
     "the "
     "admin listener are used\n"
     "  --url URL              where that is, such as https://exams.uni-graz.example [http.listen "
     "or "
     "admin.listen]\n"
     "  --in-flight N          requests at once, 1 to 256 [32]\n"
     "  --json                 report one JSON object a line, not CSV\n"},
    {"admin trust-issuer", pw_verb_admin_trust_issuer, true,
     "Trust an issuer's key for a tenant, through the running node on admin.listen.",
     "  --tenant ID            the tenant\n"
     "  --issuer TEXT          what its tokens say in `iss`\n"
     "  --public-key KEY       Ed25519 public key, base64url\n"
     "  --key-file FILE        or: the public key of this key file\n"
     "  --json                 print the whole answer\n"},
    {"admin keygen", pw_verb_admin_keygen, false,
     "Make an Ed25519 key file (a JSON Web Key) to sign tokens with; prints its public key.",
     "  --key-file FILE        where to write it; must not exist\n"},
    {"admin token", pw_verb_admin_token, false, "Sign a token; prints it.",
     "  --tenant ID            the tenant\n"
     "  --issuer TEXT          an issuer that the tenant trusts\n"
     "  --key-file FILE        that issuer's key\n"
     "  --sub ID               the person\n"
     "  --role ROLE            student, teacher, ...; may be repeated\n"
     "  --ttl SECONDS          how long it is good for [3600]\n"},
    {"admin keys create", pw_verb_admin_keys_create, true,
     "Make a data key under the first of keys.master_files; prints its id.",
     "  --tenant ID            the tenant\n"
     "  --purpose PURPOSE      personal (encrypts) or equality (a tenant's secret) [personal]\n"
     "  --json                 print the id as JSON\n"},
    {"admin keys list", pw_verb_admin_keys_list, true,
     "Print every data key: id, tenant, purpose, master key, and good, old (not under the first "
     "master key), unknown-master or damaged.",
     "  --json                 print one JSON object a line\n"},
    {"admin keys rotate", pw_verb_admin_keys_rotate, true,
     "Wrap every data key anew under the first of keys.master_files. Safe to repeat.",
     "  --json                 print the counts as JSON\n"},
    {"admin keys destroy", pw_verb_admin_keys_destroy, true,
     "Destroy data keys for ever. Repeat it until none is left in the log.",
     "  --key ID               the key; may be repeated\n"
     "  --yes                  do not ask\n"
     "  --json                 print the counts as JSON\n"},
    {"admin import", pw_verb_admin_import, true,
     "Write an export into a new, empty ledger: same hashes, same heights. Goes on where it "
     "stopped.",
     "  --from DIR             the export\n"
     "  --yes                  do not ask\n"},
    {"audit verify", pw_verb_audit_verify, true,
     "Read the whole ledger, prove its chain, fold it, and print the heads.",
     "  --expect FILE          heads that an earlier run printed must still be there\n"
     "  --partition N          only this partition\n"
     "  --in DIR               of this export (docs/file-ledger.md), not of the ledger in the "
     "settings\n"
     "  --json                 print one JSON object\n"},
    {"audit verify-projection", pw_verb_audit_verify_projection, true,
     "Recompute read models from the ledger, and name the first row in which the tables differ.",
     "  NAME...                only these; without, every read model (docs/read-models.md)\n"
     "  --generation N         these rows, such as what admin rebuild is making; without, what "
     "queries show\n"
     "  --json                 print one JSON object\n"},
    {"audit replay", pw_verb_audit_replay, true, "Print the events of the ledger in its order.",
     "  --tenant ID            only this tenant's\n"
     "  --exam ID              only this exam's, its slots' and their reservations'\n"
     "  --student ID           only what is about this person, and what they asked\n"
     "  --stream ID            only this stream's\n"
     "  --partition N          only this partition's\n"
     "  --from OFFSET          only from this offset on\n"
     "  --to OFFSET            only up to this offset\n"
     "  --since TIME           only what was decided then or later, such as "
     "2027-02-01T09:00:00+01:00\n"
     "  --until TIME           only what was decided by then\n"
     "  --answers              also what was refused, and what changed nothing\n"
     "  --refused              only what was refused, and why\n"
     "  --in DIR               of this export, not of the ledger in the settings\n"
     "  --json                 one JSON object a line\n"},
    {"audit as-of", pw_verb_audit_as_of, true,
     "Print how a stream, or a tenant as a whole, stood at a position of the ledger or a moment "
     "(docs/audit.md).",
     "  --tenant ID            the tenant\n"
     "  --stream ID            its exam, slot, reservation, person, session, or itself; without: "
     "how much there is of each, and the hash of all\n"
     "  --at POSITION          up to and including this record, such as 3:10452:9f3a01c2: what an "
     "answer's Pw-Position says\n"
     "  --time TIME            or: all that was decided by then; without either: the end\n"
     "  --in DIR               of this export, not of the ledger in the settings\n"
     "  --json                 print one JSON object\n"},
    {"audit export", pw_verb_audit_export, true,
     "Copy the ledger into files, record by record at its own offset. Goes on where it stopped.",
     "  --to DIR               where to; made where there is none\n"
     "  --partition N          only this partition\n"
     "  --in DIR               of this export, not of the ledger in the settings\n"},
    {"config", pw_verb_config, true,
     "Print the settings that are in force, and where they are from.",
     "  --json                 print one JSON object\n"},
    {"openapi", pw_verb_openapi, false, "Print the API's description, OpenAPI 3.1, as JSON.",
     "  --internal             of the admin listener's commands, not of the public API\n"},
    {"version", pw_verb_version, false, "Print the version.", ""},
};

static void print_overview(FILE *out)
{
    fputs("proctorwise <verb> [--help]\n\n", out);
    for (size_t i = 0; i < PW_COUNT(verbs); i++) {
        fprintf(out, "  %-24s %s\n", verbs[i].words, verbs[i].summary);
    }
}

/* How many arguments the verb's words take; 0 where they are not it. */
static int match(const char *words, int argc, char **argv)
{
    int count = 0;
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        if (count == argc || strlen(argv[count]) != len || memcmp(argv[count], words, len) != 0) {
            return 0;
        }
        count++;
        words += len + (words[len] == ' ');
    }
    return count;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return true;
        }
    }
    return false;
}

static int print_help(size_t verb)
{
    printf("proctorwise %s\n%s\n\n%s", verbs[verb].words, verbs[verb].summary, verbs[verb].options);
    if (verbs[verb].has_settings) {
        printf("  --config FILE          where the settings are\n\n");
        pw_config_help(stdout);
    }
    return PW_EXIT_GOOD;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fputs("proctorwise: the crypto library does not start\n", stderr);
        return PW_EXIT_WRONG;
    }
    for (size_t i = 0; i < PW_COUNT(verbs); i++) {
        int words = match(verbs[i].words, argc - 1, argv + 1);
        if (words > 0) {
            argc -= words + 1;
            argv += words + 1;
            return asks_for_help(argc, argv) ? print_help(i) : verbs[i].run(argc, argv);
        }
    }
    bool help = argc == 1 || asks_for_help(argc - 1, argv + 1);
    if (!help) {
        fprintf(stderr, "proctorwise: there is no verb %s\n\n", argv[1]);
    }
    print_overview(argc > 1 && help ? stdout : stderr);
    return argc > 1 && help ? PW_EXIT_GOOD : PW_EXIT_USAGE;
}
