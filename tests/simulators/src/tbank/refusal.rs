//! Business failures in the bank's format.

use serde_json::{Value, json};

use super::model::Payment;

/// A response with `Success: false`.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) code: u32,
    details: String,
    payment: Option<Box<Payment>>,
}

/// Result of a method.
pub(super) type ApiResult = Result<Value, ApiError>;

impl ApiError {
    pub(super) fn new(code: u32, details: impl Into<String>) -> Self {
        Self { code, details: details.into(), payment: None }
    }

    /// A field is missing, unknown or has a wrong type.
    pub(super) fn field(name: &str, wanted: &str) -> Self {
        Self::new(9999, format!("Поле {name}: {wanted}"))
    }

    /// The payment's status does not allow the operation.
    pub(super) fn state(payment: &Payment) -> Self {
        Self::new(4, format!("Изменение статуса {} невозможно", payment.status)).about(payment)
    }

    /// Adds the payment's status, ids and amount to the error.
    pub(super) fn about(self, payment: &Payment) -> Self {
        Self { payment: Some(Box::new(payment.clone())), ..self }
    }

    pub(super) fn body(&self, terminal_key: &str) -> Value {
        let mut body = json!({
            "Success": false,
            "ErrorCode": self.code.to_string(),
            "Message": message(self.code),
            "Details": self.details,
            "TerminalKey": terminal_key,
        });
        if let Some(payment) = &self.payment {
            body["Status"] = json!(payment.status);
            body["PaymentId"] = json!(payment.id);
            body["OrderId"] = json!(payment.order_id);
            body["Amount"] = json!(payment.amount);
        }
        body
    }
}

fn message(code: u32) -> &'static str {
    match code {
        4 => "Изменение статуса платежа запрещено",
        10 => "Метод Charge заблокирован для данного терминала",
        12 => "Некорректное значение RedirectDueDate",
        20 => "Ошибка повторного идентификатора заказа",
        104 => "Ошибка выполнения рекуррента",
        204 => "Неверный токен",
        205 => "Неверный терминал",
        251 => "Неверная сумма",
        255 => "Платеж не найден",
        308 | 309 | 329 | 334 => "Неверные параметры чека",
        330 => "Неверная сумма возврата",
        335 => "Заказ не найден",
        623 => "По этому заказу уже есть успешный платеж",
        1051 => "Недостаточно средств",
        3029 | 3030 => "Превышено число попыток возврата",
        9999 => "Неверные параметры",
        _ => "Операция отклонена",
    }
}
