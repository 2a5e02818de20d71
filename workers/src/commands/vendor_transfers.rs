//! `flysk-worker vendor:t-api` and `vendor:transfer-terms`: how a vendor is paid by bank transfer.

use std::io::{Read as _, Write as _};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use flysk_config::Env;
use flysk_domain::platform::transfers::DueTerms;
use flysk_services::audit_states::due_terms_state;
use flysk_services::transfers::set_t_api_access;
use flysk_store::platform::{transfers, vendors};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, record};
use super::trace::trace;
use super::transaction::transact;

/// A vendor's access to the T-API.
#[derive(Debug, Args)]
pub(super) struct TApi {
    /// The vendor's code.
    code: String,
    /// Account that is paid to and whose statement is read, 20 digits; `none` takes the access away.
    #[arg(long)]
    account: String,
    /// Read the token from this environment variable.
    #[arg(long, value_name = "VARIABLE", conflicts_with = "token_stdin")]
    token_env: Option<String>,
    /// Read the token from standard input.
    #[arg(long)]
    token_stdin: bool,
    #[command(flatten)]
    by: OptionalBy,
}

impl TApi {
    /// Stores account and sealed token, or removes them.
    pub(super) async fn run(self, config: &Config, env: &Env) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let token = if self.account == "none" { None } else { Some(self.token(env)?) };
        let outbox = open_outbox(config).await?;
        let store = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let vendor = vendors::find_vendor_by_code(&mut unit, &self.code).await?;
            let vendor = vendor.with_context(|| format!("no vendor has the code `{}`", self.code))?;
            let former = transfers::find_access(&mut unit, vendor.id).await?;
            let access = token.as_ref().map(|token| (self.account.as_str(), token));
            let (keyring, now) = (&config.keys.keyring, outbox.clock().now());
            set_t_api_access(&mut unit, keyring, vendor.id, access, now).await?;
            let told = |account: &str| json!({ "account": account });
            let act = Act {
                action: if access.is_some() { "vendor.set_t_api" } else { "vendor.remove_t_api" },
                subject: ("vendor", vendor.id.to_string()),
                reason: by.reason,
                before: former.map_or(Value::Null, |former| told(&former.account)),
                after: by.named(access.map_or(Value::Null, |(account, _)| told(account))),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(store).await?;
        let mut out = std::io::stdout().lock();
        match token {
            Some(_) => writeln!(out, "`{}` takes transfers to {}.", self.code, self.account)?,
            None => writeln!(out, "`{}` takes no transfers.", self.code)?,
        }
        Ok(())
    }

    /// Never from the command line, which other users of the machine can read.
    fn token(&self, env: &Env) -> anyhow::Result<SecretString> {
        if let Some(name) = &self.token_env {
            return env.secret_named(name).with_context(|| format!("the variable `{name}` is not set"));
        }
        ensure!(self.token_stdin, "name the source of the token: --token-env or --token-stdin");
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        match text.trim() {
            "" => bail!("standard input contains no token"),
            secret => Ok(SecretString::from(secret)),
        }
    }
}

/// Days in which invoices of a vendor can be paid.
#[derive(Debug, Args)]
pub(super) struct Terms {
    /// The vendor's code.
    code: String,
    /// Number of days, 1 to 30.
    #[arg(long)]
    days: u32,
    /// Whether only Monday to Friday count.
    #[arg(long, value_name = "true|false", default_value_t = false, action = clap::ArgAction::Set)]
    banking_days: bool,
    #[command(flatten)]
    by: OptionalBy,
}

impl Terms {
    /// Stores the terms. Invoices that were written keep their day.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let terms = DueTerms::new(self.days, self.banking_days)?;
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let store = || async {
            let mut unit = outbox.begin(trace(&outbox)).await?;
            let vendor = vendors::find_vendor_by_code(&mut unit, &self.code).await?;
            let vendor = vendor.with_context(|| format!("no vendor has the code `{}`", self.code))?;
            let former = transfers::find_due_terms(&mut unit, vendor.id).await?.unwrap_or_default();
            transfers::set_due_terms(&mut unit, vendor.id, terms, outbox.clock().now()).await?;
            let act = Act {
                action: "vendor.set_transfer_terms",
                subject: ("vendor", vendor.id.to_string()),
                reason: by.reason,
                before: due_terms_state(former),
                after: by.named(due_terms_state(terms)),
            };
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(())
        };
        transact(store).await?;
        let which = if terms.counts_banking_days() { "banking days" } else { "days" };
        writeln!(std::io::stdout(), "Invoices of `{}` can be paid for {} {which}.", self.code, terms.days())?;
        Ok(())
    }
}
