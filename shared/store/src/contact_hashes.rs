//! Keyed hashes of encrypted e-mail addresses and phone numbers, by which the search box of the panel finds their rows.
//!
//! A hash stands in the row of its contact: whoever writes the contact writes the hash in the same statement, and whoever erases or
//! deletes the contact does so with the hash. `NULL` means that it was not computed yet, an empty hash that there is nothing to find.

use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// The hash of a row without a contact.
pub const NOTHING_TO_FIND: &[u8] = b"";

/// A column of contacts with hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactColumn {
    /// Address for the receipt of a purchase of Flycoins.
    PurchaseEmail,
    /// Address for the receipts of a subscription's invoice.
    InvoiceEmail,
    /// Where a transfer invoice is sent.
    TransferEmail,
    /// Phone number of a person who activated FlySense.
    BindingPhone,
    /// Address of a person who activated FlySense.
    BindingEmail,
}

impl ContactColumn {
    /// All columns.
    pub const ALL: [Self; 5] = [
        Self::PurchaseEmail,
        Self::InvoiceEmail,
        Self::TransferEmail,
        Self::BindingPhone,
        Self::BindingEmail,
    ];
}

/// A row whose hash was not computed yet.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct UnhashedContact {
    /// Id of the row.
    pub id: String,
    /// The contact, sealed for the column and this id; `None` or empty if there is none.
    pub sealed: Option<String>,
}

/// The statements of a column.
trait HashedContact {
    /// Reads rows without a hash after an id, by id.
    const LIST: &'static str;
    /// Writes the hash of the row with this id and this contact, unless it has one.
    const PUT: &'static str;
    /// Reads ids; a list of hashes and the order follow.
    const FIND: &'static str;
}

struct PurchaseEmail;

impl HashedContact for PurchaseEmail {
    const LIST: &'static str =
        "SELECT id, contact_sealed AS sealed FROM coin_purchases FORCE INDEX (coin_purchases_contact)
         WHERE contact_hash IS NULL AND id > ? ORDER BY id LIMIT ?";
    const PUT: &'static str = "UPDATE coin_purchases SET contact_hash = ? WHERE id = ? AND contact_hash IS NULL AND contact_sealed <=> ?";
    const FIND: &'static str =
        "SELECT id FROM coin_purchases FORCE INDEX (coin_purchases_contact) WHERE contact_hash";
}

struct InvoiceEmail;

/// An open invoice without an address may get one, also from an earlier release, which writes no hash.
impl HashedContact for InvoiceEmail {
    const LIST: &'static str = "SELECT id, contact_sealed AS sealed
         FROM subscription_invoices FORCE INDEX (subscription_invoices_contact)
         WHERE contact_hash IS NULL AND id > ? AND (contact_sealed IS NOT NULL OR state <> 'open') ORDER BY id LIMIT ?";
    const PUT: &'static str = "UPDATE subscription_invoices SET contact_hash = ?
         WHERE id = ? AND contact_hash IS NULL AND contact_sealed <=> ?";
    const FIND: &'static str =
        "SELECT id FROM subscription_invoices FORCE INDEX (subscription_invoices_contact) WHERE contact_hash";
}

struct TransferEmail;

impl HashedContact for TransferEmail {
    const LIST: &'static str =
        "SELECT id, email_sealed AS sealed FROM transfer_invoices FORCE INDEX (transfer_invoices_email)
         WHERE email_hash IS NULL AND id > ? ORDER BY id LIMIT ?";
    const PUT: &'static str = "UPDATE transfer_invoices SET email_hash = ? WHERE id = ? AND email_hash IS NULL AND email_sealed <=> ?";
    const FIND: &'static str =
        "SELECT id FROM transfer_invoices FORCE INDEX (transfer_invoices_email) WHERE email_hash";
}

struct BindingPhone;

