//! Declarations of variables, and the text of `.env.example`.

use super::Secrecy;

/// Behaviour if a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The process does not start; the text is a value for development.
    Required(&'static str),
    /// This value is used.
    Default(&'static str),
    /// The feature is off; the text is an example.
    Optional(&'static str),
}

/// Declaration of one environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// As in the environment: `FLYSK_KEYRING`.
    pub name: &'static str,
    /// Whether it is required, has a default or is optional.
    pub presence: Presence,
    /// Whether its value is a secret, and which part of it. Secrets are never shown.
    pub secrecy: Secrecy,
    /// Purpose and unit, as `.env.example` shows them; errors about a missing value quote the first line.
    pub description: &'static str,
}

impl Variable {
    /// A required variable; `development` is a value for a developer's machine.
    pub(super) const fn required(
        name: &'static str,
        development: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, presence: Presence::Required(development), secrecy: Secrecy::Public, description }
    }

    pub(super) const fn with_default(
        name: &'static str,
        default: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, presence: Presence::Default(default), secrecy: Secrecy::Public, description }
    }

    pub(super) const fn optional(
        name: &'static str,
        example: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, presence: Presence::Optional(example), secrecy: Secrecy::Public, description }
    }

    /// Marks the variable as a secret; `source` completes the sentence "To get a value of your own, …".
    pub(super) const fn secret(mut self, source: &'static str) -> Self {
        self.secrecy = Secrecy::Whole { source };
        self
    }

    /// Marks the variable as a URL whose password is a secret.
    pub(super) const fn secret_address(mut self) -> Self {
        self.secrecy =
            Secrecy::Address { source: "give the account a password of its own and write it into the URL" };
        self
    }

    /// Marks the variable as a list of `id:key` in which each key is a secret; `source` as in [`Self::secret`].
    pub(super) const fn secret_keys(mut self, source: &'static str) -> Self {
        self.secrecy = Secrecy::Keys { source };
        self
    }

    /// Whether the value contains a secret and must not be shown.
    pub const fn is_secret(&self) -> bool {
        !matches!(self.secrecy, Secrecy::Public)
    }

    /// The value that `.env.example` shows.
    pub const fn example(&self) -> &'static str {
        match self.presence {
            Presence::Required(value) | Presence::Default(value) | Presence::Optional(value) => value,
        }
    }
}

/// The variables of one section of `.env.example`.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading of the section.
    pub title: &'static str,
    /// The variables, in reading order.
    pub variables: &'static [Variable],
}

const FILE_HEADER: &str = "\
# Configuration of Flysk: environment variables. `cargo xtask generate` writes this file from the catalogue in
# shared/config/src.
#
# The values work for development without changes. The secrets in this file are public, so no process starts with one
# of them unless FLYSK_PUBLIC_URL is an http URL of this machine (http://localhost, http://127.0.0.1).
#
# No process reads this file. Copy it to `.env` and pass it to your container or process manager, or to a shell:
# set -a; . ./.env; set +a
# For a shell and for Compose, put a value with spaces, `<`, `;` or `$` in single quotes.
#
# A commented-out line shows the default, or an example if the variable is optional.
";

/// The text of `.env.example`.
pub fn env_example(sections: &[Section]) -> String {
    let sections = sections.iter().flat_map(|section| {
        let title = format!("\n# ---- {} ----\n", section.title);
        std::iter::once(title).chain(section.variables.iter().map(entry))
    });
    std::iter::once(FILE_HEADER.to_owned()).chain(sections).collect()
}

fn entry(variable: &Variable) -> String {
    let description = variable.description.replace('\n', "\n# ");
    let secret = if variable.is_secret() { "# Secret.\n" } else { "" };
    let (name, value) = (variable.name, variable.example());
    let line = match variable.presence {
        Presence::Required(_) => format!("{name}={value}"),
        Presence::Default(_) => format!("# {name}={value}"),
        Presence::Optional(_) => format!("# Optional, for example:\n# {name}={value}"),
    };
    format!("\n# {description}\n{secret}{line}\n")
}
