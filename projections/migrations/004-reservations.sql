-- Every reservation, live or not.
CREATE TABLE IF NOT EXISTS reservations (
    generation       INT UNSIGNED     NOT NULL,
    tenant_id        BINARY(16)       NOT NULL,
    reservation_id   BINARY(16)       NOT NULL,
    slot_id          BINARY(16)       NOT NULL,
    exam_id          BINARY(16)       NOT NULL,
    student_id       BINARY(16)       NOT NULL,
    state            TINYINT UNSIGNED NOT NULL, -- 1: confirmed, 2: cancelled.
    starts_at_us     BIGINT           NOT NULL,
    ends_at_us       BIGINT           NOT NULL,
    free_again_at_us BIGINT           NOT NULL,
    version          INT UNSIGNED     NOT NULL,
    changed_at_us    BIGINT           NOT NULL,
    record_offset    BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, reservation_id),
    KEY by_start (generation, tenant_id, starts_at_us, reservation_id),
    KEY by_slot (generation, tenant_id, slot_id, starts_at_us, reservation_id),
    KEY by_student (generation, tenant_id, student_id, starts_at_us, reservation_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('reservations', 1);