impl HashedContact for BindingPhone {
    const LIST: &'static str = "SELECT id, phone_sealed AS sealed
         FROM activation_bindings FORCE INDEX (activation_bindings_phone)
         WHERE phone_hash IS NULL AND id > ? ORDER BY id LIMIT ?";
    const PUT: &'static str = "UPDATE activation_bindings SET phone_hash = ? WHERE id = ? AND phone_hash IS NULL AND phone_sealed <=> ?";
    const FIND: &'static str =
        "SELECT id FROM activation_bindings FORCE INDEX (activation_bindings_phone) WHERE phone_hash";
}

struct BindingEmail;

impl HashedContact for BindingEmail {
    const LIST: &'static str = "SELECT id, email_sealed AS sealed
         FROM activation_bindings FORCE INDEX (activation_bindings_email)
         WHERE email_hash IS NULL AND id > ? ORDER BY id LIMIT ?";
    const PUT: &'static str = "UPDATE activation_bindings SET email_hash = ? WHERE id = ? AND email_hash IS NULL AND email_sealed <=> ?";
    const FIND: &'static str =
        "SELECT id FROM activation_bindings FORCE INDEX (activation_bindings_email) WHERE email_hash";
}

/// Lists at most `limit` rows of a column after the id `after` (empty for the first ones) that have no hash, by id. Reads no
/// other rows.
pub async fn list_unhashed(
    conn: &mut Conn,
    column: ContactColumn,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<UnhashedContact>> {
    match column {
        ContactColumn::PurchaseEmail => list::<PurchaseEmail>(conn, after, limit).await,
        ContactColumn::InvoiceEmail => list::<InvoiceEmail>(conn, after, limit).await,
        ContactColumn::TransferEmail => list::<TransferEmail>(conn, after, limit).await,
        ContactColumn::BindingPhone => list::<BindingPhone>(conn, after, limit).await,
        ContactColumn::BindingEmail => list::<BindingEmail>(conn, after, limit).await,
    }
}

/// Writes the hash of a row, unless it has got one or its contact has changed since it was read: `false`.
pub async fn put_hash(
    conn: &mut Conn,
    column: ContactColumn,
    read: &UnhashedContact,
    hash: &[u8],
) -> StoreResult<bool> {
    match column {
        ContactColumn::PurchaseEmail => put::<PurchaseEmail>(conn, read, hash).await,
        ContactColumn::InvoiceEmail => put::<InvoiceEmail>(conn, read, hash).await,
        ContactColumn::TransferEmail => put::<TransferEmail>(conn, read, hash).await,
        ContactColumn::BindingPhone => put::<BindingPhone>(conn, read, hash).await,
        ContactColumn::BindingEmail => put::<BindingEmail>(conn, read, hash).await,
    }
}

/// Ids of the newest `limit` rows of a column with one of these hashes.
pub async fn find_ids(
    conn: &mut Conn,
    column: ContactColumn,
    hashes: &[Vec<u8>],
    limit: u32,
) -> StoreResult<Vec<String>> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    match column {
        ContactColumn::PurchaseEmail => find::<PurchaseEmail>(conn, hashes, limit).await,
        ContactColumn::InvoiceEmail => find::<InvoiceEmail>(conn, hashes, limit).await,
        ContactColumn::TransferEmail => find::<TransferEmail>(conn, hashes, limit).await,
        ContactColumn::BindingPhone => find::<BindingPhone>(conn, hashes, limit).await,
        ContactColumn::BindingEmail => find::<BindingEmail>(conn, hashes, limit).await,
    }
}

async fn list<T: HashedContact>(
    conn: &mut Conn,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<UnhashedContact>> {
    Ok(sqlx::query_as(<T as HashedContact>::LIST).bind(after).bind(limit).fetch_all(conn).await?)
}

async fn put<T: HashedContact>(conn: &mut Conn, read: &UnhashedContact, hash: &[u8]) -> StoreResult<bool> {
    let written = sqlx::query(<T as HashedContact>::PUT)
        .bind(hash)
        .bind(&read.id)
        .bind(&read.sealed)
        .execute(conn)
        .await?;
    Ok(written.rows_affected() == 1)
}

async fn find<T: HashedContact>(conn: &mut Conn, hashes: &[Vec<u8>], limit: u32) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new(<T as HashedContact>::FIND);
    push_in(&mut query, hashes.iter().cloned());
    query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}
