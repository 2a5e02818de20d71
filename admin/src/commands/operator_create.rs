//! `flysk-admin operator:create`.

use std::io::Write as _;

use anyhow::ensure;
use clap::Args;
use flysk_domain::TextEnum as _;
use flysk_domain::admin::{OperatorRight, OperatorRights, OperatorRole};
use flysk_domain::id::OperatorId;
use flysk_store::admin::operators::{self, NewOperator};
use flysk_store::{StoreError, repeat_contended};
use secrecy::ExposeSecret as _;

use super::{open, record};
use crate::config::Config;
use crate::operators_rules::{check_login, check_name};
use crate::sign_in::password;

/// The operator to create.
#[derive(Debug, Args)]
pub struct Create {
    /// Name to sign in with: a-z, 0-9, `.`, `-`, `_`, `@`.
    login: String,
    /// Name to show, such as `Анна Петрова`.
    #[arg(long)]
    name: String,
    /// Role: support, billing, operator or owner.
    #[arg(long)]
    role: OperatorRole,
    /// A right besides those of the role: export, bulk, listen or erase. May be repeated.
    #[arg(long = "right")]
    rights: Vec<OperatorRight>,
}

impl Create {
    /// Inserts the operator and prints the password.
    ///
    /// # Errors
    ///
    /// The login is taken or invalid, or the database is unreachable.
    pub async fn run(self, config: Config) -> anyhow::Result<()> {
        check_login(&self.login)?;
        check_name(&self.name)?;
        let deps = open(config).await?;
        let password = password::generate(deps.clock());
        let password_hash = password::hash(&password)?;
        let id = OperatorId::generate(deps.clock());
        let rights: OperatorRights = self.rights.into_iter().collect();
        let created =
            serde_json::json!({ "login": self.login, "role": self.role, "rights": rights.to_string() });
        let insert = || async {
            let mut tx = deps.outbox.pool().begin().await.map_err(StoreError::from)?;
            let new = NewOperator {
                id,
                login: &self.login,
                name: self.name.trim(),
                role: self.role,
                rights: &rights,
                password_hash: &password_hash,
            };
            match operators::insert(&mut tx, &new, deps.clock().now()).await {
                Err(StoreError::Duplicate { .. }) => return Ok(false),
                done => done?,
            }
            record(&mut tx, deps.clock(), "operator.create", id, (None, Some(created.to_string())))
                .await
                .map_err(|error| StoreError::InvalidRow { what: "audit row", reason: error.to_string() })?;
            tx.commit().await.map_err(StoreError::from)?;
            Ok::<_, StoreError>(true)
        };
        ensure!(repeat_contended(insert).await?, "the login `{}` is taken", self.login);
        writeln!(
            std::io::stdout(),
            "Operator {id} ({}). The password, shown only now:\n  {}",
            self.role.as_str(),
            password.expose_secret()
        )?;
        Ok(())
    }
}
