-- Who proctors a slot. Reservations, state 10: the student came, 11: the student did not.
CREATE TABLE IF NOT EXISTS slot_proctors (
    generation    INT UNSIGNED     NOT NULL,
    tenant_id     BINARY(16)       NOT NULL,
    slot_id       BINARY(16)       NOT NULL,
    proctor_id    BINARY(16)       NOT NULL,
    live          TINYINT UNSIGNED NOT NULL, -- 0: not any more.
    changed_at_us BIGINT           NOT NULL,
    record_offset BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, slot_id, proctor_id),
    KEY by_proctor (generation, tenant_id, proctor_id, slot_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
