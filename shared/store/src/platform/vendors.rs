//! Tables `vendors` and `vendor_taxes`: sellers of widgets.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{VendorId, WidgetId};
use flysk_domain::platform::subscriptions::{ReceiptMode, VatRate};

use super::cache_invalidations::{self, Subject};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Row of `vendors`: a seller with its requisites and its terminal at T-Bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    /// `vnd_…`, ordered by the time of creation.
    pub id: VendorId,
    /// Unique code.
    pub code: String,
    /// Legal name, the seller on receipts and invoices.
    pub legal_name: String,
    /// Taxpayer number.
    pub inn: Option<String>,
    /// E-mail address for customers.
    pub email: Option<String>,
    /// Telephone number for customers.
    pub phone: Option<String>,
    /// Key of the vendor's own terminal; `None` for the terminal of the environment.
    pub terminal_key: Option<String>,
    /// Password of the own terminal, sealed for `vendors.terminal_password:<id>`.
    pub terminal_password_sealed: Option<String>,
    /// `OperationInitiatorType` of recurring charges: `R` or `I`.
    pub charge_initiator: String,
    /// Receipts that the vendor gives.
    pub receipts: ReceiptMode,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Taxation and VAT rate of a vendor from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorTaxes {
    /// First day, Moscow.
    pub valid_from: NaiveDate,
    /// T-Bank's code of the taxation.
    pub taxation: String,
    /// On receipts and invoices from `valid_from` on.
    pub vat: VatRate,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    code: String,
    legal_name: String,
    inn: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    terminal_key: Option<String>,
    terminal_password_sealed: Option<String>,
    charge_initiator: String,
    prepayment_receipts: bool,
    closing_receipts: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Vendor {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: decode_text("vendor id", &row.id)?,
            code: row.code,
            legal_name: row.legal_name,
            inn: row.inn,
            email: row.email,
            phone: row.phone,
            terminal_key: row.terminal_key,
            terminal_password_sealed: row.terminal_password_sealed,
            charge_initiator: row.charge_initiator,
            receipts: ReceiptMode { prepayment: row.prepayment_receipts, closing: row.closing_receipts },
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

const SELECT: &str = "SELECT v.id, v.code, v.legal_name, v.inn, v.email, v.phone, v.terminal_key,
    v.terminal_password_sealed, v.charge_initiator, v.prepayment_receipts, v.closing_receipts, v.created_at, v.updated_at
    FROM vendors v ";

fn into_vendor(row: Option<Row>) -> StoreResult<Option<Vendor>> {
    row.map(TryInto::try_into).transpose()
}

/// Inserts a vendor. [`StoreError::Duplicate`] names the violated key: `vendors_code` or `vendors_terminal`.
pub async fn insert_vendor(conn: &mut Conn, vendor: &Vendor) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO vendors (id, code, legal_name, inn, email, phone, terminal_key, terminal_password_sealed,
             charge_initiator, prepayment_receipts, closing_receipts, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(vendor.id.to_string())
    .bind(&vendor.code)
    .bind(&vendor.legal_name)
    .bind(&vendor.inn)
    .bind(&vendor.email)
    .bind(&vendor.phone)
    .bind(&vendor.terminal_key)
    .bind(&vendor.terminal_password_sealed)
    .bind(&vendor.charge_initiator)
    .bind(vendor.receipts.prepayment)
    .bind(vendor.receipts.closing)
    .bind(vendor.created_at)
    .bind(vendor.created_at)
    .execute(&mut *conn)
    .await?;
    if vendor.terminal_key.is_some() { cache_invalidations::record_all_widgets(conn).await } else { Ok(()) }
}

/// Writes everything of a vendor but its code.
pub async fn update_vendor(conn: &mut Conn, vendor: &Vendor, now: DateTime<Utc>) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE vendors SET legal_name = ?, inn = ?, email = ?, phone = ?, terminal_key = ?,
             terminal_password_sealed = ?, charge_initiator = ?, prepayment_receipts = ?, closing_receipts = ?,
             updated_at = ?
         WHERE id = ?",
    )
    .bind(&vendor.legal_name)
    .bind(&vendor.inn)
    .bind(&vendor.email)
    .bind(&vendor.phone)
    .bind(&vendor.terminal_key)
    .bind(&vendor.terminal_password_sealed)
    .bind(&vendor.charge_initiator)
    .bind(vendor.receipts.prepayment)
    .bind(vendor.receipts.closing)
    .bind(now)
    .bind(vendor.id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "vendor")?;
    cache_invalidations::record_all_widgets(conn).await
}

/// Replaces the sealed password, unless it changed since it was read.
pub async fn reseal_vendor(conn: &mut Conn, read: &Vendor, sealed: &str) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE vendors SET terminal_password_sealed = ? WHERE id = ? AND terminal_password_sealed <=> ?",
    )
    .bind(sealed)
    .bind(read.id.to_string())
    .bind(&read.terminal_password_sealed)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_vendor(conn: &mut Conn, id: VendorId) -> StoreResult<Option<Vendor>> {
    into_vendor(
        sqlx::query_as(sql!(SELECT, "WHERE v.id = ?")).bind(id.to_string()).fetch_optional(conn).await?,
    )
}

