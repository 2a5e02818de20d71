-- A pair that a code was exchanged for, until it is known whose it is: reading the account may take more than one try,
-- and the code works only once.
ALTER TABLE oauth_codes
    ADD COLUMN pair_sealed TEXT        NULL,
    ADD COLUMN pair_at     DATETIME(6) NULL;
