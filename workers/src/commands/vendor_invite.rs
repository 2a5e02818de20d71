//! `flysk-worker vendor:invite`: people of vendors in the portal.

use std::io::Write as _;

use clap::Args;
use flysk_domain::id::AuditId;
use flysk_domain::platform::purchases::Email;
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_services::vendor_users::{invitation_link, invite};
use flysk_store::portal::invitations::Invitation;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::OptionalBy;
use super::record::{Act, PROGRAM, record};
use super::transaction::transact;
use super::vendor::find;

/// Vendor and address of an invitation.
#[derive(Debug, Args)]
pub(super) struct Invite {
    /// The vendor's code.
    code: String,
    /// E-mail address: the letter goes there, and the user signs in with it.
    email: Email,
    /// Print the link, too, for a deployment without a mail server. Whoever has it can accept the invitation.
    #[arg(long)]
    print_link: bool,
    #[command(flatten)]
    by: OptionalBy,
}

impl Invite {
    /// Records the invitation and enqueues its letter.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let invited = transact(|| self.invite(&outbox)).await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{} is invited until {}.", invited.email, invited.expires_at)?;
        if config.smtp.is_none() {
            writeln!(out, "FLYSK_SMTP_URL is not set here: if workers have none either, no letter is sent.")?;
        }
        if self.print_link {
            writeln!(out, "{}", invitation_link(&config.portal.url, &config.keys.keyring, invited.id)?)?;
        }
        Ok(())
    }

    async fn invite(&self, outbox: &Outbox) -> anyhow::Result<Invitation> {
        let clock = outbox.clock().as_ref();
        let by = self.by.author()?;
        let correlation_id = format!("invite.{}", AuditId::generate(clock));
        let mut unit = outbox.begin(Trace { correlation_id, traceparent: None }).await?;
        let vendor = find(&mut unit, &self.code).await?;
        let invited = invite(&mut unit, clock, vendor.id, &self.email, PROGRAM).await?;
        let after = json!({ "invitation": invited.id, "email": invited.email });
        let act = Act {
            action: "vendor_user.invite",
            subject: ("vendor", vendor.id.to_string()),
            reason: by.reason,
            before: Value::Null,
            after: by.named(after),
        };
        record(&mut unit, clock, act).await?;
        unit.commit().await?;
        Ok(invited)
    }
}
