-- What happened to a reservation, a row a step: its event, and how it stood after that. These rows never change. Those of what happened before
-- are written with the others, from the start.
CREATE TABLE IF NOT EXISTS reservation_steps (
    generation     INT UNSIGNED     NOT NULL,
    tenant_id      BINARY(16)       NOT NULL,
    reservation_id BINARY(16)       NOT NULL,
    version        INT UNSIGNED     NOT NULL,
    event          VARCHAR(64)      NOT NULL,
    state          TINYINT UNSIGNED NOT NULL,
    slot_id        BINARY(16)       NOT NULL,
    from_slot_id   BINARY(16)       NULL, -- NULL: it was not moved.
    starts_at_us   BIGINT           NOT NULL,
    ends_at_us     BIGINT           NOT NULL,
    expires_at_us  BIGINT           NULL,
    reason         VARCHAR(32)      NULL, -- NULL: the event gives none.
    changed_at_us  BIGINT           NOT NULL, -- When it happened.
    record_offset  BIGINT           NOT NULL,
    PRIMARY KEY (generation, tenant_id, reservation_id, version)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

DELETE FROM pw_positions WHERE projection = 'reservations';

-- An exam's reservations, and those in one state, such as no-show, by start. The state at the end tells which rows of an exam need not be read.
ALTER TABLE reservations ADD INDEX IF NOT EXISTS by_exam (generation, tenant_id, exam_id, starts_at_us, reservation_id, state);

ALTER TABLE reservations ADD INDEX IF NOT EXISTS by_state (generation, tenant_id, state, starts_at_us, reservation_id);
