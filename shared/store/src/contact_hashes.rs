//! Keyed hashes of encrypted e-mail addresses and phone numbers, by which the search box of the panel finds their rows.
//!
//! A hash stands in the row of its contact: whoever writes the contact writes the hash in the same statement, and whoever erases or
//! deletes the contact does so with the hash. `NULL` means that it was not computed yet, an empty hash that there is nothing to find.

use sqlx::QueryBuilder;

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
    /// For work on every column, such as hashing all again.
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

/// Of each column: its table, the contacts, their hashes, the index of the hashes, and a further condition on rows whose hash is
/// missing.
const COLUMNS: [(ContactColumn, &str, &str, &str, &str, &str); 5] = [
    (
        ContactColumn::PurchaseEmail,
        "coin_purchases",
        "contact_sealed",
        "contact_hash",
        "coin_purchases_contact",
        "",
    ),
    (
        ContactColumn::InvoiceEmail,
        "subscription_invoices",
        "contact_sealed",
        "contact_hash",
        "subscription_invoices_contact",
        // An open invoice without an address may get one, also from an earlier release, which writes no hash.
        " AND (contact_sealed IS NOT NULL OR state <> 'open')",
    ),
    (
        ContactColumn::TransferEmail,
        "transfer_invoices",
        "email_sealed",
        "email_hash",
        "transfer_invoices_email",
        "",
    ),
    (
        ContactColumn::BindingPhone,
        "activation_bindings",
        "phone_sealed",
        "phone_hash",
        "activation_bindings_phone",
        "",
    ),
    (
        ContactColumn::BindingEmail,
        "activation_bindings",
        "email_sealed",
        "email_hash",
        "activation_bindings_email",
        "",
    ),
];

/// Lists at most `limit` rows of a column after the id `after` (empty for the first ones) that have no hash, by id. Reads no
/// other rows.
pub async fn list_unhashed(
    conn: &mut Conn,
    column: ContactColumn,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<UnhashedContact>> {
    for (listed, table, sealed, hash, index, condition) in COLUMNS {
        if listed == column {
            let mut query = QueryBuilder::new("SELECT id, ");
            query.push(sealed).push(" AS sealed FROM ").push(table);
            query.push(" FORCE INDEX (").push(index).push(") WHERE ");
            query.push(hash).push(" IS NULL AND id > ").push_bind(after).push(condition);
            query.push(" ORDER BY id LIMIT ").push_bind(limit);
            return Ok(query.build_query_as().fetch_all(conn).await?);
        }
    }
    Ok(Vec::new())
}

/// Writes the hash of a row, unless it has got one or its contact has changed since it was read: `false`.
pub async fn put_hash(
    conn: &mut Conn,
    column: ContactColumn,
    read: &UnhashedContact,
    computed: &[u8],
) -> StoreResult<bool> {
    for (listed, table, sealed, hash, _, _) in COLUMNS {
        if listed == column {
            let mut query = QueryBuilder::new("UPDATE ");
            query.push(table).push(" SET ").push(hash).push(" = ").push_bind(computed);
            query.push(" WHERE id = ").push_bind(&read.id).push(" AND ").push(hash).push(" IS NULL AND ");
            query.push(sealed).push(" <=> ").push_bind(&read.sealed);
            return Ok(query.build().execute(conn).await?.rows_affected() == 1);
        }
    }
    Ok(false)
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
    for (listed, table, _, hash, index, _) in COLUMNS {
        if listed == column {
            let mut query = QueryBuilder::new("SELECT id FROM ");
            query.push(table).push(" FORCE INDEX (").push(index).push(") WHERE ").push(hash);
            push_in(&mut query, hashes.iter().cloned());
            query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
            return Ok(query.build_query_scalar().fetch_all(conn).await?);
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_place() {
        assert_eq!(COLUMNS.map(|(column, ..)| column), ContactColumn::ALL);
    }
}
