-- What has become of a slot's seats: held, offered, and, once sittings are marked, who came and who did not. What is there already is written again
-- from the start.
ALTER TABLE slots ADD COLUMN IF NOT EXISTS held_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER left_count;

ALTER TABLE slots ADD COLUMN IF NOT EXISTS offered_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER held_count;

ALTER TABLE slots ADD COLUMN IF NOT EXISTS attended_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER offered_count;

ALTER TABLE slots ADD COLUMN IF NOT EXISTS no_show_count INT UNSIGNED NOT NULL DEFAULT 0 AFTER attended_count;

-- The first moment of the UTC day on which it starts: sums over days are made in the order of this index. The database keeps it.
ALTER TABLE slots ADD COLUMN IF NOT EXISTS day_us BIGINT AS (starts_at_us - starts_at_us MOD 86400000000) PERSISTENT AFTER starts_at_us;

ALTER TABLE slots ADD INDEX IF NOT EXISTS by_day (generation, tenant_id, day_us, slot_id);

-- Slots in one state, by start: few are closed or cancelled.
ALTER TABLE slots ADD INDEX IF NOT EXISTS by_state (generation, tenant_id, state, starts_at_us, slot_id);

DELETE FROM pw_positions WHERE projection = 'slots';
