//! What comes back. The bank's types wobble: numbers come as texts and texts as numbers.

use flysk_domain::money::Kopecks;
use flysk_domain::platform::tbank::{ErrorClass, PaymentStatus, class_of};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use url::Url;

use crate::lenient;

/// A payment, as `Init`, `GetState`, `Charge` and `Confirm` tell of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Payment {
    /// The bank's number of it, at most 20 characters.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// Our number of the attempt.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub order_id: Option<String>,
    /// Where it stands.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Its amount, if told.
    #[serde(default, deserialize_with = "kopecks")]
    pub amount: Option<Kopecks>,
    /// The form, from `Init`.
    #[serde(rename = "PaymentURL", default, deserialize_with = "address")]
    pub payment_url: Option<Url>,
    /// Why it was declined; `None` or `0` if it was not.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub error_code: Option<String>,
    /// Charges the same card later; newer `GetState` tells it of parents.
    #[serde(default, deserialize_with = "secret")]
    pub rebill_id: Option<SecretString>,
}

impl Payment {
    /// What the error code means; `None` for success.
    pub fn error_class(&self) -> Option<ErrorClass> {
        self.error_code.as_deref().and_then(class_of)
    }
}

/// What `CheckOrder` knows of an order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PaymentsOfOrder {
    /// All its payments; one if the order's number is used as it should be.
    #[serde(default, deserialize_with = "readable_items")]
    pub payments: Vec<OrderPayment>,
}

/// One payment of an order.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OrderPayment {
    /// The bank's number of it.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// Where it stands.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Its amount, if told.
    #[serde(default, deserialize_with = "kopecks")]
    pub amount: Option<Kopecks>,
    /// Why it was declined; `None` or `0` if it was not.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub error_code: Option<String>,
}

/// A cancellation, reversal or refund, also when it is the state of an earlier call with the same id.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Cancelled {
    /// The bank's number of the payment.
    #[serde(deserialize_with = "number")]
    pub payment_id: String,
    /// Where the payment stands now; `REFUNDING` if the money is still on its way.
    #[serde(deserialize_with = "status")]
    pub status: PaymentStatus,
    /// Before the call.
    #[serde(default, deserialize_with = "kopecks")]
    pub original_amount: Option<Kopecks>,
    /// After the call.
    #[serde(default, deserialize_with = "kopecks")]
    pub new_amount: Option<Kopecks>,
    /// Ours, if it was given.
    #[serde(default, deserialize_with = "lenient::optional_text")]
    pub external_request_id: Option<String>,
}

fn required_text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    lenient::optional_text(from)?.ok_or_else(|| serde::de::Error::custom("no text"))
}

/// The bank's number of a payment: at most 20 characters, which is what there is room for.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    const LONGEST: usize = 20;
    let number = required_text(from)?;
    let fits = number.len() <= LONGEST && number.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(number) } else { Err(serde::de::Error::custom("not a number of a payment")) }
}

fn status<'de, D: Deserializer<'de>>(from: D) -> Result<PaymentStatus, D::Error> {
    required_text(from).map(PaymentStatus::from)
}

fn kopecks<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Kopecks>, D::Error> {
    let amount = lenient::optional_u64(from)?;
    Ok(amount.and_then(|amount| i64::try_from(amount).ok()).map(Kopecks))
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(lenient::optional_text(from)?.map(SecretString::from))
}

/// An address that does not parse is none.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    Ok(lenient::optional_text(from)?.and_then(|text| text.parse().ok()))
}

/// Items of a shape we do not know are left out rather than losing the others.
fn readable_items<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OrderPayment>, D::Error> {
    let items = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    let given = items.len();
    let read: Vec<OrderPayment> =
        items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect();
    // "No payment" would allow a second one, so an order must not seem empty when it is not.
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
