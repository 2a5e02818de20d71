//! Snapshot of the process's environment, taken at start.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::SecretString;

/// A snapshot of the environment's variables.
///
/// An empty value counts as unset, because Compose files and hosting panels write unset variables that way.
#[derive(Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, String>,
    /// Names that were read, so that a test can compare them with the catalogue.
    #[cfg(test)]
    reads: std::sync::Arc<std::sync::Mutex<std::collections::BTreeSet<String>>>,
}

impl Env {
    /// Takes a snapshot of this process's environment. Names and values that are not UTF-8 are left out.
    ///
    /// No other code may read the process's environment.
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The trimmed value of a variable; `None` if it is unset or blank.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        #[cfg(test)]
        self.reads.lock().unwrap().insert(name.to_owned());
        self.vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The untrimmed secret in a variable whose name an operator gives on the command line.
    pub fn secret_named(&self, name: &str) -> Option<SecretString> {
        self.vars.get(name).filter(|value| !value.is_empty()).map(|value| SecretString::from(value.as_str()))
    }

    /// Returns the environment with one variable set or replaced.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Returns the environment without one variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.vars.remove(name);
        self
    }

    /// Every name that was read so far.
    #[cfg(test)]
    pub(super) fn reads(&self) -> std::collections::BTreeSet<String> {
        self.reads.lock().unwrap().clone()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut env = Self::default();
        env.vars.extend(pairs.into_iter().map(|(name, value)| (name.into(), value.into())));
        env
    }
}

/// Shows names only, because any value may be a secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}
