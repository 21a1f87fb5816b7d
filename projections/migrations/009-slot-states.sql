-- What has become of a slot (1: open, 2: closed, 3: cancelled), how many wait for it, and, once it is cancelled, how many reservations have
-- no record yet that says so. What is there already is written again from the start.
ALTER TABLE slots ADD COLUMN IF NOT EXISTS state TINYINT UNSIGNED NOT NULL DEFAULT 1 AFTER version;

ALTER TABLE slots ADD COLUMN IF NOT EXISTS waiting_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER state;

ALTER TABLE slots ADD COLUMN IF NOT EXISTS left_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER waiting_count;

DELETE FROM pw_positions WHERE projection = 'slots';
