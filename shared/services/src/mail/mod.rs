//! Notices by e-mail: when they are queued, which ones an account wants, and the links in them.

mod contact;
mod links;
mod queue;

pub use contact::open_contact;
pub use links::{
    MailSwitch, PersonSwitch, Switch, card_unlink_link, invoice_pay_link, is_card_unlink_link, is_pay_link,
    open_switch_link, switch_link,
};
pub(crate) use queue::{SubscriptionMail, queue_subscription_mail};

use flysk_domain::Clock;
use flysk_domain::id::InstallId;
use flysk_domain::platform::mail::MailKind;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::mail;

/// Switches notices of a kind on or off for an install's account. Harmless when repeated.
pub async fn set_mail_wanted(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    install: InstallId,
    kind: MailKind,
    wanted: bool,
) -> StoreResult<()> {
    let mut muted = mail::lock_preferences(unit, install).await?.muted;
    if muted.contains(&kind) != wanted {
        return Ok(());
    }
    muted.retain(|known| *known != kind);
    if !wanted {
        muted.push(kind);
    }
    mail::set_muted(unit, install, &muted, clock.now()).await
}
