-- Proofs of the ledger: how far `ledger:verify` has read it, so that the next verification reads only what is new.

-- Ranges of transactions that were found right, by their ids. A range begins behind the one before it.
CREATE TABLE ledger_proofs (
    number       BIGINT UNSIGNED NOT NULL,
    -- The last transaction of the range.
    through_id   CHAR(30)        NOT NULL,
    transactions BIGINT UNSIGNED NOT NULL,
    entries      BIGINT UNSIGNED NOT NULL,
    -- SHA-256 of this range and of the hash before it: a changed, removed or inserted row changes it.
    chain_hash   CHAR(64)        NOT NULL,
    proven_at    DATETIME(6)     NOT NULL,
    -- When the lots of the range were found right; NULL until then.
    compared_at  DATETIME(6)     NULL,
    PRIMARY KEY (number),
    KEY ledger_proofs_uncompared (compared_at, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;

-- Sums of the entries of all proven ranges, for each wallet and each lot.
CREATE TABLE ledger_proven_sums (
    -- Id of the wallet or lot.
    subject_id      CHAR(30)        NOT NULL,
    available_micro BIGINT          NOT NULL,
    held_micro      BIGINT          NOT NULL,
    -- The last range with an entry of the subject.
    proof_number    BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (subject_id),
    KEY ledger_proven_sums_proof (proof_number, subject_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET ascii COLLATE ascii_bin;
