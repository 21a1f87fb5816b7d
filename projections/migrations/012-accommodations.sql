-- More time for a student, in sittings that start in [valid_from_us, valid_until_us). State 1: granted, 2: revoked.
CREATE TABLE IF NOT EXISTS accommodations (
    generation         INT UNSIGNED NOT NULL,
    tenant_id          BINARY(16)   NOT NULL,
    accommodation_id   BINARY(16)   NOT NULL,
    student_id         BINARY(16)   NOT NULL,
    state              INT UNSIGNED NOT NULL,
    factor_percent     INT UNSIGNED NOT NULL,
    fixed_minutes      INT UNSIGNED NOT NULL,
    rest_break_minutes INT UNSIGNED NOT NULL,
    valid_from_us      BIGINT       NOT NULL,
    valid_until_us     BIGINT       NOT NULL,
    version            INT UNSIGNED NOT NULL,
    changed_at_us      BIGINT       NOT NULL,
    record_offset      BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, accommodation_id),
    KEY by_student (generation, tenant_id, student_id, valid_from_us, accommodation_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT IGNORE INTO pw_projections (name, generation) VALUES ('accommodations', 1);

-- Nobody sits in a slot for longer than this, however much time they are granted. NULL: there is no such end.
ALTER TABLE slots ADD COLUMN IF NOT EXISTS hard_end_at_us BIGINT NULL AFTER ends_at_us;

-- The time that its student is granted cannot be had in its slot. 0: it can; 1: for the slot's hard end, 2: for another sitting.
ALTER TABLE reservations ADD COLUMN IF NOT EXISTS needs_replacement INT UNSIGNED NOT NULL DEFAULT 0 AFTER expires_at_us;
