use secrecy::ExposeSecret;

use super::*;
use crate::tbank::sign;

const PAID: &str = r#"{"TerminalKey":"TinkoffBankTest","OrderId":"sub-2","Success":true,"Status":"CONFIRMED",
    "PaymentId":111,"ErrorCode":"0","Amount":49900,"CardId":333,"Pan":"220138******0013","ExpDate":"1230",
    "RebillId":222,"Token":"4e5a9f2b81c6436088a759cedea4e99be9dd6a41acb7f5a629b354a9224608fe"}"#;

fn verify(body: &str) -> Result<Notification, NotificationError> {
    let terminal = Terminal { key: "TinkoffBankTest".to_owned(), password: "TinkoffBankTest".into() };
    NotificationVerifier::new(terminal).verify(body.as_bytes())
}

fn signed(body: &str) -> String {
    let token = sign(body.as_bytes(), &"TinkoffBankTest".into()).unwrap();
    format!("{},\"Token\":\"{token}\"}}", body.strip_suffix('}').unwrap())
}

fn payment(body: &str) -> PaymentNotification {
    match verify(body).unwrap() {
        Notification::Payment(payment) => payment,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_genuine_payment_notification_is_read() {
    let paid = payment(PAID);
    assert_eq!((paid.update.payment_id.as_str(), paid.order_id.as_str()), ("111", "sub-2"));
    assert_eq!(
        (paid.update.status.clone(), paid.update.amount, paid.update.success),
        (PaymentStatus::Confirmed, Some(Kopecks(49_900)), true)
    );
    assert_eq!(paid.update.rebill_id.as_ref().unwrap().expose_secret(), "222");
    assert!(!format!("{paid:?}").contains("222"), "a RebillId charges a card");
}

#[test]
fn any_changed_scalar_breaks_the_signature_and_nested_fields_do_not() {
    for (from, to) in [("49900", "1"), ("CONFIRMED", "REJECTED"), ("sub-2", "sub-3"), ("111", "112")] {
        assert_eq!(verify(&PAID.replace(from, to)).unwrap_err(), NotificationError::WrongToken, "{from}");
    }
    let extra = PAID.replacen('{', r#"{"Data":{"Source":"cards"},"#, 1);
    assert_eq!(payment(&extra).order_id, "sub-2");
    let unsigned = PAID.replacen('{', r#"{"New":1,"#, 1);
    assert_eq!(verify(&unsigned).unwrap_err(), NotificationError::WrongToken);
}

#[test]
fn fields_we_do_not_know_are_signed_too() {
    let body = signed(
        r#"{"TerminalKey":"TinkoffBankTest","OrderId":"o","Success":"true","Status":"SOME_DAY","PaymentId":"1",
            "ErrorCode":0,"Amount":"100","Message":"новое","Details":null,"Fee":1.50}"#,
    );
    let notification = payment(&body);
    assert_eq!(notification.update.status, PaymentStatus::Other("SOME_DAY".to_owned()));
    assert_eq!(
        (notification.update.amount, notification.update.success, notification.update.error_code.as_deref()),
        (Some(Kopecks(100)), true, Some("0"))
    );
}

#[test]
fn a_doubled_field_is_refused_before_anything_is_believed() {
    let body = PAID.replacen('{', r#"{"Amount":1,"#, 1);
    assert_eq!(verify(&body).unwrap_err(), NotificationError::Malformed);
}

#[test]
fn another_terminal_and_a_missing_token_are_refused() {
    let foreign =
        signed(r#"{"TerminalKey":"Other","OrderId":"o","Status":"CONFIRMED","PaymentId":1,"Amount":1}"#);
    assert_eq!(verify(&foreign).unwrap_err(), NotificationError::ForeignTerminal);
    assert_eq!(verify(r#"{"TerminalKey":"TinkoffBankTest"}"#).unwrap_err(), NotificationError::WrongToken);
    assert_eq!(verify(r#"{"Token":{"a":1}}"#).unwrap_err(), NotificationError::WrongToken);
    assert_eq!(verify("OK").unwrap_err(), NotificationError::Malformed);
}

#[test]
fn what_a_notification_must_say_is_asked_for_by_name() {
    let body = signed(
        r#"{"TerminalKey":"TinkoffBankTest","OrderId":"o","Status":"CONFIRMED","PaymentId":1,"Amount":-5}"#,
    );
    assert_eq!(verify(&body).unwrap_err(), NotificationError::Incomplete("Amount"));
    let body = signed(
        r#"{"TerminalKey":"TinkoffBankTest","OrderId":"o","Status":"CONFIRMED","PaymentId":"","Amount":5}"#,
    );
    assert_eq!(verify(&body).unwrap_err(), NotificationError::Incomplete("PaymentId"));
}

#[test]
fn other_kinds_of_notification_are_told_apart() {
    let card = signed(
        r#"{"TerminalKey":"TinkoffBankTest","CustomerKey":"c","RequestKey":"r","Success":true,"Status":"COMPLETED",
            "PaymentId":1,"ErrorCode":"0","CardId":5,"RebillId":7}"#,
    );
    assert!(
        matches!(verify(&card), Ok(Notification::CardBound(card)) if card.request_id == "r" && card.rebill_id.is_some())
    );
    let account = signed(
        r#"{"TerminalKey":"TinkoffBankTest","NotificationType":"LINKACCOUNT","RequestKey":"r","Status":"ACTIVE",
            "AccountToken":"t"}"#,
    );
    assert!(
        matches!(verify(&account), Ok(Notification::AccountBound(account)) if account.status.name() == "ACTIVE")
    );
    let receipt = signed(
        r#"{"TerminalKey":"TinkoffBankTest","OrderId":"o","Success":true,"Status":"RECEIPT","PaymentId":1,"Amount":5,
            "FiscalNumber":12,"Receipt":{"Items":[]}}"#,
    );
    assert!(matches!(verify(&receipt), Ok(Notification::Fiscalized(receipt)) if receipt.success));
}

/// `Pan` of an SBP payment is the payer's phone number, not a card, so it is left out.
#[test]
fn only_a_masked_card_is_taken_for_one() {
    let long = format!("{}*1", "2".repeat(40));
    for (pan, taken) in [
        ("220138******0013", true),
        ("2201*3", true),
        ("79161234567", false),
        ("+7916*****67", false),
        ("T-Pay", false),
        ("******0013", false),
        ("220138******", false),
        ("220138**-***0013", false),
        (long.as_str(), false),
    ] {
        let body = format!(
            r#"{{"TerminalKey":"TinkoffBankTest","OrderId":"o","Success":true,"Status":"CONFIRMED","PaymentId":1,
                "ErrorCode":"0","Amount":100,"Pan":"{pan}"}}"#
        );
        let notification = payment(&signed(&body));
        assert_eq!(notification.update.pan.as_deref(), taken.then_some(pan));
        assert_eq!(format!("{notification:?}").contains(pan), taken);
    }
}
