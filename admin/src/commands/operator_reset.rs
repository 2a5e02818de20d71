//! `flysk-admin operator:reset`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_store::admin::{operators, passkeys, recovery_codes, sessions};
use flysk_store::repeat_while;
use secrecy::ExposeSecret as _;

use super::{is_contended, open, record};
use crate::config::Config;
use crate::sign_in::password;

/// The operator to let in again.
#[derive(Debug, Args)]
pub struct Reset {
    /// Login of the operator.
    login: String,
}

impl Reset {
    /// Writes a new password, removes the second factor with its recovery codes and passkeys, and ends all sessions.
    ///
    /// # Errors
    ///
    /// There is no such operator, or the database is unreachable.
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let deps = open(config).await?;
        let password = password::generate(deps.clock());
        let password_hash = password::hash(&password)?;
        let reset = || async {
            let now = deps.clock().now();
            let mut tx = deps.outbox.pool().begin().await?;
            let operator = operators::find_by_login(&mut tx, &self.login).await?;
            let operator = operator.with_context(|| format!("no operator `{}`", self.login))?;
            operators::reset(&mut tx, operator.id, &password_hash, now).await?;
            recovery_codes::remove_all(&mut tx, operator.id).await?;
            passkeys::remove_all(&mut tx, operator.id).await?;
            sessions::end_all(&mut tx, operator.id, now).await?;
            record(&mut tx, deps.clock(), "operator.reset", operator.id, (None, None)).await?;
            Ok(tx.commit().await?)
        };
        repeat_while(is_contended, reset).await?;
        writeln!(
            std::io::stdout(),
            "`{}` sets up the second factor at the next sign-in. The password, shown only now:\n  {}",
            self.login,
            password.expose_secret()
        )?;
        Ok(())
    }
}
