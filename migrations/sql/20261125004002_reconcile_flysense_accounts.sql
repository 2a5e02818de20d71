-- Hooks get lost: up to when an account's log of calls was read, and since when calls are transcribed by
-- themselves; which key signed the address that amoCRM calls, and when that was last looked at.
ALTER TABLE flysense_accounts
    ADD COLUMN auto_since       DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    ADD COLUMN reconciled_until DATETIME(6) NULL,
    ADD COLUMN hooks_key        VARCHAR(32) NULL,
    ADD COLUMN hooks_checked_at DATETIME(6) NULL,
    ADD KEY flysense_accounts_status (status, account_id);
