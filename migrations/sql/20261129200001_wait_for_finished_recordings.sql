-- A recording may be read before its telephony has finished it: what the note says of its length, what a call waits for,
-- and which version of the recording a run works on (each version has files of its own). A failure's cause says more than
-- its code.
ALTER TABLE transcriptions
    ADD COLUMN note_duration_s   INT UNSIGNED NULL,
    ADD COLUMN recording_version INT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN waits_for         VARCHAR(24)  NULL,
    ADD COLUMN failure_cause     VARCHAR(32)  NULL;
