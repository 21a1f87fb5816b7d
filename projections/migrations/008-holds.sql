-- Reservations that are only held: until when. State 3: held, 4: its hold ran out.
ALTER TABLE reservations ADD COLUMN IF NOT EXISTS expires_at_us BIGINT NULL AFTER free_again_at_us;
