-- How far each read model has come, and which generation of its rows queries show: docs/read-models.md.
CREATE TABLE IF NOT EXISTS pw_positions (
    projection       VARCHAR(64)     NOT NULL,
    generation       INT UNSIGNED    NOT NULL,
    partition_number INT UNSIGNED    NOT NULL,
    ledger_id        BINARY(16)      NOT NULL,
    partition_count  INT UNSIGNED    NOT NULL,
    record_offset    BIGINT          NOT NULL, -- Of the last record that the rows show; -1: none yet.
    head             BINARY(32)      NOT NULL, -- That record's hash.
    writer_epoch     BIGINT          NOT NULL,
    PRIMARY KEY (projection, generation, partition_number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS pw_projections (
    name             VARCHAR(64)     NOT NULL,
    generation       INT UNSIGNED    NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
