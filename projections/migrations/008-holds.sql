-- Reservations that are only held or offered: until when. State 3: held, 4: its hold ran out, 5: waiting, 6: left, 7: offered,
-- 8: its offer was declined, 9: its offer ran out.
ALTER TABLE reservations ADD COLUMN IF NOT EXISTS expires_at_us BIGINT NULL AFTER free_again_at_us;
