/* api/news.h: what the doors learn from the ledger, as it is confirmed: which issuers are trusted, who has an account, who is signed in,
 * which keys are destroyed, and what students are told.
 *
 * Owner     The struct and what it points to outlive the engines.
 * Threads   The observer is called on the engines' threads. */
#ifndef PW_API_NEWS_H
#define PW_API_NEWS_H

#include "api/bell.h"
#include "api/directory.h"
#include "api/trust.h"
#include "api/vault.h"
#include "commands/engine.h"

struct pw_news {
    struct pw_trust *trust;
    struct pw_directory *directory;
    struct pw_vault *vault; /* NULL: no keys are kept. */
    struct pw_bell *bell;
};

struct pw_engine_observer pw_news_observer(const struct pw_news *news);

#endif
