//! The catalogue of variables, and the file that explains them.

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
    /// Whether its value must never be shown.
    pub secret: bool,
    /// What it is for, with units.
    pub about: &'static str,
}

impl Variable {
    /// A variable that must be set; `development` is a value for a developer's machine.
    pub(super) const fn required(name: &'static str, development: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Required(development), secret: false, about }
    }

    /// A variable with a value of its own.
    pub(super) const fn with_default(name: &'static str, default: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Default(default), secret: false, about }
    }

    /// A variable that may be left out.
    pub(super) const fn optional(name: &'static str, example: &'static str, about: &'static str) -> Self {
        Self { name, presence: Presence::Optional(example), secret: false, about }
    }

    /// The same variable, its value never to be shown.
    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
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
# As it is, it works for development; no key in it opens anything. Nothing reads it by itself: copy it to `.env`
# and give that to your container or process manager, or to a shell: set -a; . ./.env; set +a
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
    let secret = if variable.secret { "# Secret.\n" } else { "" };
    let name = variable.name;
    let line = match variable.presence {
        Presence::Required(value) => format!("{name}={value}"),
        Presence::Default(value) => format!("# {name}={value}"),
        Presence::Optional(value) => format!("# Optional, for example:\n# {name}={value}"),
    };
    format!("\n# {about}\n{secret}{line}\n")
}
