-- What `admin rebuild` makes beside the rows that queries show, and by which version: docs/read-models.md. building 0: nothing.
ALTER TABLE pw_projections ADD COLUMN IF NOT EXISTS building INT UNSIGNED NOT NULL DEFAULT 0;

ALTER TABLE pw_projections ADD COLUMN IF NOT EXISTS built_by VARCHAR(32) NOT NULL DEFAULT '';
