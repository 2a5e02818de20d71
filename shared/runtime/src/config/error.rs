//! What is wrong with the environment, told all at once.

use std::fmt;

/// One variable that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its name.
    pub variable: &'static str,
    /// What it should be.
    pub wanted: String,
    /// What it is; `None` when it is unset, and always for secrets.
    pub got: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: want {}", self.variable, self.wanted)?;
        match &self.got {
            Some(got) => write!(f, ", got `{got}`"),
            None => Ok(()),
        }
    }
}

/// The environment does not make a configuration; every problem is listed, no secret is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Each variable that cannot be used.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the environment is not usable (each variable is explained in .env.example):")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
