//! `RebillId`s of saved cards.

use flysk_queue::JobError;
use flysk_store::platform::invoice_payments as store;
use secrecy::SecretString;

use crate::App;
use crate::platform::keyring::keyring_unavailable;

/// Opens the `RebillId` of a card.
pub(super) fn open_rebill(app: &App, card: &store::Card) -> Result<SecretString, JobError> {
    let aad = flysk_crypto::aad::card_rebill(card.id);
    app.keyring.open(&card.rebill_sealed, &aad).map_err(|error| keyring_unavailable(&error))
}
