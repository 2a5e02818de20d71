//! Receipts of a paid invoice (54-FZ), in words. The bank's cash register sends the receipts themselves by e-mail.

use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::subscriptions::{Period, ReceiptKind, moscow_day};
use flysk_domain::russian::roubles;
use flysk_store::platform::invoice_payments::{self as attempts, Attempt, ReceiptState, RefundState};
use flysk_store::platform::vendors::Vendor;
use flysk_store::{Conn, StoreResult};

use super::texts::day;

/// Describes the receipts of the attempts that paid an invoice of this period.
pub(super) async fn describe(
    conn: &mut Conn,
    vendor: &Vendor,
    period: Period,
    all: &[Attempt],
) -> StoreResult<Vec<String>> {
    let mut told = Vec::new();
    for attempt in all.iter().filter(|attempt| attempt.state == AttemptState::Paid) {
        let closing = attempts::find_receipt_of_payment(conn, attempt.id).await?;
        let paid_on = day(moscow_day(attempt.paid_at.unwrap_or(attempt.updated_at)));
        // A payment with a closing receipt was receipted as a prepayment, whatever the vendor's settings are now.
        let is_prepayment = closing.is_some() || vendor.receipts.at_payment() == ReceiptKind::Prepayment;
        let kind = if is_prepayment {
            "Чек предоплаты"
        } else {
            "Чек полного расчёта"
        };
        told.push(format!("{kind} на {}: отправлен на почту {paid_on}.", roubles(attempt.amount)));
        if let Some(closing) = closing {
            // Attempts to send it move the time that is stored with it.
            let due = day(period.until);
            told.extend(match closing.state {
                ReceiptState::Waiting => {
                    Some(format!("Чек полного расчёта придёт на почту в конце периода, {due}."))
                }
                ReceiptState::Sending => Some("Чек полного расчёта отправляется.".to_owned()),
                ReceiptState::Sent => Some("Чек полного расчёта отправлен на почту.".to_owned()),
                ReceiptState::Unclear => Some("Чек полного расчёта проверяет сотрудник.".to_owned()),
                ReceiptState::Cancelled => None,
            });
        }
        for refund in attempts::list_refunds(conn, attempt.id).await? {
            let (sum, on) = (roubles(refund.amount), day(moscow_day(refund.updated_at)));
            told.extend(match refund.state {
                RefundState::Done => Some(format!("Возврат {sum}: {on}, чек возврата отправлен на почту.")),
                RefundState::Pending | RefundState::Sent => {
                    Some(format!("Возврат {sum}: выполняется банком."))
                }
                RefundState::Refused => None,
            });
        }
    }
    Ok(told)
}
