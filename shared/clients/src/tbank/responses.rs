//! Responses. T-Bank sends numbers as strings and strings as numbers, so parsing is lenient.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{PaymentUpdate, UpdateSource};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_domain::serde_lenient;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

/// A payment, as `Init`, `GetState`, `Charge` and `Confirm` tell of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Payment {
    /// T-Bank's id of the payment, at most 20 characters.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// Our id of the order.
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pub order_id: Option<String>,
    /// T-Bank's word, which decides about the money.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Amount in kopecks, if present.
    #[serde(default, deserialize_with = "kopecks")]
    pub amount: Option<Kopecks>,
    /// URL of the payment form, from `Init`.
    #[serde(rename = "PaymentURL", default, deserialize_with = "address")]
    pub payment_url: Option<Url>,
    /// Decline code; `None` or `0` if not declined.
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pub error_code: Option<String>,
    /// Id for later charges of the same card; newer versions of `GetState` return it for parent payments.
    #[serde(default, deserialize_with = "secret")]
    pub rebill_id: Option<SecretString>,
}

impl Payment {
    /// State of the payment according to the answer.
    pub fn update(&self) -> PaymentUpdate {
        PaymentUpdate {
            amount: self.amount,
            error_code: self.error_code.clone(),
            rebill_id: self.rebill_id.clone(),
            ..PaymentUpdate::new(UpdateSource::StatusQuery, self.payment_id.clone(), self.status.clone())
        }
    }
}

/// Response of `CheckOrder`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PaymentsOfOrder {
    /// All payments of the order; one if its id is used correctly.
    #[serde(default, deserialize_with = "readable_items")]
    pub payments: Vec<OrderPayment>,
}

/// One payment of an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OrderPayment {
    /// T-Bank's id of the payment.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// T-Bank's word, which decides about the money.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Amount in kopecks, if present.
    #[serde(default, deserialize_with = "kopecks")]
    pub amount: Option<Kopecks>,
    /// Decline code; `None` or `0` if not declined.
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pub error_code: Option<String>,
}

impl OrderPayment {
    /// State of the payment according to the answer.
    pub fn update(&self) -> PaymentUpdate {
        PaymentUpdate {
            amount: self.amount,
            error_code: self.error_code.clone(),
            ..PaymentUpdate::new(UpdateSource::StatusQuery, self.payment_id.clone(), self.status.clone())
        }
    }
}

/// A cancellation, reversal or refund, also when it is the state of an earlier call with the same id.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cancelled {
    /// T-Bank's id of the payment.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// Current status of the payment; `REFUNDING` while the money is being transferred.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Amount before the request, in kopecks.
    #[serde(default, deserialize_with = "kopecks")]
    pub original_amount: Option<Kopecks>,
    /// Amount after the request, in kopecks.
    #[serde(default, deserialize_with = "kopecks")]
    pub new_amount: Option<Kopecks>,
    /// Our id of the request, if it was sent.
    #[serde(default, deserialize_with = "serde_lenient::optional_text")]
    pub external_request_id: Option<String>,
}

fn required_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    serde_lenient::optional_text(from)?.ok_or_else(|| serde::de::Error::custom("no text"))
}

/// Reads T-Bank's id of a payment: at most 20 visible ASCII characters, the size of the database column.
pub(super) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    const MAX_PAYMENT_ID_LEN: usize = 20;
    let number = required_text(from)?;
    let fits = number.len() <= MAX_PAYMENT_ID_LEN && number.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(number) } else { Err(serde::de::Error::custom("not a payment id")) }
}

fn status<'de, D: Deserializer<'de>>(from: D) -> Result<PaymentStatus, D::Error> {
    required_text(from).map(PaymentStatus::from)
}

fn kopecks<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Kopecks>, D::Error> {
    let amount = serde_lenient::optional_u64(from)?;
    Ok(amount.and_then(|amount| i64::try_from(amount).ok()).map(Kopecks))
}

pub(super) fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(serde_lenient::optional_text(from)?.map(SecretString::from))
}

/// Reads a URL; an invalid one becomes `None`.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    Ok(serde_lenient::optional_text(from)?.and_then(|text| text.parse().ok()))
}

/// Reads the items that parse; an unreadable item does not fail the others.
fn readable_items<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OrderPayment>, D::Error> {
    let items = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    let given = items.len();
    let read: Vec<OrderPayment> =
        items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect();
    // An order that looks empty would allow a second payment, so unreadable payments are an error.
    if read.is_empty() && given > 0 {
        return Err(serde::de::Error::custom("no payment can be read"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_are_taken_for_each_other() {
        for body in [
            r#"{"Success":true,"ErrorCode":"0","Status":"NEW","PaymentId":"3093639567","OrderId":"a","Amount":49900,
                "PaymentURL":"https://pay.example/AbCd","Details":"None"}"#,
            r#"{"Success":"true","ErrorCode":0,"Status":"NEW","PaymentId":3093639567,"OrderId":"a","Amount":"49900",
                "PaymentURL":"https://pay.example/AbCd","New":{"x":1}}"#,
        ] {
            let payment: Payment = serde_json::from_str(body).unwrap();
            assert_eq!(payment.payment_id, "3093639567");
            assert_eq!((payment.status.name(), payment.amount), ("NEW", Some(Kopecks(49_900))));
            assert_eq!(payment.payment_url.unwrap().as_str(), "https://pay.example/AbCd");
        }
    }

    #[test]
    fn an_order_lists_its_payments_with_their_codes() {
        let body = r#"{"Success":true,"ErrorCode":"0","OrderId":"a","Payments":[
            {"PaymentId":"1","Amount":100,"Status":"REJECTED","Success":"false","ErrorCode":1051},
            {"PaymentId":2,"Amount":"100","Status":"CONFIRMED","Success":true,"ErrorCode":"0"},
            {"strange":true}]}"#;
        let order: PaymentsOfOrder = serde_json::from_str(body).unwrap();
        assert_eq!(order.payments.len(), 2);
        assert_eq!(order.payments[0].error_code.as_deref(), Some("1051"));
        assert_eq!(order.payments[1].status, PaymentStatus::Confirmed);
    }

    #[test]
    fn a_payment_has_a_number_of_the_banks_kind() {
        let (longest, longer) = ("9".repeat(20), "9".repeat(21));
        for (id, read) in [("3093639567", true), (&*longest, true), (&*longer, false), ("№5", false)] {
            let body = format!(r#"{{"Status":"NEW","PaymentId":"{id}"}}"#);
            assert_eq!(serde_json::from_str::<Payment>(&body).is_ok(), read, "{id}");
        }
    }

    #[test]
    fn an_order_never_seems_empty_because_it_cannot_be_read() {
        let unreadable = r#"{"Payments":[{"Id":7}]}"#;
        assert!(serde_json::from_str::<PaymentsOfOrder>(unreadable).is_err());
        assert!(serde_json::from_str::<PaymentsOfOrder>(r#"{"Payments":null}"#).unwrap().payments.is_empty());
    }
}
