-- The caller's span, for jobs that a call is given after its request: what a tick of the cheap lane enqueues, a cancel.
ALTER TABLE transcriptions
    ADD COLUMN traceparent VARCHAR(64) NULL;
