-- What students are told: an event each, seen by whom it concerns. kind: commands/inbox.h has the numbers; reason: schemas/reasons.def.
CREATE TABLE IF NOT EXISTS notifications (
    generation     INT UNSIGNED NOT NULL,
    tenant_id      BINARY(16)   NOT NULL,
    student_id     BINARY(16)   NOT NULL,
    number         INT UNSIGNED NOT NULL, -- 1: the student's first.
    kind           INT UNSIGNED NOT NULL,
    reservation_id BINARY(16)   NOT NULL,
    slot_id        BINARY(16)   NOT NULL,
    exam_id        BINARY(16)   NOT NULL,
    starts_at_us   BIGINT       NOT NULL,
    ends_at_us     BIGINT       NOT NULL,
    expires_at_us  BIGINT       NULL,     -- Of an offer.
    reason         VARCHAR(40)  NULL,
    changed_at_us  BIGINT       NOT NULL,
    record_offset  BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, student_id, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How many a student has, and which are unread: bit 0 of `unread` is the newest one, bit 1 the one before it.
CREATE TABLE IF NOT EXISTS inboxes (
    generation         INT UNSIGNED NOT NULL,
    tenant_id          BINARY(16)   NOT NULL,
    student_id         BINARY(16)   NOT NULL,
    notification_count INT UNSIGNED NOT NULL,
    unread             BIGINT       NOT NULL,
    unread_count       INT UNSIGNED NOT NULL,
    version            INT UNSIGNED NOT NULL, -- Of the stream that tells what was read; 0: nothing was.
    changed_at_us      BIGINT       NOT NULL,
    record_offset      BIGINT       NOT NULL,
    PRIMARY KEY (generation, tenant_id, student_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What was told before is written with the others, from the start.
DELETE FROM pw_positions WHERE projection = 'reservations';
