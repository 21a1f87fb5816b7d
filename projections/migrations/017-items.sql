-- The bank of items: who owns one, and which of its versions is the newest.
CREATE TABLE IF NOT EXISTS items (
    generation    INT UNSIGNED NOT NULL,
    tenant_id     BINARY(16)   NOT NULL,
    item_id       BINARY(16)   NOT NULL,
    owner_id      BINARY(16)   NOT NULL,
    newest_number INT UNSIGNED NOT NULL,
    retired       INT UNSIGNED NOT NULL,
    version       INT UNSIGNED NOT NULL,
    changed_at_us BIGINT       NOT NULL,
    record_offset BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, item_id),
    KEY by_owner (generation, tenant_id, owner_id, item_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What each version asks: it never changes. The lists are msgpack, as in the ledger.
CREATE TABLE IF NOT EXISTS item_versions (
    generation     INT UNSIGNED    NOT NULL,
    tenant_id      BINARY(16)      NOT NULL,
    item_id        BINARY(16)      NOT NULL,
    version_number INT UNSIGNED    NOT NULL,
    title          VARCHAR(200)    NOT NULL,
    kind           INT UNSIGNED    NOT NULL,
    prompt         VARCHAR(4000)   NOT NULL,
    choices        VARBINARY(24000) NOT NULL,
    scoring        INT UNSIGNED    NOT NULL,
    maximum_mark   INT UNSIGNED    NOT NULL,
    penalty_max    INT UNSIGNED    NOT NULL,
    content_hash   BINARY(32)      NOT NULL,
    changed_at_us  BIGINT          NOT NULL,
    record_offset  BIGINT          NOT NULL,
    PRIMARY KEY (generation, tenant_id, item_id, version_number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The keys that each version has had; the one with the highest number counts. Why one was corrected; NULL: the version came with it.
CREATE TABLE IF NOT EXISTS item_keys (
    generation     INT UNSIGNED    NOT NULL,
    tenant_id      BINARY(16)      NOT NULL,
    item_id        BINARY(16)      NOT NULL,
    version_number INT UNSIGNED    NOT NULL,
    key_number     INT UNSIGNED    NOT NULL,
    answers        VARBINARY(12000) NOT NULL,
    reason         VARCHAR(200)    NULL,
    changed_at_us  BIGINT          NOT NULL,
    record_offset  BIGINT          NOT NULL,
    PRIMARY KEY (generation, tenant_id, item_id, version_number, key_number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What exams ask: a row for each list that one has had, found by its hash. The list is msgpack, as in the ledger.
CREATE TABLE IF NOT EXISTS exam_items (
    generation     INT UNSIGNED    NOT NULL,
    tenant_id      BINARY(16)      NOT NULL,
    exam_id        BINARY(16)      NOT NULL,
    items_hash     BINARY(32)      NOT NULL,
    items          VARBINARY(6000) NOT NULL,
    item_count     INT UNSIGNED    NOT NULL,
    maximum_mark   INT UNSIGNED    NOT NULL,
    changed_at_us  BIGINT          NOT NULL,
    record_offset  BIGINT          NOT NULL,
    PRIMARY KEY (generation, tenant_id, exam_id, items_hash)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was published of an exam, each version for ever. items_hash NULL: it asks nothing that is known here.
CREATE TABLE IF NOT EXISTS exam_versions (
    generation        INT UNSIGNED NOT NULL,
    tenant_id         BINARY(16)   NOT NULL,
    exam_id           BINARY(16)   NOT NULL,
    version_number    INT UNSIGNED NOT NULL,
    title             VARCHAR(200) NOT NULL,
    duration_minutes  INT UNSIGNED NOT NULL,
    lead_time_minutes INT UNSIGNED NOT NULL,
    buffer_minutes    INT UNSIGNED NOT NULL,
    items_hash        BINARY(32)   NULL,
    content_hash      BINARY(32)   NOT NULL,
    changed_at_us     BIGINT       NOT NULL,
    record_offset     BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, exam_id, version_number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- NULL: nothing is bound.
ALTER TABLE exams ADD COLUMN IF NOT EXISTS draft_items_hash BINARY(32) NULL AFTER withdrawn;

ALTER TABLE exams ADD COLUMN IF NOT EXISTS published_items_hash BINARY(32) NULL AFTER draft_items_hash;

-- Versions that were published before are told from the start.
DELETE FROM pw_positions WHERE projection = 'exams';
