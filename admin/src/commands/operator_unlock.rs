//! `flysk-admin operator:unlock`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::Args;
use flysk_store::admin::operators;
use flysk_store::repeat_while;

use super::{is_contended, open, record};
use crate::config::Config;
use crate::sign_in::lockout;

/// The operator who is locked out.
#[derive(Debug, Args)]
pub struct Unlock {
    /// Login of the operator.
    login: String,
}

impl Unlock {
    /// Forgets the wrong passwords and codes of an operator, as an owner does in the panel.
    ///
    /// # Errors
    ///
    /// There is no such operator, nothing was counted, or the database is unreachable.
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        let deps = open(config).await?;
        let unlock = || async {
            let mut tx = deps.outbox.pool().begin().await?;
            let operator = operators::find_by_login(&mut tx, &self.login).await?;
            let operator = operator.with_context(|| format!("no operator `{}`", self.login))?;
            let counted = lockout::lift(&mut tx, &operator.login, deps.clock().now()).await?;
            let counted =
                counted.with_context(|| format!("`{}` has made no attempts to sign in", self.login))?;
            let states = (Some(counted.to_string()), None);
            record(&mut tx, deps.clock(), "operator.unlock", operator.id, states).await?;
            Ok(tx.commit().await?)
        };
        repeat_while(is_contended, unlock).await?;
        writeln!(std::io::stdout(), "`{}` can sign in: attempts are counted anew.", self.login)?;
        Ok(())
    }
}
