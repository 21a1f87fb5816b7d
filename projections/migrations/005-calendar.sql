-- What blocks a student's calendar. An entry that ended stays as a row with live = 0: docs/read-models.md says why.
CREATE TABLE IF NOT EXISTS calendar (
    generation       INT UNSIGNED     NOT NULL,
    tenant_id        BINARY(16)       NOT NULL,
    student_id       BINARY(16)       NOT NULL,
    starts_at_us     BIGINT           NOT NULL,
    reservation_id   BINARY(16)       NOT NULL,
    slot_id          BINARY(16)       NOT NULL,
    exam_id          BINARY(16)       NOT NULL,
    ends_at_us       BIGINT           NOT NULL,
    free_again_at_us BIGINT           NOT NULL,
    live             TINYINT UNSIGNED NOT NULL, -- 1: blocks the calendar, 0: does not any more.
    changed_at_us    BIGINT           NOT NULL,
    record_offset    BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, student_id, starts_at_us, reservation_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('calendar', 1);
