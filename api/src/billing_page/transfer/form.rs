//! The form for the requisites of a firm.

use askama::Template;
use flysk_domain::platform::purchases::Email;
use flysk_domain::platform::transfers::{InvalidRequisites, Payer};
use serde::Deserialize;

use super::super::view::STYLE;
use crate::platform::transfers::Firm;

/// Characters of a field that are shown again.
const MAX_SHOWN_CHARS: usize = 512;

/// Requisites as they were typed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::billing_page) struct RequisitesForm {
    /// CSRF token.
    pub(in crate::billing_page) token: String,
    /// Idempotency key of a purchase; empty for a subscription.
    pub(in crate::billing_page) key: String,
    /// Id of a package, or `sum`; empty for a subscription.
    pub(in crate::billing_page) package: String,
    /// Whole roubles, if `package` is `sum`.
    pub(in crate::billing_page) sum: String,
    /// Taxpayer number.
    pub(in crate::billing_page) inn: String,
    /// KPP; empty for an entrepreneur.
    pub(in crate::billing_page) kpp: String,
    pub(in crate::billing_page) name: String,
    /// E-mail address.
    pub(in crate::billing_page) email: String,
}

/// A field of the form, as templates name it.
const INN: &str = "inn";
const KPP: &str = "kpp";
const NAME: &str = "name";
const EMAIL: &str = "email";

/// Correction that a form asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::billing_page) struct FormFault {
    /// The field; empty if it is not about one.
    pub(in crate::billing_page) field: &'static str,
    /// Text of the correction, in Russian.
    pub(in crate::billing_page) text: String,
}

impl FormFault {
    /// A fault that is not about one field.
    pub(in crate::billing_page) fn of_form(text: impl Into<String>) -> Self {
        Self { field: "", text: text.into() }
    }

    fn of(field: &'static str, text: &str) -> Self {
        Self { field, text: text.to_owned() }
    }
}

impl RequisitesForm {
    /// The firm, or what to correct.
    pub(in crate::billing_page) fn firm(&self) -> Result<Firm, FormFault> {
        let payer = Payer::new(&self.name, &digits(&self.inn), Some(&digits(&self.kpp)));
        let payer = payer.map_err(|error| self.fault_of(error))?;
        let email: Email = self.email.parse().map_err(|_| {
            FormFault::of(EMAIL, "Проверьте адрес: на него придёт счёт. Например, buh@company.ru")
        })?;
        Ok(Firm { payer, email })
    }

    fn fault_of(&self, error: InvalidRequisites) -> FormFault {
        match error {
            InvalidRequisites::Inn => FormFault::of(INN, inn_fault(&digits(&self.inn))),
            InvalidRequisites::Kpp => FormFault::of(
                KPP,
                "Введите КПП: у организации (ИНН из 10 цифр) он есть всегда, в нём 9 цифр.",
            ),
            InvalidRequisites::KppOfPerson => {
                FormFault::of(KPP, "У предпринимателя (ИНН из 12 цифр) нет КПП: оставьте поле пустым.")
            }
            InvalidRequisites::Name => FormFault::of(
                NAME,
                "Введите название, как в банке: например, ООО «Ромашка» или ИП Иванов И. И.",
            ),
        }
    }
}

/// The text without the blanks that are typed or pasted into numbers.
fn digits(text: &str) -> String {
    text.chars().filter(|character| !character.is_whitespace()).collect()
}

/// Text about a wrong INN.
fn inn_fault(inn: &str) -> &'static str {
    let is_number = inn.bytes().all(|byte| byte.is_ascii_digit());
    match inn.len() {
        0 => "Введите ИНН организации или предпринимателя.",
        10 | 12 if is_number => {
            "В ИНН опечатка: контрольная цифра не сходится. Сверьте его с карточкой организации."
        }
        _ if is_number => "В ИНН организации 10 цифр, предпринимателя — 12. Проверьте, не потеряна ли цифра.",
        _ => "В ИНН только цифры: 10 у организации, 12 у предпринимателя.",
    }
}

/// Context of the page with the form.
#[derive(Template)]
#[template(path = "billing/transfer_form.html")]
pub(in crate::billing_page) struct TransferFormPage {
    /// Target of the form.
    pub(in crate::billing_page) action: String,
    /// Page to return to without an invoice.
    pub(in crate::billing_page) back: String,
    /// Title of the payment.
    pub(in crate::billing_page) title: String,
    /// Price.
    pub(in crate::billing_page) total: String,
    /// CSRF token.
    pub(in crate::billing_page) token: String,
    /// Typed values.
    pub(in crate::billing_page) typed: RequisitesForm,
    /// Correction that the form asks for.
    pub(in crate::billing_page) fault: Option<FormFault>,
    /// Last day to pay.
    pub(in crate::billing_page) due: String,
}

impl TransferFormPage {
    /// The form with what was typed, cut to what fields take.
    pub(in crate::billing_page) fn typed(typed: &RequisitesForm) -> RequisitesForm {
        let shown = |text: &str| text.chars().take(MAX_SHOWN_CHARS).collect();
        RequisitesForm {
            token: String::new(),
            key: shown(&typed.key),
            package: shown(&typed.package),
            sum: shown(&typed.sum),
            inn: shown(&typed.inn),
            kpp: shown(&typed.kpp),
            name: shown(&typed.name),
            email: shown(&typed.email),
        }
    }

    /// Whether the fault is about a field.
    fn is_about(&self, field: &str) -> bool {
        self.fault.as_ref().is_some_and(|fault| fault.field == field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(inn: &str, kpp: &str) -> RequisitesForm {
        RequisitesForm {
            inn: inn.to_owned(),
            kpp: kpp.to_owned(),
            name: "ООО «Ромашка»".to_owned(),
            email: "buh@example.com".to_owned(),
            ..RequisitesForm::default()
        }
    }

    #[test]
    fn each_mistake_in_requisites_is_told_at_its_field() {
        for (inn, kpp, field, part) in [
            ("", "770701001", INN, "Введите ИНН"),
            ("7707083894", "770701001", INN, "опечатка"),
            ("770708389", "770701001", INN, "10 цифр"),
            ("77о7083893", "770701001", INN, "только цифры"),
            ("7707083893", "", KPP, "9 цифр"),
            ("7707083893", "77070100", KPP, "9 цифр"),
            ("500100732259", "770701001", KPP, "нет КПП"),
        ] {
            let fault = form(inn, kpp).firm().unwrap_err();
            assert!(fault.field == field && fault.text.contains(part), "{inn} {kpp}: {fault:?}");
        }
        let nameless = RequisitesForm { name: " ".to_owned(), ..form("7707083893", "770701001") };
        assert_eq!(nameless.firm().unwrap_err().field, NAME);
        let silent = RequisitesForm { email: "buh".to_owned(), ..form("7707083893", "770701001") };
        assert_eq!(silent.firm().unwrap_err().field, EMAIL);
    }

    #[test]
    fn numbers_may_be_pasted_with_blanks() {
        let firm = form(" 7707 083 893 ", "7707 01 001").firm().unwrap();
        assert_eq!((firm.payer.inn.as_str(), firm.payer.kpp.as_deref()), ("7707083893", Some("770701001")));
        assert!(form("500100732259", " ").firm().unwrap().payer.kpp.is_none());
    }
}
