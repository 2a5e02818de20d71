-- Calls of one account by the time at which they ended, for its weekly digest: without this, the digest reads all calls that the account
-- has ever had. Has no state, so that a call's entry changes only when it ends. Expands only.
ALTER TABLE transcriptions ADD KEY transcriptions_account_finished (account_id, finished_at);