/// Locks a vendor until the transaction ends.
pub async fn lock_vendor(conn: &mut Conn, id: VendorId) -> StoreResult<Option<Vendor>> {
    let row = sqlx::query_as(sql!(SELECT, "WHERE v.id = ? FOR UPDATE")).bind(id.to_string());
    into_vendor(row.fetch_optional(conn).await?)
}

/// Reads the row with this unique code, without a lock.
pub async fn find_vendor_by_code(conn: &mut Conn, code: &str) -> StoreResult<Option<Vendor>> {
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    if !code.is_ascii() {
        return Ok(None);
    }
    into_vendor(sqlx::query_as(sql!(SELECT, "WHERE v.code = ?")).bind(code).fetch_optional(conn).await?)
}

/// Finds the vendor with its own terminal of this key.
pub async fn find_vendor_of_terminal(conn: &mut Conn, terminal_key: &str) -> StoreResult<Option<Vendor>> {
    if !terminal_key.is_ascii() {
        return Ok(None);
    }
    let row = sqlx::query_as(sql!(SELECT, "WHERE v.terminal_key = ?")).bind(terminal_key);
    into_vendor(row.fetch_optional(conn).await?)
}

/// Without a lock; `None` if no vendor is assigned to the widget.
pub async fn find_vendor_of_widget(conn: &mut Conn, widget: WidgetId) -> StoreResult<Option<Vendor>> {
    let row = sqlx::query_as(sql!(SELECT, "JOIN widgets w ON w.vendor_id = v.id WHERE w.id = ?"))
        .bind(widget.to_string());
    into_vendor(row.fetch_optional(conn).await?)
}

/// A vendor, with the taxes of a day.
#[derive(sqlx::FromRow)]
struct SellerRow {
    id: String,
    valid_from: Option<NaiveDate>,
    taxation: Option<String>,
    vat: Option<String>,
}

/// Finds the vendor of a widget, with the taxes that are valid on a day; `None` if no vendor is assigned to the widget. Taxes are
/// `None` for those of the environment.
pub async fn find_seller_on(
    conn: &mut Conn,
    widget: WidgetId,
    day: NaiveDate,
) -> StoreResult<Option<(VendorId, Option<VendorTaxes>)>> {
    let found: Option<SellerRow> = sqlx::query_as(
        "SELECT v.id, x.valid_from, x.taxation, x.vat
         FROM widgets w JOIN vendors v ON v.id = w.vendor_id
         LEFT JOIN vendor_taxes x ON x.vendor_id = v.id AND x.valid_from = (
             SELECT MAX(y.valid_from) FROM vendor_taxes y WHERE y.vendor_id = v.id AND y.valid_from <= ?)
         WHERE w.id = ?",
    )
    .bind(day)
    .bind(widget.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(SellerRow { id, valid_from, taxation, vat }) = found else { return Ok(None) };
    let taxes = match (valid_from, taxation, vat) {
        (Some(valid_from), Some(taxation), Some(vat)) => {
            Some(VendorTaxes { valid_from, taxation, vat: decode_text("VAT rate", &vat)? })
        }
        _ => None,
    };
    Ok(Some((decode_text("vendor id", &id)?, taxes)))
}

/// Lists all vendors, by code.
pub async fn list_vendors(conn: &mut Conn) -> StoreResult<Vec<Vendor>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, "ORDER BY v.code")).fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists those of these vendors that exist.
pub async fn list_vendors_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Vendor>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "WHERE v.id"));
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Moves a widget to a vendor.
pub async fn set_vendor_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    vendor: VendorId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query("UPDATE widgets SET vendor_id = ?, updated_at = ? WHERE id = ?")
        .bind(vendor.to_string())
        .bind(now)
        .bind(widget.to_string())
        .execute(&mut *conn)
        .await?;
    expect_one(&updated, "widget")?;
    cache_invalidations::record(conn, Subject::Widget(widget)).await
}

/// Sets taxation and VAT from a day on. An entry of the same day is replaced.
pub async fn put_taxes(
    conn: &mut Conn,
    vendor: VendorId,
    taxes: &VendorTaxes,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO vendor_taxes (vendor_id, valid_from, taxation, vat, created_at) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE taxation = VALUES(taxation), vat = VALUES(vat), created_at = VALUES(created_at)",
    )
    .bind(vendor.to_string())
    .bind(taxes.valid_from)
    .bind(&taxes.taxation)
    .bind(taxes.vat.as_str())
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists a vendor's taxes, latest first.
pub async fn list_taxes(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<VendorTaxes>> {
    let rows: Vec<(NaiveDate, String, String)> = sqlx::query_as(
        "SELECT valid_from, taxation, vat FROM vendor_taxes WHERE vendor_id = ? ORDER BY valid_from DESC",
    )
    .bind(vendor.to_string())
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|(valid_from, taxation, vat)| {
            Ok(VendorTaxes { valid_from, taxation, vat: decode_text("VAT rate", &vat)? })
        })
        .collect()
}

/// The taxes that are valid on a day; `None` for those of the environment.
pub async fn find_taxes(
    conn: &mut Conn,
    vendor: VendorId,
    day: NaiveDate,
) -> StoreResult<Option<VendorTaxes>> {
    let all = list_taxes(conn, vendor).await?;
    Ok(all.into_iter().find(|taxes| taxes.valid_from <= day))
}
