//! `flysk-admin operator:reset`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_store::admin::{operators, passkeys, recovery_codes, sessions};
use flysk_store::repeat_while;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{is_contended, open, record};
use crate::config::Config;
use crate::sign_in::password;

/// The operator to let in again.
#[derive(Debug, Args)]
pub struct Reset {
    /// Login of the operator.
    login: String,
    /// Enable the operator, too, if it is disabled. Without it, a disabled operator stays disabled.
    #[arg(long)]
    enable: bool,
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
            let operator = operators::lock(&mut tx, operator.id).await?;
            let operator = operator.with_context(|| format!("no operator `{}`", self.login))?;
            let was_disabled = operator.disabled_at.is_some();
            let stays_disabled = was_disabled && !self.enable;
            operators::reset(&mut tx, operator.id, &password_hash, now).await?;
            if was_disabled && self.enable {
                operators::enable(&mut tx, operator.id, now).await?;
            }
            recovery_codes::remove_all(&mut tx, operator.id).await?;
            passkeys::remove_all(&mut tx, operator.id).await?;
            sessions::end_all(&mut tx, operator.id, now).await?;
            let before =
                json!({ "second_factor": operator.totp_confirmed_at.is_some(), "disabled": was_disabled });
            let after = json!({ "second_factor": false, "disabled": stays_disabled });
            let states = (Some(before.to_string()), Some(after.to_string()));
            record(&mut tx, deps.clock(), "operator.reset", operator.id, states).await?;
            tx.commit().await?;
            Ok(stays_disabled)
        };
        if repeat_while(is_contended, reset).await? {
            writeln!(
                std::io::stdout(),
                "`{}` is disabled and cannot sign in: to enable it, run the command again with --enable.",
                self.login
            )?;
        }
        writeln!(
            std::io::stdout(),
            "`{}` sets up the second factor at the next sign-in. The password, shown only now:\n  {}",
            self.login,
            password.expose_secret()
        )?;
        Ok(())
    }
}
