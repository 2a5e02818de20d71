//! Hashes of contacts for rows that have none: those of before the hashes, and those that an earlier release writes.

use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_domain::ContactTerm;
use flysk_store::contact_hashes::{self, ContactColumn, NOTHING_TO_FIND, UnhashedContact};
use flysk_store::{Conn, StoreResult};
use secrecy::ExposeSecret as _;

/// What became of some rows of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashedPiece {
    /// Id of the last row that was read; `None` if there was none, so that the column is finished.
    pub last: Option<String>,
    /// Rows that got a hash.
    pub hashed: u64,
    /// Rows whose contact cannot be opened.
    pub unreadable: u64,
}

/// Computes the hashes of at most `limit` rows of a column after the id `after` (empty for the first ones).
///
/// Harmless when repeated: a row that has a hash, or whose contact has changed since it was read, is left alone. A row under a key
/// that is not in the ring stays without a hash, because the ring may be incomplete; one that was changed gets an empty one.
///
/// # Errors
///
/// The database fails.
pub async fn hash_contacts(
    conn: &mut Conn,
    keyring: &Keyring,
    column: ContactColumn,
    after: &str,
    limit: u32,
) -> StoreResult<HashedPiece> {
    let rows = contact_hashes::list_unhashed(conn, column, after, limit).await?;
    let mut piece = HashedPiece { last: rows.last().map(|row| row.id.clone()), ..HashedPiece::default() };
    for row in &rows {
        let hash = match hash_of(keyring, column, row) {
            Ok(hash) => hash,
            Err(error) => {
                tracing::debug!(row.id = %row.id, %error, "a contact cannot be opened");
                piece.unreadable += 1;
                if matches!(error, KeyringError::UnknownKey { .. }) {
                    continue;
                }
                NOTHING_TO_FIND.to_vec()
            }
        };
        piece.hashed += u64::from(contact_hashes::put_hash(conn, column, row, &hash).await?);
    }
    Ok(piece)
}

/// The hash of a row's contact, under the key that sealed it; empty without a contact.
fn hash_of(keyring: &Keyring, column: ContactColumn, row: &UnhashedContact) -> Result<Vec<u8>, KeyringError> {
    let Some(sealed) = row.sealed.as_deref().filter(|sealed| !sealed.is_empty()) else {
        return Ok(NOTHING_TO_FIND.to_vec());
    };
    let Some(associated_data) = associated_data_of(column, &row.id) else {
        return Err(KeyringError::Malformed);
    };
    let contact = keyring.open(sealed, &associated_data)?;
    let contact = contact.expose_secret();
    let term = match column {
        ContactColumn::BindingPhone => ContactTerm::of_phone(contact),
        ContactColumn::PurchaseEmail
        | ContactColumn::InvoiceEmail
        | ContactColumn::TransferEmail
        | ContactColumn::BindingEmail => ContactTerm::of_email(contact),
    };
    Ok(keyring.contact_index(sealed, &term)?.as_bytes().to_vec())
}

/// The associated data of a row's contact; `None` if the id is not one of the column's table.
fn associated_data_of(column: ContactColumn, id: &str) -> Option<String> {
    match column {
        ContactColumn::PurchaseEmail => id.parse().ok().map(aad::purchase_contact),
        ContactColumn::InvoiceEmail => id.parse().ok().map(aad::invoice_contact),
        ContactColumn::TransferEmail => id.parse().ok().map(aad::transfer_email),
        ContactColumn::BindingPhone => id.parse().ok().map(aad::binding_phone),
        ContactColumn::BindingEmail => id.parse().ok().map(aad::binding_email),
    }
}
