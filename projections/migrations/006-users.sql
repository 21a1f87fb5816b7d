-- People, as far as decisions know them. What is personal stands in user_profiles, as ciphertext: docs/read-models.md.
CREATE TABLE IF NOT EXISTS users (
    generation    INT UNSIGNED     NOT NULL,
    tenant_id     BINARY(16)       NOT NULL,
    user_id       BINARY(16)       NOT NULL,
    state         TINYINT UNSIGNED NOT NULL, -- 1: active, 2: deactivated, 3: erased.
    roles         INT UNSIGNED     NOT NULL, -- Bits, see docs/read-models.md.
    has_password  TINYINT UNSIGNED NOT NULL,
    version       INT UNSIGNED     NOT NULL,
    changed_at_us BIGINT           NOT NULL,
    record_offset BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, user_id),
    KEY by_state (generation, tenant_id, state, user_id),
    KEY by_roles (generation, tenant_id, roles, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS user_profiles (
    generation    INT UNSIGNED   NOT NULL,
    tenant_id     BINARY(16)     NOT NULL,
    user_id       BINARY(16)     NOT NULL,
    key_id        BINARY(16)     NULL, -- NULL, like all that follows: the person was erased.
    email         VARBINARY(295) NULL,
    email_tag     BINARY(32)     NULL,
    name          VARBINARY(295) NULL,
    changed_at_us BIGINT         NOT NULL,
    record_offset BIGINT         NOT NULL,
    PRIMARY KEY (generation, tenant_id, user_id),
    KEY by_email (generation, tenant_id, email_tag, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS user_preferences (
    generation    INT UNSIGNED NOT NULL,
    tenant_id     BINARY(16)   NOT NULL,
    user_id       BINARY(16)   NOT NULL,
    language      VARCHAR(35)  NULL, -- NULL, like the zone: the person was erased.
    time_zone     VARCHAR(64)  NULL,
    changed_at_us BIGINT       NOT NULL,
    record_offset BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The key under which a tenant's e-mail tags are made: one, or none where it keeps no accounts.
CREATE TABLE IF NOT EXISTS equality_keys (
    generation    INT UNSIGNED NOT NULL,
    tenant_id     BINARY(16)   NOT NULL,
    key_id        BINARY(16)   NOT NULL,
    changed_at_us BIGINT       NOT NULL,
    record_offset BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, key_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('users', 1);
