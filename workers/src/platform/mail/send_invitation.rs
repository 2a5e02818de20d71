//! Performs `mail.send_invitation`.
//!
//! SMTP has no idempotency keys, so the intent is stored before the letter is handed over. A letter that was certainly not accepted
//! is sent again; one whose outcome is unknown is not: an operator sees its state and invites again, which ends the first link.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::Invited;
use flysk_domain::letter::Letter;
use flysk_domain::platform::mail::MailState;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::subscriptions::moscow_day;
use flysk_jobs::platform::mail::SendInvitation;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::vendor_users::invitation_link;
use flysk_store::platform::vendors;
use flysk_store::portal::invitations::{self, Invitation};
use flysk_store::repeat_contended;

use crate::App;
use crate::letters::{Written, hand_over};

impl JobHandler<App> for SendInvitation {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let Some(invitation) = invitations::find(&mut conn, self.invitation_id).await? else {
            return Ok(JobOutcome::skip("the invitation is gone"));
        };
        let vendor = vendors::find_vendor(&mut conn, invitation.vendor_id).await?;
        drop(conn);
        match invitation.mail_state {
            MailState::Waiting => {}
            // The process of the earlier attempt died between the letter and the answer.
            MailState::Sending => return end(self, run, MailState::Sending, MailState::Unknown).await,
            _ => return Ok(JobOutcome::skip("the letter was already processed")),
        }
        if invitation.state(run.now()) != Invited::Open {
            return end(self, run, MailState::Waiting, MailState::Outdated).await;
        }
        let Some(mailer) = &app.mailer else {
            return end(self, run, MailState::Waiting, MailState::Unconfigured).await;
        };
        let name =
            vendor.map(|vendor| if vendor.legal_name.is_empty() { vendor.code } else { vendor.legal_name });
        let written = write(app, &invitation, &name.unwrap_or_default())?;
        let mut unit = run.begin().await?;
        move_to(self, &mut unit, (MailState::Waiting, MailState::Sending), run.now()).await?;
        unit.commit().await?;
        match hand_over(mailer, &written.address, &written.message(run.now())).await.ended() {
            Ok(state) => end(self, run, MailState::Sending, state).await,
            Err(error) => {
                repeat_contended(|| wait_again(self, run)).await?;
                Err(error)
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        match invitations::find(unit, self.invitation_id).await?.map(|invitation| invitation.mail_state) {
            Some(from @ MailState::Waiting) => move_to(self, unit, (from, MailState::Refused), now).await,
            Some(from @ MailState::Sending) => move_to(self, unit, (from, MailState::Unknown), now).await,
            _ => Ok(()),
        }
    }
}

fn write(app: &App, invitation: &Invitation, vendor: &str) -> Result<Written, JobError> {
    let address = invitation.email.parse::<Email>();
    let address = address.map_err(|error| JobError::give_up(format!("the stored address: {error}")))?;
    let link = invitation_link(&app.config().portal.url, &app.keyring, invitation.id)
        .map_err(|error| JobError::retry(format!("the link cannot be sealed: {error}")))?;
    let letter = Letter::invitation(vendor, link.as_str(), moscow_day(invitation.expires_at));
    let (text, html) = (letter.text(), letter.html());
    Ok(Written {
        id: invitation.id.to_string(),
        address,
        subject: letter.subject,
        text,
        html,
        unsubscribe: None,
    })
}

async fn move_to(
    job: &SendInvitation,
    unit: &mut UnitOfWork,
    states: (MailState, MailState),
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    Ok(invitations::set_mail_state(unit, job.invitation_id, states, now).await?)
}

/// The letter was certainly not accepted: the next attempt sends it again.
async fn wait_again(job: &SendInvitation, run: &JobContext) -> Result<(), JobError> {
    let mut unit = run.begin().await?;
    move_to(job, &mut unit, (MailState::Sending, MailState::Waiting), run.now()).await?;
    Ok(unit.commit().await?)
}

/// Ends the letter with its job. Repeated here, because a retried handler would not know the server's answer.
async fn end(job: &SendInvitation, run: &JobContext, from: MailState, to: MailState) -> JobResult {
    let ended = repeat_contended(|| async {
        let mut unit = run.begin().await?;
        move_to(job, &mut unit, (from, to), run.now()).await?;
        run.done(unit).await
    });
    let ended = ended.await?;
    metrics::counter!("flysk_invitations_total", "outcome" => to.as_str()).increment(1);
    Ok(ended)
}
