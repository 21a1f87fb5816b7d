-- Who is, or was, signed in. A session that ended stays as a row with live = 0: docs/read-models.md says why.
CREATE TABLE IF NOT EXISTS sessions (
    generation      INT UNSIGNED     NOT NULL,
    tenant_id       BINARY(16)       NOT NULL,
    session_id      BINARY(16)       NOT NULL,
    user_id         BINARY(16)       NOT NULL,
    live            TINYINT UNSIGNED NOT NULL, -- 1: was not ended, though it may have expired; 0: was ended.
    refreshed_at_us BIGINT           NULL,
    expires_at_us   BIGINT           NULL, -- NULL: was ended.
    end_reason      VARCHAR(20)      NULL, -- NULL: was not ended.
    version         INT UNSIGNED     NOT NULL,
    changed_at_us   BIGINT           NOT NULL,
    record_offset   BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, session_id),
    KEY by_live (generation, tenant_id, live, session_id),
    KEY by_user (generation, tenant_id, user_id, live, session_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was said when it was opened; these rows never change.
CREATE TABLE IF NOT EXISTS session_openings (
    generation    INT UNSIGNED   NOT NULL,
    tenant_id     BINARY(16)     NOT NULL,
    session_id    BINARY(16)     NOT NULL,
    user_id       BINARY(16)     NOT NULL,
    key_id        BINARY(16)     NOT NULL,
    label         VARBINARY(295) NOT NULL, -- Empty: the person gave none.
    ends_at_us    BIGINT         NOT NULL,
    changed_at_us BIGINT         NOT NULL, -- When the session was opened.
    record_offset BIGINT         NOT NULL,
    PRIMARY KEY (generation, tenant_id, session_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('sessions', 1);
