//! Consents, and the card that is charged for renewals.

use flysk_domain::Clock;
use flysk_domain::id::{CardId, ConsentId, InvoiceId, SubscriptionId, UserId};
use flysk_domain::platform::subscriptions::{InvoiceKind, Subscription};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::platform::subscriptions::{self, Consent, Invoice, SubscriptionRow};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::save::save;
use crate::live_payments;

/// Channel of the unlinking of a card that another one has replaced.
const REPLACED: &str = "replaced";
/// Who unlinks such a card: the bank's word about the payment with the other one.
const REPLACED_BY: &str = "bank";

/// Records the consent to charge the card that will pay an invoice, in the transaction that opens the payment.
///
/// `offer` is version and text of what was agreed to.
pub async fn record_consent(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: &Invoice,
    user: UserId,
    offer: (&str, &str),
    ip_address: &str,
) -> StoreResult<ConsentId> {
    let consent = Consent {
        id: ConsentId::generate(clock),
        subscription_id: invoice.subscription_id,
        invoice_id: invoice.id,
        card_id: None,
        user_id: Some(user),
        offer_version: offer.0.to_owned(),
        offer_text: offer.1.to_owned(),
        ip_address: ip_address.chars().take(45).collect(),
        agreed_at: clock.now(),
        revoked_at: None,
    };
    subscriptions::insert_consent(unit, &consent).await?;
    Ok(consent.id)
}

/// Makes a saved card the one for renewals of a subscription that the caller has locked, if its owner agreed to that when
/// paying `invoice`. An open renewal is charged with it at once.
///
/// The former card is unlinked in the same transaction: its owner has replaced it, and only what is needed is kept (law 376-FZ). A
/// charge of it that was sent before counts. If the bank names the card of an older payment after that of a younger one, it is the
/// older card that is unlinked.
///
/// Returns the open renewal. Harmless when repeated.
pub async fn bind_card(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    invoice: InvoiceId,
    card: CardId,
) -> StoreResult<Option<InvoiceId>> {
    if row.card_id == Some(card) || !subscriptions::bind_consent(unit, invoice, card).await? {
        return Ok(None);
    }
    if let Some(former) = row.card_id {
        let is_outdated = was_agreed_later(unit, row.id, former, card).await?;
        let replaced = if is_outdated { card } else { former };
        subscriptions::revoke_consents(unit, replaced, REPLACED_BY, clock.now()).await?;
        live_payments::unlink_card(unit, clock, replaced, REPLACED_BY, REPLACED).await?;
        if is_outdated {
            return Ok(None);
        }
    }
    subscriptions::set_card(unit, row.id, Some(card), clock.now()).await?;
    let saved = Entry::new(Actor::Bank, SubscriptionAction::CardSaved).about(invoice);
    note(unit, clock, row, saved.with(json!({ "replaced_card_id": row.card_id }))).await?;
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    let open = open.filter(|open| open.kind == InvoiceKind::Renewal && open.id != invoice);
    if let Some(open) = &open {
        subscriptions::set_charge_at(unit, open.id, Some(clock.now()), clock.now()).await?;
    }
    Ok(open.map(|open| open.id))
}

/// Whether the living consent to a card is younger than that to another one.
async fn was_agreed_later(
    unit: &mut UnitOfWork,
    subscription: SubscriptionId,
    card: CardId,
    than: CardId,
) -> StoreResult<bool> {
    let mut consents = subscriptions::list_consents(unit, subscription).await?;
    consents.retain(|consent| consent.revoked_at.is_none());
    let agreed_at = |card: CardId| {
        let to_card = consents.iter().filter(|consent| consent.card_id == Some(card));
        to_card.map(|consent| consent.agreed_at).max()
    };
    Ok(agreed_at(card) > agreed_at(than))
}

/// Unlinks the card of a subscription that the caller has locked: the consent is revoked and every planned charge stops in
/// this transaction (law 376-FZ). Unlinking is not cancelling. Returns the card, or `None` if there is none.
pub async fn unlink_card(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &flysk_domain::platform::subscriptions::SubscriptionSettings,
    row: &SubscriptionRow,
    actor: Actor<'_>,
) -> StoreResult<Option<CardId>> {
    let Some(card) = row.card_id else { return Ok(None) };
    let now = clock.now();
    subscriptions::revoke_consents(unit, card, &actor.to_string(), now).await?;
    live_payments::unlink_card(unit, clock, card, &actor.to_string(), channel(actor)).await?;
    subscriptions::set_card(unit, row.id, None, now).await?;
    if let Some(open) = subscriptions::find_open_invoice(unit, row.id).await? {
        subscriptions::set_charge_at(unit, open.id, None, now).await?;
    }
    let row = subscriptions::lock_subscription(unit, row.id).await?;
    // Nothing is charged any more, so the customer has to pay an open renewal.
    let new = Subscription { last_charge_on: None, ..row.subscription.charge_failed() };
    save(unit, clock, settings, &row, &new, Entry::new(actor, SubscriptionAction::CardUnlinked)).await?;
    Ok(Some(card))
}

/// Unlinks any saved card of a subscription's install, whether or not renewals are charged with it. The caller has locked the
/// subscription. `false` if it was unlinked before.
pub async fn unlink_saved_card(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &flysk_domain::platform::subscriptions::SubscriptionSettings,
    row: &SubscriptionRow,
    card: CardId,
    actor: Actor<'_>,
) -> StoreResult<bool> {
    if row.card_id == Some(card) {
        return Ok(unlink_card(unit, clock, settings, row, actor).await?.is_some());
    }
    subscriptions::revoke_consents(unit, card, &actor.to_string(), clock.now()).await?;
    live_payments::unlink_card(unit, clock, card, &actor.to_string(), channel(actor)).await
}

/// The kind of the actor is the channel: the widget's pages, an operator's command, a letter, or the bank.
const fn channel(actor: Actor<'_>) -> &'static str {
    match actor {
        Actor::User(_) => "widget",
        Actor::Operator(_) => "operator",
        Actor::Letter => "letter",
        Actor::Bank => "bank",
        Actor::System => "system",
    }
}
