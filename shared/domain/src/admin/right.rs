//! Rights that a role does not include: an owner grants each of them to an operator.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::UnknownText;
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A right that is granted apart from the role, because it gives access to much at once.
    OperatorRight {
        /// Exports lists and downloads the files.
        Export = "export", "Выгрузка списков";
        /// Acts on all rows of a list at once.
        Bulk = "bulk", "Массовые действия";
        /// Listens to recordings of calls.
        Listen = "listen", "Прослушивание звонков";
        /// Erases the personal data of accounts.
        Erase = "erase", "Стирание данных аккаунтов";
    }
);

/// The rights of an operator. As text: codes separated by commas, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperatorRights(BTreeSet<OperatorRight>);

impl OperatorRights {
    /// Whether the right is granted.
    pub fn has(&self, right: OperatorRight) -> bool {
        self.0.contains(&right)
    }

    /// Each granted right once, in the order of [`OperatorRight`].
    pub fn granted(&self) -> impl Iterator<Item = OperatorRight> + '_ {
        self.0.iter().copied()
    }
}

impl From<OperatorRight> for OperatorRights {
    fn from(right: OperatorRight) -> Self {
        Self::from_iter([right])
    }
}

impl FromIterator<OperatorRight> for OperatorRights {
    fn from_iter<I: IntoIterator<Item = OperatorRight>>(rights: I) -> Self {
        Self(rights.into_iter().collect())
    }
}

impl fmt::Display for OperatorRights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<&str> = self.granted().map(OperatorRight::code).collect();
        f.write_str(&codes.join(","))
    }
}

impl FromStr for OperatorRights {
    type Err = UnknownText;

    fn from_str(text: &str) -> Result<Self, UnknownText> {
        text.split(',').filter(|code| !code.is_empty()).map(str::parse).collect()
    }
}

impl TryFrom<String> for OperatorRights {
    type Error = UnknownText;

    fn try_from(text: String) -> Result<Self, UnknownText> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_survive_their_text() {
        for rights in [vec![], vec![OperatorRight::Bulk], OperatorRight::ALL.to_vec()] {
            let rights: OperatorRights = rights.into_iter().collect();
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
        let both: OperatorRights = "bulk,export".parse().unwrap();
        assert!(both.has(OperatorRight::Export) && both.to_string().contains("export"));
        assert!("export,everything".parse::<OperatorRights>().is_err());
        assert!(!OperatorRights::default().has(OperatorRight::Export));
    }
}
