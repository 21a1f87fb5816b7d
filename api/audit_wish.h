/* api/audit_wish.h: what an auditor asks for by HTTP, as its query parameters say it.
 *
 * Contract  pw_audit_wish_read takes the parameters of one of pw_audits, and adds a violation for each that is wrong.
 * Owner     Between init and close it has the memory of its filter.
 * Threads   One owner. */
#ifndef PW_API_AUDIT_WISH_H
#define PW_API_AUDIT_WISH_H

#include "api/audit_filter.h"
#include "api/audit_marks.h"
#include "api/audit_question.h"
#include "api/audit_table.h"
#include "api/http.h"
#include "schemas/json.h"

struct pw_audit_wish {
    struct pw_audit_filter filter;     /* Of events; of records, `from` alone. */
    struct pw_audit_question question; /* Of a state. */
    int64_t from_height;
    int64_t limit; /* Records; 0: all. */
};

void pw_audit_wish_init(struct pw_audit_wish *wish, const struct pw_id *tenant_id);
void pw_audit_wish_close(struct pw_audit_wish *wish);

/* partition: the tenant's. */
void pw_audit_wish_read(struct pw_audit_wish *wish, const struct pw_audit_info *info,
                        uint32_t partition, struct pw_http_request *request,
                        struct pw_violations *violations);

/* What must be read for it. */
struct pw_audit_range pw_audit_wish_range(const struct pw_audit_wish *wish,
                                          const struct pw_audit_info *info);

#endif
