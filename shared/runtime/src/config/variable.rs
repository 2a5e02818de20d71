//! The catalogue of variables, and the file that explains them.

use super::example_secrets::Secrecy;

/// What happens when a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The process does not start; the text is a value good for development.
    Required(&'static str),
    /// This value is used.
    Default(&'static str),
    /// The feature is off; the text is an example.
    Optional(&'static str),
}

/// One environment variable: its name, what it means, and what its absence means.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What happens without it.
    pub presence: Presence,
    /// Whether its value is a secret, and of what shape; a secret is never shown.
    pub secrecy: Secrecy,
    /// What it is for, with units.
    pub about: &'static str,
}

impl Variable {
    /// A variable that must be set; `development` is a value for a developer's machine.
    pub(super) const fn required(name: &'static str, development: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Required(development), secrecy: Secrecy::Public, about }
    }

    /// A variable with a value of its own.
    pub(super) const fn with_default(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Default(default), secrecy: Secrecy::Public, about }
    }

    /// A variable that may be left out.
    pub(super) const fn optional(name: &'static str, example: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Optional(example), secrecy: Secrecy::Public, about }
    }

    /// The same variable as a secret; `source` completes the sentence "To get a value of your own, …".
    pub(super) const fn secret(mut self, source: &'static str) -> Self {
        self.secrecy = Secrecy::Whole { source };
        self
    }

    /// The same variable as an address whose password is a secret.
    pub(super) const fn secret_address(mut self) -> Self {
        self.secrecy = Secrecy::Address {
            source: "give the account a password of its own and write it into the address",
        };
        self
    }

    /// The same variable as a list of `id:key`, each key a secret; `source` as in [`Self::secret`].
    pub(super) const fn secret_keys(mut self, source: &'static str) -> Self {
        self.secrecy = Secrecy::Keys { source };
        self
    }

    /// Whether its value must never be shown.
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

/// The variables of one concern.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// The variables, in reading order.
    pub variables: &'static [Variable],
}

const HEAD: &str = "\
# Flysk's configuration: environment variables, nothing else. This file is made from the catalogue in
# shared/runtime/src/config (`cargo xtask generate` writes it).
#
# As it is, it works for development. Everybody can read the secrets in it, so no process starts with one of them
# unless FLYSK_PUBLIC_URL is an http address of this machine (http://localhost, http://127.0.0.1).
#
# Nothing reads it by itself: copy it to `.env` and give that to your container or process manager, or to a shell:
# set -a; . ./.env; set +a
#
# A line that begins with `#` shows the default, or an example where the variable may be left out.
";

/// The text of `.env.example`.
pub fn env_example(sections: &[Section]) -> String {
    let sections = sections.iter().flat_map(|section| {
        let title = format!("\n# ---- {} ----\n", section.title);
        std::iter::once(title).chain(section.variables.iter().map(entry))
    });
    std::iter::once(HEAD.to_owned()).chain(sections).collect()
}

fn entry(variable: &Variable) -> String {
    let about = variable.about.replace('\n', "\n# ");
    let secret = if variable.is_secret() { "# Secret.\n" } else { "" };
    let (name, value) = (variable.name, variable.example());
    let line = match variable.presence {
        Presence::Required(_) => format!("{name}={value}"),
        Presence::Default(_) => format!("# {name}={value}"),
        Presence::Optional(_) => format!("# Optional, for example:\n# {name}={value}"),
    };
    format!("\n# {about}\n{secret}{line}\n")
}
