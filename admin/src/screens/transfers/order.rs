//! Fields for the payment order by which a person has sent money back.

use chrono::NaiveDate;
use flysk_domain::platform::transfers::PaymentOrder;

use crate::http::{Fault, Pairs};
use crate::view::Field;

const NUMBER: &str = "order";
const NUMBER_LABEL: &str = "Номер платёжного поручения";
const DAY: &str = "order_day";
const DAY_LABEL: &str = "Дата поручения";

/// The fields.
pub(super) fn order_fields() -> [Field; 2] {
    [Field::text(NUMBER, NUMBER_LABEL).required(), Field::date(DAY, DAY_LABEL).required()]
}

/// The order that a form names.
pub(super) fn order_of(form: &Pairs) -> Result<PaymentOrder, Fault> {
    let number = form.required(NUMBER, NUMBER_LABEL)?;
    let day: Option<NaiveDate> = form.day(DAY, DAY_LABEL)?;
    let day = day.ok_or_else(|| Fault::refused(format!("Заполните поле «{DAY_LABEL}».")))?;
    PaymentOrder::new(number, day)
        .map_err(|_| Fault::refused("Номер платёжного поручения: до 20 цифр и латинских букв."))
}
