//! Binding a person to an account.

use flysk_crypto::{Keyring, aad};
use flysk_domain::Clock;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::activation::binding::BindingState;
use flysk_domain::flysense::activation::message::Person;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::activation::phone::Phone;
use flysk_domain::id::BindingId;
use flysk_jobs::flysense::activation::{Enable, ReadUser};
use flysk_queue::UnitOfWork;
use flysk_store::flysense::accounts;
use flysk_store::flysense::activation::bindings::{self, BindingRow};
use flysk_store::flysense::activation::links::{self, LinkRow};

use super::ActivationError;

/// Longest name of a person that is stored, characters.
const MAX_NAME_CHARS: usize = 100;

/// Binds a person who opened `link` and proved the phone number, and enqueues switching FlySense on. The caller has locked
/// the link. The link is used up by that, so a second run finds nothing to do.
pub(super) async fn bind(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    keyring: &Keyring,
    link: &LinkRow,
    messenger: Messenger,
    person: &Person,
    phone: &Phone,
) -> Result<(), ActivationError> {
    let now = clock.now();
    let known = bindings::find_of_person(unit, link.account_id, messenger, person.user_id).await?;
    let id = known.map_or_else(|| BindingId::generate(clock), |known| known.id);
    // The person has chosen the notices of this dialogue, whatever account they are about.
    let others = bindings::list_of_chat(unit, messenger, person.chat_id).await?;
    let muted = others.into_iter().next_back().map(|other| other.muted).unwrap_or_default();
    let sealed = keyring.seal_phone(phone.as_str(), &aad::binding_phone(id))?;
    let binding = BindingRow {
        id,
        account_id: link.account_id,
        install_id: link.install_id,
        user_id: link.user_id,
        messenger,
        messenger_user_id: person.user_id,
        chat_id: person.chat_id,
        person: person.name.chars().take(MAX_NAME_CHARS).collect(),
        phone_sealed: sealed.sealed,
        phone_masked: phone.masked(),
        state: BindingState::Active,
        muted,
        consented_at: now,
    };
    bindings::put(unit, &binding, sealed.index.as_bytes(), now).await?;
    links::mark_bound(unit, link.id, id, now).await?;
    // Another administrator who joins later does not change the account's preferences.
    let account = accounts::find(unit, link.account_id).await?;
    if account.is_some_and(|account| account.status != AccountStatus::Active) {
        accounts::switch_auto_on(unit, link.account_id, now).await?;
    }
    // Now that the person has agreed to notices: the address that they go to if the messenger does not reach the person.
    unit.enqueue(&ReadUser { link_id: link.id, account_id: link.account_id }).await?;
    unit.enqueue(&Enable { link_id: link.id, account_id: link.account_id }).await?;
    tracing::info!(
        account.id = %link.account_id, link.id = %link.id, binding.id = %id, messenger = %messenger,
        "a phone number was confirmed"
    );
    Ok(())
}
