-- A slot with its seats, taken and in all.
CREATE TABLE IF NOT EXISTS slots (
    generation        INT UNSIGNED NOT NULL,
    tenant_id         BINARY(16)   NOT NULL,
    slot_id           BINARY(16)   NOT NULL,
    exam_id           BINARY(16)   NOT NULL,
    exam_version      INT UNSIGNED NOT NULL,
    starts_at_us      BIGINT       NOT NULL,
    ends_at_us        BIGINT       NOT NULL,
    lead_time_minutes INT UNSIGNED NOT NULL,
    buffer_minutes    INT UNSIGNED NOT NULL,
    capacity          INT UNSIGNED NOT NULL,
    taken_count       INT UNSIGNED NOT NULL,
    version           INT UNSIGNED NOT NULL,
    changed_at_us     BIGINT       NOT NULL,
    record_offset     BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, slot_id),
    KEY by_start (generation, tenant_id, starts_at_us, slot_id),
    KEY by_exam (generation, tenant_id, exam_id, starts_at_us, slot_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('slots', 1);
