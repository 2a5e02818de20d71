//! Reads typed values from variables and collects their problems.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use flysk_domain::url_hosts::split_hosts;
use secrecy::SecretString;
use url::Url;

use super::example_secrets;
use super::variable::{Presence, Variable};
use super::{ConfigError, Env, Problem};

/// The value is missing or invalid, and the reader has recorded the problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported(());

/// Reads variables and collects problems, so that one error reports all of them; see [`Env::read`].
#[derive(Debug)]
pub struct Reader<'a> {
    env: &'a Env,
    problems: Vec<Problem>,
    seen: BTreeSet<&'static str>,
}

impl Env {
    /// Reads a configuration. Collects every problem, so that one error reports all of them.
    pub fn read<T>(
        &self,
        build: impl FnOnce(&mut Reader<'_>) -> Result<T, Reported>,
    ) -> Result<T, ConfigError> {
        let mut reader = Reader::new(self);
        match build(&mut reader) {
            Ok(config) if reader.problems().is_empty() => Ok(config),
            _ => Err(ConfigError::new(reader.into_problems())),
        }
    }
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

    /// Reads one section of a larger configuration.
    pub fn section<T>(
        &mut self,
        from_env: impl FnOnce(&Env) -> Result<T, ConfigError>,
    ) -> Result<T, Reported> {
        from_env(self.env).map_err(|error| {
            for problem in error.problems() {
                // Two sections may read the same variable; its problem is reported once.
                if self.seen.insert(problem.variable) {
                    self.problems.push(problem.clone());
                }
            }
            Reported(())
        })
    }

    /// Whether the variable is set.
    pub(super) fn is_set(&self, variable: &Variable) -> bool {
        self.env.get(variable.name).is_some()
    }

    /// Reads a value with `parse`, whose error describes a valid value.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &Variable,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, Reported> {
        match (self.env.get(variable.name), variable.presence) {
            (Some(text), _) | (None, Presence::Default(text)) => {
                if let Some(wanted) = example_secrets::find_example_secret(variable, text, self.env) {
                    return Err(self.report(variable, wanted, None));
                }
                parse(text).map_err(|wanted| self.report(variable, wanted, Some(text)))
            }
            (None, Presence::Required(_) | Presence::Optional(_)) => {
                let wanted = format!("a value ({})", first_line(variable.description));
                Err(self.report(variable, wanted, None))
            }
        }
    }

    /// Reads an optional value with `read`; `None` if the variable is unset.
    pub(super) fn optional<T>(
        &mut self,
        variable: &Variable,
        read: impl FnOnce(&mut Self, &Variable) -> Result<T, Reported>,
    ) -> Result<Option<T>, Reported> {
        if self.is_set(variable) { read(self, variable).map(Some) } else { Ok(None) }
    }

    pub(super) fn text(&mut self, variable: &Variable) -> Result<String, Reported> {
        self.parsed(variable, |text| Ok(text.to_owned()))
    }

    pub(super) fn secret(&mut self, variable: &Variable) -> Result<SecretString, Reported> {
        debug_assert!(variable.is_secret(), "{} is not declared as a secret", variable.name);
        self.parsed(variable, |text| Ok(SecretString::from(text)))
    }

    /// Reads a URL of one of these schemes whose password is a secret.
    pub(super) fn secret_url(
        &mut self,
        variable: &Variable,
        schemes: &[&str],
    ) -> Result<SecretString, Reported> {
        debug_assert!(variable.is_secret(), "{} is not declared as a secret", variable.name);
        self.parsed(variable, |text| parse_url(text, schemes).map(|_| SecretString::from(text)))
    }

    /// As [`Reader::secret_url`]; the URL may list several hosts, separated by commas.
    pub(super) fn secret_url_of_hosts(
        &mut self,
        variable: &Variable,
        schemes: &[&str],
    ) -> Result<SecretString, Reported> {
        debug_assert!(variable.is_secret(), "{} is not declared as a secret", variable.name);
        self.parsed(variable, |text| {
            split_hosts(text).iter().try_for_each(|url| parse_url(url, schemes).map(drop))?;
            Ok(SecretString::from(text))
        })
    }

    /// Reads an `http` or `https` URL without user, query or fragment. Its path ends in `/`, so that `join` appends.
    pub(super) fn base_url(&mut self, variable: &Variable) -> Result<Url, Reported> {
        self.parsed(variable, |text| {
            let mut url = parse_url(text, &["http", "https"])?;
            if !url.username().is_empty() || url.query().is_some() || url.fragment().is_some() {
                return Err("a URL without user, query and fragment".to_owned());
            }
            if !url.path().ends_with('/') {
                url.set_path(&format!("{}/", url.path()));
            }
            Ok(url)
        })
    }

    /// Reads an integer within the range.
    pub(super) fn number<T>(&mut self, variable: &Variable, range: RangeInclusive<T>) -> Result<T, Reported>
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

    /// Reads a duration in milliseconds within the range.
    pub(super) fn millis(
        &mut self,
        variable: &Variable,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, Reported> {
        self.number(variable, range).map(Duration::from_millis)
    }

    /// Reads a duration in seconds within the range.
    pub(super) fn seconds(
        &mut self,
        variable: &Variable,
        range: RangeInclusive<u64>,
    ) -> Result<Duration, Reported> {
        self.number(variable, range).map(Duration::from_secs)
    }

    /// Reads an IP address and port.
    pub(super) fn socket(&mut self, variable: &Variable) -> Result<SocketAddr, Reported> {
        self.parsed(variable, |text| {
            text.parse().map_err(|_| "`address:port`, such as 0.0.0.0:8080".to_owned())
        })
    }

    /// Reads a path without checking that it exists.
    pub(super) fn path(&mut self, variable: &Variable) -> Result<PathBuf, Reported> {
        self.parsed(variable, |text| Ok(PathBuf::from(text)))
    }

    /// Reads a comma-separated list and parses each item with `parse`; the single word `none` is the empty list.
    pub(super) fn list<T>(
        &mut self,
        variable: &Variable,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Reported> {
        self.parsed(variable, |text| match text {
            "none" => Ok(Vec::new()),
            _ => text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(parse).collect(),
        })
    }

    fn report(&mut self, variable: &Variable, wanted: String, got: Option<&str>) -> Reported {
        let got = got.filter(|_| !variable.is_secret()).map(|text| text.chars().take(80).collect());
        if self.seen.insert(variable.name) {
            self.problems.push(Problem { variable: variable.name, wanted, got });
        }
        Reported(())
    }
}

fn parse_url(text: &str, schemes: &[&str]) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| schemes.contains(&url.scheme()) && url.has_host())
        .ok_or_else(|| format!("an address that begins with {}", schemes.join(":// or ") + "://"))
}

fn first_line(description: &str) -> &str {
    description.lines().next().unwrap_or(description).trim_end_matches('.')
}
