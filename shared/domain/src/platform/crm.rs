//! The two CRM services that a widget can be registered in.

use crate::UnknownText;

/// amoCRM, or Kommo, its international counterpart with separate hosts, integrations and accounts.
///
/// Source: amoCRM docs, crm_platform/separate-platforms.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Crm {
    /// amoCRM, at amocrm.ru.
    Amocrm,
    /// Kommo, at kommo.com.
    Kommo,
}

impl Crm {
    /// Display name.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Amocrm => "amoCRM",
            Self::Kommo => "Kommo",
        }
    }

    /// Domains of account hosts; `amocrm.com` is Kommo's former domain.
    ///
    /// Source: amoCRM docs, crm_platform/separate-platforms.
    pub const fn domains(self) -> &'static [&'static str] {
        match self {
            Self::Amocrm => &["amocrm.ru"],
            Self::Kommo => &["kommo.com", "amocrm.com"],
        }
    }

    /// URL of the service's site, independent of any account.
    pub const fn site(self) -> &'static str {
        match self {
            Self::Amocrm => "https://www.amocrm.ru",
            Self::Kommo => "https://www.kommo.com",
        }
    }

    /// URL of the page where an administrator grants access.
    ///
    /// amoCRM's is documented (oauth/step-by-step); Kommo's is assumed to be analogous.
    pub const fn oauth_page(self) -> &'static str {
        match self {
            Self::Amocrm => "https://www.amocrm.ru/oauth",
            Self::Kommo => "https://www.kommo.com/oauth",
        }
    }
}
