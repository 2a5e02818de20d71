-- Issued acts: their own series of numbers without gaps, and what each of them says, so that no later edit of a vendor's name
-- or taxes alters an issued act.
--
-- Only adds a table and columns: the previous release runs on this schema.

-- Last number given to an act of a vendor. It is taken in the transaction that issues the act.
CREATE TABLE transfer_act_numbers (
    vendor_id   CHAR(30)    NOT NULL,
    last_number BIGINT      NOT NULL,
    updated_at  DATETIME(6) NOT NULL,
    PRIMARY KEY (vendor_id),
    CONSTRAINT transfer_act_numbers_positive CHECK (last_number > 0)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- All three are NULL until the act is issued: number in the vendor's series of acts, when it was issued, and what it says, as
-- JSON. `state` is due or issued; `object_key` is not used.
ALTER TABLE transfer_acts
    ADD COLUMN act_number BIGINT      NULL,
    ADD COLUMN issued_at  DATETIME(6) NULL,
    ADD COLUMN content    MEDIUMTEXT  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    ADD UNIQUE KEY transfer_acts_series (vendor_id, act_number);
