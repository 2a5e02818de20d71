//! Sealed texts of saved cards, for re-encryption under another key.

use flysk_domain::id::CardId;

use crate::{Conn, StoreResult};

/// The sealed text of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedCard {
    /// `crd_…`, ordered by the time of creation.
    pub id: CardId,
    /// `RebillId`, sealed for `payment_cards.rebill:<id>`.
    pub rebill: String,
}

/// Lists cards after `after`, by id, without erased ones.
pub async fn list_sealed_cards(
    conn: &mut Conn,
    after: Option<CardId>,
    limit: u32,
) -> StoreResult<Vec<SealedCard>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, rebill_sealed FROM payment_cards WHERE id > ? AND rebill_sealed <> '' ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(id, rebill)| Ok(SealedCard { id: super::decode_text("card id", &id)?, rebill }))
        .collect()
}

/// Replaces the sealed text of a card, unless it changed since it was read.
pub async fn reseal_card(conn: &mut Conn, read: &SealedCard, rebill: &str) -> StoreResult<bool> {
    let updated =
        sqlx::query("UPDATE payment_cards SET rebill_sealed = ? WHERE id = ? AND rebill_sealed = ?")
            .bind(rebill)
            .bind(read.id.to_string())
            .bind(&read.rebill)
            .execute(conn)
            .await?;
    Ok(updated.rows_affected() == 1)
}
