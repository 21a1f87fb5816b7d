-- 1: the exam is withdrawn.
ALTER TABLE exams ADD COLUMN IF NOT EXISTS withdrawn TINYINT UNSIGNED NOT NULL DEFAULT 0 AFTER version;
