//! Storing the operations of a statement.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{BankOperationId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{Fingerprint, OperationState, StatementLine};
use flysk_store::platform::transfers::{self, BankOperation, NewOperation};
use flysk_store::{Conn, StoreResult};

/// Widths of columns, in characters.
const MAX_NAME_CHARS: usize = 512;
const MAX_PURPOSE_COLUMN_CHARS: usize = 1_000;
const MAX_DOCUMENT_NUMBER_CHARS: usize = 32;
const MAX_INN_CHARS: usize = 12;
const MAX_ACCOUNT_CHARS: usize = 34;

/// Money that a statement lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOperation {
    /// Account that was paid to.
    pub account: String,
    /// May change for operations between 22:00 and 03:00, Moscow.
    pub bank_id: String,
    /// Day on which the bank booked it, Moscow.
    pub booked_on: NaiveDate,
    /// When the bank booked it.
    pub booked_at: DateTime<Utc>,
    /// Credited to the account.
    pub amount: Kopecks,
    /// As the bank gives it; may be empty.
    pub payer_name: String,
    /// The payer's INN; may be empty.
    pub payer_inn: String,
    /// The payer's account; may be empty.
    pub payer_account: String,
    /// Number of the payment order.
    pub document_number: String,
    /// Purpose of the payment.
    pub purpose: String,
}

impl ReadOperation {
    /// Fingerprint that identifies the operation.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&StatementLine {
            account: &self.account,
            booked_on: self.booked_on,
            amount: self.amount,
            payer_inn: &self.payer_inn,
            payer_account: &self.payer_account,
            document_number: &self.document_number,
            purpose: &self.purpose,
        })
    }
}

/// Stores an operation unless it is known, and the id under which the bank lists it. `occurrence` is its number among equal
/// operations of the day. What the bank words anew under the same id is known: it keeps its first wording.
///
/// # Errors
///
/// The database failed.
pub async fn store_operation(
    conn: &mut Conn,
    clock: &dyn Clock,
    vendor: VendorId,
    read: &ReadOperation,
    occurrence: u32,
) -> StoreResult<BankOperationId> {
    let now = clock.now();
    let operation = BankOperation {
        id: BankOperationId::generate(clock),
        vendor_id: vendor,
        account: ascii(&read.account, MAX_ACCOUNT_CHARS),
        booked_on: read.booked_on,
        booked_at: read.booked_at,
        amount: read.amount,
        payer_name: cut(&read.payer_name, MAX_NAME_CHARS),
        payer_inn: ascii(read.payer_inn.trim(), MAX_INN_CHARS),
        payer_account: ascii(read.payer_account.trim(), MAX_ACCOUNT_CHARS),
        document_number: cut(read.document_number.trim(), MAX_DOCUMENT_NUMBER_CHARS),
        purpose: cut(&read.purpose, MAX_PURPOSE_COLUMN_CHARS),
        state: OperationState::New,
        queue_reason: None,
        version: 1,
        created_at: now,
    };
    let dedup_key = read.fingerprint().to_string();
    let new = NewOperation { operation: &operation, dedup_key: &dedup_key, occurrence };
    let id = match transfers::find_listed_operation(conn, &new, &read.bank_id).await? {
        Some(known) => known,
        None => transfers::insert_operation(conn, &new).await?,
    };
    transfers::note_operation_id(conn, id, &read.bank_id, now).await?;
    Ok(id)
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Text for an ASCII column.
fn ascii(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(most).collect()
}
