//! Handlers of money's jobs.

mod apply_tbank_notice;
mod compare;
mod hear;
mod lost_form;
mod open_payment;
mod reconcile_day;
mod reconcile_due;
mod reconcile_payment;
mod refund_payment;

use std::time::Duration;

use flysk_domain::platform::purchases::Email;
use flysk_jobs::JobError;
use flysk_runtime::KeyringError;
use flysk_store::purchases::Purchase;
use flysk_vault::places;
use secrecy::ExposeSecret as _;

use crate::App;

/// Time for people to put a wrong key ring or configuration right.
const REPAIR: Duration = Duration::from_mins(5);

/// Where a purchase's receipt goes.
fn contact_of(app: &App, purchase: &Purchase) -> Result<Email, JobError> {
    let place = places::purchase_contact(purchase.id);
    let text = app.keyring.open(&purchase.contact_sealed, &place).map_err(locked)?;
    text.expose_secret().parse().map_err(|error| JobError::give_up(format!("the kept contact: {error}")))
}

/// Nothing can be opened or sealed with the ring this process has.
#[expect(clippy::needless_pass_by_value, reason = "a `map_err` argument")]
fn locked(error: KeyringError) -> JobError {
    JobError::Wait { after: REPAIR, reason: format!("the key ring: {error}") }
}
