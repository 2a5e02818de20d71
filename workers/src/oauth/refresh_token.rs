//! Performs `oauth.refresh_token`.
//!
//! Harmless when run twice: the second run finds a pair younger than the wish. The vault sees to it that
//! of any number of callers one asks amoCRM, and to the pace of all.

use flysk_jobs::oauth::RefreshToken;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_vault::{Need, Renewal, VaultError};

use crate::App;
use crate::outcome::HasOutcome;

impl Handle<App> for RefreshToken {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        match app.vault.renew(self.install_id, Need::NewerThan(self.wished_at), run.trace()).await {
            Ok(Renewal::Renewed(_)) => Ok(Verdict::Done),
            Ok(Renewal::NotNeeded(_)) => Ok(Verdict::skip("somebody renewed the pair meanwhile")),
            // That is how it ends, and the install says so: nothing here for an operator to replay.
            Err(VaultError::Refused(refusal)) => {
                Ok(Verdict::skip(format!("refused, the install waits for a reconnect: {refusal}")))
            }
            Err(error @ (VaultError::NoAccess(_) | VaultError::UnknownInstall)) => {
                Ok(Verdict::skip(error.to_string()))
            }
            Err(error) => Err(error.into_job_error()),
        }
    }
}
