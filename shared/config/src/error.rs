//! Errors in the environment, reported together.

use std::fmt;

/// One variable that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the variable.
    pub variable: &'static str,
    /// Description of a valid value; completes the sentence "want …".
    pub wanted: String,
    /// The invalid value, cut to 80 characters; `None` if it is unset, and always for secrets.
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

/// The environment is not a valid configuration. Lists every problem and shows no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Each missing or invalid variable.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid configuration (.env.example describes each variable):")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
