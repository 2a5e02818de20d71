//! Calls in amoCRM: notes on cards.
//!
//! Source: amoCRM docs, `crm_platform/events-and-notes` (notes and their `params`), `digital_pipeline/salesbot`
//! (numbers of note types). `params` is written by telephony integrations, so the types of its fields vary.

use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Type of a card, by its plural name in the API's paths.
    EntityType {
        /// A lead.
        Lead = "leads", "Сделка";
        /// A contact.
        Contact = "contacts", "Контакт";
        /// A company.
        Company = "companies", "Компания";
        /// A customer.
        Customer = "customers", "Покупатель";
    }
);

impl EntityType {
    /// Singular name, as in events: `lead`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Contact => "contact",
            Self::Company => "company",
            Self::Customer => "customer",
        }
    }

    /// Parses the plural or the singular name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.code() == name || kind.singular() == name)
    }

    /// Maps amoCRM's `element_type`, a number in form hooks; `None` for a type that has no calls.
    pub const fn from_hook(element_type: u32) -> Option<Self> {
        match element_type {
            1 => Some(Self::Contact),
            2 => Some(Self::Lead),
            3 => Some(Self::Company),
            12 => Some(Self::Customer),
            _ => None,
        }
    }
}

labeled_enum!(
    /// Direction of a call, from the account's point of view.
    Direction {
        /// The client called.
        Incoming = "incoming", "Входящий";
        /// The operator called.
        Outgoing = "outgoing", "Исходящий";
    }
);

impl Direction {
    /// The direction for the note type of a hook, as a number or by the API's name.
    pub fn from_note_type(note_type: &str) -> Option<Self> {
        let note_type = note_type.trim();
        match note_type.parse() {
            Ok(number) => Self::from_hook(number),
            Err(_) if note_type.eq_ignore_ascii_case("call_in") => Some(Self::Incoming),
            Err(_) if note_type.eq_ignore_ascii_case("call_out") => Some(Self::Outgoing),
            Err(_) => None,
        }
    }

    /// The direction for the numeric note type of a hook; `None` if the note is not a call.
    pub const fn from_hook(note_type: u32) -> Option<Self> {
        match note_type {
            10 => Some(Self::Incoming),
            11 => Some(Self::Outgoing),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_number_what_the_api_names() {
        assert_eq!(
            [1, 2, 3, 12, 4].map(EntityType::from_hook).map(|it| it.map(EntityType::code)),
            [Some("contacts"), Some("leads"), Some("companies"), Some("customers"), None]
        );
        assert_eq!(
            [10, 11, 4].map(Direction::from_hook),
            [Some(Direction::Incoming), Some(Direction::Outgoing), None]
        );
    }
}
