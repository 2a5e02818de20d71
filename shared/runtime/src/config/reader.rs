//! Reads typed values and notes what is wrong with them.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::example_secrets;
use super::variable::{Presence, Variable};
use super::{ConfigError, Env, Problem};

/// The value could not be read, and the reader has noted why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted(());

/// Reads variables, noting problems so that all of them are told at once; see [`Env::read`].
#[derive(Debug)]
pub struct Reader<'a> {
    env: &'a Env,
    problems: Vec<Problem>,
    seen: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        Self { env, problems: Vec::new(), seen: BTreeSet::new() }
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A concern inside a bigger configuration.
    pub fn part<T>(&mut self, from_env: impl FnOnce(&Env) -> Result<T, ConfigError>) -> Result<T, Noted> {
        from_env(self.env).map_err(|error| {
            for problem in error.problems() {
                // Two concerns may read one variable; once is enough.
                if self.seen.insert(problem.variable) {
                    self.problems.push(problem.clone());
                }
            }
            Noted(())
        })
    }

    /// Whether the variable is set.
    pub(super) fn is_set(&self, variable: &Variable) -> bool {
        self.env.get(variable.name).is_some()
    }

    /// A value with rules of its own; `parse` says what is wanted instead.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Noted> {
        match (self.env.get(variable.name), variable.presence) {
            (Some(text), _) | (None, Presence::Default(text)) => {
                if let Some(wanted) = example_secrets::find_example_secret(variable, text, self.env) {
                    return Err(self.note(variable, wanted, None));
                }
                parse(text).map_err(|wanted| self.note(variable, wanted, Some(text)))
            }
            (None, Presence::Required(_) | Presence::Optional(_)) => {
                let wanted = format!("a value ({})", first_line(variable.about));
                Err(self.note(variable, wanted, None))
            }
        }
    }

    /// A value that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        variable: &Variable,
        read: impl FnOnce(&mut Self, &Variable) -> Result<T, Noted>,
    ) -> Result<Option<T>, Noted> {
        if self.is_set(variable) { read(self, variable).map(Some) } else { Ok(None) }
    }

    /// Any text.
    pub(super) fn text(&mut self, variable: &Variable) -> Result<String, Noted> {
        self.parsed(variable, |text| Ok(text.to_owned()))
    }

    /// A secret.
    pub(super) fn secret(&mut self, variable: &Variable) -> Result<SecretString, Noted> {
        debug_assert!(variable.is_secret(), "{} holds a secret and does not say so", variable.name);
        self.parsed(variable, |text| Ok(SecretString::from(text)))
    }

    /// A secret address of one of these schemes (its password is the secret).
    pub(super) fn secret_url(
        &mut self,
        variable: &Variable,
        schemes: &[&str],
    ) -> Result<SecretString, Noted> {
        debug_assert!(variable.is_secret(), "{} holds a secret and does not say so", variable.name);
        self.parsed(variable, |text| parse_url(text, schemes).map(|_| SecretString::from(text)))
    }

    /// An `http` or `https` address without user, query or fragment; its path ends in `/`, so that joining appends.
    pub(super) fn base_url(&mut self, variable: &Variable) -> Result<Url, Noted> {
        self.parsed(variable, |text| {
            let mut url = parse_url(text, &["http", "https"])?;
            if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
                return Err("an address without user, query and fragment".to_owned());
            }
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            Ok(url)
        })
    }

    /// A whole number inside the range.
    pub(super) fn number<T>(&mut self, variable: &Variable, range: RangeInclusive<T>) -> Result<T, Noted>
    where
        T: FromStr + PartialOrd + Display,
    {
        self.parsed(variable, |text| {
            text.parse()
                .ok()
                .filter(|number| range.contains(number))
                .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// A time in milliseconds inside the range.
    pub(super) fn millis(
        &mut self,
        variable: &Variable,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, Noted> {
        self.number(variable, range).map(Duration::from_millis)
    }

    /// A time in seconds inside the range.
    pub(super) fn seconds(
        &mut self,
        variable: &Variable,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, Noted> {
        self.number(variable, range).map(Duration::from_secs)
    }

    /// An IP address and port to listen on.
    pub(super) fn socket(&mut self, variable: &Variable) -> Result<SocketAddr, Noted> {
        self.parsed(variable, |text| {
            text.parse().map_err(|_| "`address:port`, such as 0.0.0.0:8080".to_owned())
        })
    }

    /// A path; whether it exists is found out where it is used.
    pub(super) fn path(&mut self, variable: &Variable) -> Result<PathBuf, Noted> {
        self.parsed(variable, |text| Ok(PathBuf::from(text)))
    }

    /// Values separated by commas, each read by `parse`; the single word `none` is the empty list.
    pub(super) fn list<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Noted> {
        self.parsed(variable, |text| match text {
            "none" => Ok(Vec::new()),
            _ => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect(),
        })
    }

    fn note(&mut self, variable: &Variable, wanted: String, got: Option<&str>) -> Noted {
        let got = got.filter(|_| !variable.is_secret()).map(|text| text.chars().take(80).collect());
        if self.seen.insert(variable.name) {
            self.problems.push(Problem { variable: variable.name, wanted, got });
        }
        Noted(())
    }
}

fn parse_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| schemes.contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| format!("an address that begins with {}", schemes.join(":// or ") + "://"))
}

fn first_line(about: &str) -> &str {
    about.lines().next().unwrap_or(about).trim_end_matches('.')
}
