//! The two services a widget can live in.

use std::fmt;
use std::str::FromStr;

/// amoCRM, or Kommo, its twin for the rest of the world: other hosts, other integrations, other accounts.
///
/// Source: amoCRM docs, crm_platform/separate-platforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Crm {
    /// amocrm.ru.
    Amocrm,
    /// kommo.com.
    Kommo,
}

/// The text names no service we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a service; there are amocrm and kommo")]
pub struct UnknownCrm(String);

impl Crm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Amocrm, Self::Kommo];

    /// Its name in rows and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Amocrm => "amocrm",
            Self::Kommo => "kommo",
        }
    }

    /// Its name as people write it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Amocrm => "amoCRM",
            Self::Kommo => "Kommo",
        }
    }

    /// The domains its accounts live under; `amocrm.com` is Kommo's former one.
    ///
    /// Source: amoCRM docs, crm_platform/separate-platforms.
    pub const fn domains(self) -> &'static [&'static str] {
        match self {
            Self::Amocrm => &["amocrm.ru"],
            Self::Kommo => &["kommo.com", "amocrm.com"],
        }
    }

    /// Where its people begin, whatever account is theirs.
    pub const fn site(self) -> &'static str {
        match self {
            Self::Amocrm => "https://www.amocrm.ru",
            Self::Kommo => "https://www.kommo.com",
        }
    }

    /// The page where an administrator grants access.
    ///
    /// amoCRM's is documented (oauth/step-by-step); Kommo's is taken to be its twin.
    pub const fn oauth_page(self) -> &'static str {
        match self {
            Self::Amocrm => "https://www.amocrm.ru/oauth",
            Self::Kommo => "https://www.kommo.com/oauth",
        }
    }
}

impl fmt::Display for Crm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Crm {
    type Err = UnknownCrm;

    fn from_str(text: &str) -> Result<Self, UnknownCrm> {
        Self::ALL.into_iter().find(|crm| crm.as_str() == text).ok_or_else(|| UnknownCrm(text.to_owned()))
    }
}

impl TryFrom<String> for Crm {
    type Error = UnknownCrm;

    fn try_from(text: String) -> Result<Self, UnknownCrm> {
        text.parse()
    }
}
