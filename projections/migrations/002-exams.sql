-- An exam as it stands: its draft, and the version that is published last.
CREATE TABLE IF NOT EXISTS exams (
    generation                  INT UNSIGNED NOT NULL,
    tenant_id                   BINARY(16)   NOT NULL,
    exam_id                     BINARY(16)   NOT NULL,
    owner_id                    BINARY(16)   NOT NULL,
    draft_title                 VARCHAR(200) NOT NULL,
    draft_duration_minutes      INT UNSIGNED NOT NULL,
    draft_lead_time_minutes     INT UNSIGNED NOT NULL,
    draft_buffer_minutes        INT UNSIGNED NOT NULL,
    published_number            INT UNSIGNED NOT NULL, -- 0: none, and the columns below are NULL.
    published_title             VARCHAR(200) NULL,
    published_duration_minutes  INT UNSIGNED NULL,
    published_lead_time_minutes INT UNSIGNED NULL,
    published_buffer_minutes    INT UNSIGNED NULL,
    published_hash              BINARY(32)   NULL,
    version                     INT UNSIGNED NOT NULL,
    changed_at_us               BIGINT       NOT NULL,
    record_offset               BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, exam_id),
    KEY by_owner (generation, tenant_id, owner_id, exam_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('exams', 1);
