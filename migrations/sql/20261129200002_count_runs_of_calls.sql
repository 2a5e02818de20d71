-- How often a call was started within a day, counted from the first start of that day.
ALTER TABLE transcriptions
    ADD COLUMN runs_since   DATETIME(6)  NULL,
    ADD COLUMN runs_counted INT UNSIGNED NOT NULL DEFAULT 0;
