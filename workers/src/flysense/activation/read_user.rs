//! Performs `activation.read_user`. Harmless when run twice: reading changes nothing, and the same data is stored again.
//!
//! FlySense may be switched off, and the platform gives no access tokens to a widget that is switched off; its gateway serves
//! it nevertheless.

use flysk_clients::amocrm::{DatetimeSettings, User};
use flysk_clients::flysk_api::FlyskApiError;
use flysk_crypto::aad;
use flysk_domain::flysense::activation::link::LinkState;
use flysk_domain::id::BindingId;
use flysk_domain::platform::purchases::Email;
use flysk_jobs::flysense::activation::ReadUser;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::{bindings, links};

use crate::App;
use crate::flysense::payment_error::payment_job_error;

/// Longest name that is stored, characters.
const MAX_NAME_CHARS: usize = 100;

impl JobHandler<App> for ReadUser {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let platform = &app.flysense()?.platform;
        let link = links::find(&mut *run.pool().acquire().await?, self.link_id).await?;
        let Some(link) = link
            .filter(|link| matches!(link.state, LinkState::Waiting | LinkState::Opened | LinkState::Bound))
        else {
            return Ok(JobOutcome::skip("the link is no longer in use"));
        };
        let trace = Some(run.trace());
        let path = format!("api/v4/users/{}", link.user_id);
        let user = match platform.read_amocrm::<User>(self.account_id, &path, trace).await {
            Ok(user) => user,
            Err(error) if is_final(&error) => {
                return Ok(JobOutcome::skip(format!("the user cannot be read: {error}")));
            }
            Err(error) => return Err(payment_job_error(&error)),
        };
        if let Some(binding) = link.binding_id {
            return store_email(run, app, binding, user.email.as_deref()).await;
        }
        // For notices. Without it, Moscow's time applies.
        let path = "api/v4/account?with=datetime_settings";
        let settings = platform.read_amocrm::<DatetimeSettings>(self.account_id, path, trace).await;
        let offset = settings.ok().and_then(|settings| settings.offset_minutes());
        let name = user.name.map(|name| name.chars().take(MAX_NAME_CHARS).collect::<String>());
        let mut unit = run.begin().await?;
        links::set_user(&mut unit, link.id, name.as_deref(), run.now()).await?;
        if let Some(minutes) = offset {
            accounts::set_utc_offset(&mut unit, self.account_id, minutes).await?;
        }
        run.done(unit).await
    }
}

/// The person has confirmed the phone number after the text about notices: stores the address that they go to if the messenger
/// does not reach the person.
async fn store_email(run: &JobContext, app: &App, binding: BindingId, email: Option<&str>) -> JobResult {
    let Some(email) = email.and_then(|email| email.parse::<Email>().ok()) else {
        return Ok(JobOutcome::skip("the user has no e-mail address"));
    };
    let sealed = app.keyring.seal_email(email.as_str(), &aad::binding_email(binding));
    let sealed = sealed.map_err(|error| JobError::retry(format!("the address cannot be sealed: {error}")))?;
    let mut unit = run.begin().await?;
    let email = (sealed.sealed.as_str(), sealed.index.as_bytes().as_slice());
    bindings::set_email(&mut unit, binding, Some(email), run.now()).await?;
    run.done(unit).await
}

/// Refusals of the platform or amoCRM that another attempt cannot change. The link works without the name.
fn is_final(error: &FlyskApiError) -> bool {
    matches!(error, FlyskApiError::Refused(problem, _) if matches!(problem.status, 403 | 404))
}
