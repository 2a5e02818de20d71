//! Rules for operators' logins and names.

/// Maximum length of a login, in bytes.
const MAX_LOGIN_LEN: usize = 64;
/// Maximum length of a name, in characters.
const MAX_NAME_LEN: usize = 120;

/// A login or name that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorRuleError {
    /// The login has other characters or is too long.
    #[error("the login must have 2 to {MAX_LOGIN_LEN} of a-z, 0-9, `.`, `-`, `_`, `@`")]
    Login,
    /// The name is empty or too long.
    #[error("the name must have 1 to {MAX_NAME_LEN} characters")]
    Name,
}

impl OperatorRuleError {
    /// The rule in Russian.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Login => format!("Логин: от 2 до {MAX_LOGIN_LEN} знаков a–z, 0–9, «.», «-», «_», «@»."),
            Self::Name => format!("Имя: от 1 до {MAX_NAME_LEN} знаков."),
        }
    }
}

/// Checks a login.
///
/// # Errors
///
/// [`OperatorRuleError::Login`].
pub(crate) fn check_login(login: &str) -> Result<(), OperatorRuleError> {
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_' | b'@');
    if (2..=MAX_LOGIN_LEN).contains(&login.len()) && login.bytes().all(plain) {
        return Ok(());
    }
    Err(OperatorRuleError::Login)
}

/// Checks a name.
///
/// # Errors
///
/// [`OperatorRuleError::Name`].
pub(crate) fn check_name(name: &str) -> Result<(), OperatorRuleError> {
    if (1..=MAX_NAME_LEN).contains(&name.trim().chars().count()) {
        Ok(())
    } else {
        Err(OperatorRuleError::Name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_plain() {
        for good in ["anna", "a.petrova@flysk", "x-1"] {
            assert!(check_login(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "Anna", "анна", "a b", &"a".repeat(65)] {
            assert!(check_login(bad).is_err(), "{bad}");
        }
        assert!(check_name("Анна").is_ok() && check_name("  ").is_err());
    }
}
