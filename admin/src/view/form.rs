//! Forms: acts and filters.

use crate::request::Pairs;

/// Hint of a password field of a form that is shown again.
const SECRET_AGAIN_HINT: &str = "Введите ещё раз: пароли и ключи не сохраняются";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldKind {
    /// One line.
    Text,
    /// A password, never filled in.
    Password,
    /// A whole number.
    Number,
    Date,
    /// Several lines.
    Lines,
    /// A choice of value and label.
    Choice(Vec<(String, String)>),
    /// A check box.
    Check,
    /// Not shown.
    Hidden,
}

/// A field of a form.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// Label in Russian.
    pub(crate) label: &'static str,
    pub(crate) kind: FieldKind,
    pub(crate) value: String,
    /// Whether it must be filled in.
    pub(crate) required: bool,
    /// Explanation below the field.
    pub(crate) hint: &'static str,
    /// Why the value was refused.
    pub(crate) error: String,
}

impl Field {
    fn new(name: &'static str, label: &'static str, kind: FieldKind) -> Self {
        Self { name, label, kind, value: String::new(), required: false, hint: "", error: String::new() }
    }

    /// One line of text.
    pub(crate) fn text(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Text)
    }

    pub(crate) fn password(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Password)
    }

    /// A whole number.
    pub(crate) fn number(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Number)
    }

    pub(crate) fn date(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Date)
    }

    /// Several lines of text.
    pub(crate) fn lines(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Lines)
    }

    /// A check box.
    pub(crate) fn check(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, FieldKind::Check)
    }

    /// A value that is sent but not shown.
    pub(crate) fn hidden(name: &'static str, value: impl ToString) -> Self {
        Self::new(name, "", FieldKind::Hidden).value(value)
    }

    pub(crate) fn choice<V: ToString, L: ToString>(
        name: &'static str,
        label: &'static str,
        choices: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        let choices = choices.into_iter().map(|(value, label)| (value.to_string(), label.to_string()));
        Self::new(name, label, FieldKind::Choice(choices.collect()))
    }

    /// A choice for a filter, with "all" first: a word without gender.
    pub(crate) fn filter<V: ToString, L: ToString>(
        name: &'static str,
        label: &'static str,
        choices: impl IntoIterator<Item = (V, L)>,
    ) -> Self {
        let all = std::iter::once((String::new(), "все".to_owned()));
        let choices = choices.into_iter().map(|(value, label)| (value.to_string(), label.to_string()));
        Self::choice(name, label, all.chain(choices))
    }

    /// Sets the value.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers pass ids and numbers, which are Copy")]
    pub(crate) fn value(mut self, value: impl ToString) -> Self {
        self.value = value.to_string();
        self
    }

    /// Must be filled in.
    #[must_use]
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets the explanation.
    #[must_use]
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Label and value in words, if it has a value that is shown.
    pub(crate) fn set_text(&self) -> Option<String> {
        if self.value.is_empty() {
            return None;
        }
        let value = match &self.kind {
            FieldKind::Hidden | FieldKind::Password => return None,
            FieldKind::Check => "да",
            FieldKind::Choice(choices) => {
                let chosen = choices.iter().find(|(value, _)| self.is_chosen(value));
                chosen.map_or(self.value.as_str(), |(_, label)| label.as_str())
            }
            FieldKind::Text | FieldKind::Number | FieldKind::Date | FieldKind::Lines => self.value.as_str(),
        };
        Some(format!("{}: {value}", self.label))
    }

    /// Whether something is told below the field.
    pub(crate) fn has_words(&self) -> bool {
        !self.hint.is_empty() || !self.error.is_empty()
    }

    /// Whether the field takes a row of its own.
    pub(crate) fn is_wide(&self) -> bool {
        matches!(self.kind, FieldKind::Lines)
    }

    /// Whether the check box is set.
    pub(crate) fn is_checked(&self) -> bool {
        !self.value.is_empty()
    }

    /// Whether a value of a choice is selected.
    pub(crate) fn is_chosen(&self, value: &str) -> bool {
        self.value == value
    }
}

/// A form of an act.
#[derive(Debug)]
pub(crate) struct Form {
    /// Path that it is sent to.
    pub(crate) action: String,
    /// Title of the act.
    pub(crate) title: &'static str,
    /// Effect of the act.
    pub(crate) text: String,
    /// Fields besides the reason.
    pub(crate) fields: Vec<Field>,
    /// Text of the button.
    pub(crate) submit: &'static str,
    /// Whether it takes something away from the customer.
    pub(crate) danger: bool,
    /// Whether it asks for a reason.
    pub(crate) reason: bool,
    /// Whether its fields are shown at once.
    pub(crate) is_open: bool,
    /// Path of the challenge that a new passkey answers before the form is sent. Without script the form is not shown.
    pub(crate) challenge: Option<&'static str>,
}

impl Form {
    /// A form of an act, with a reason.
    pub(crate) fn act(action: impl Into<String>, title: &'static str, submit: &'static str) -> Self {
        Self {
            action: action.into(),
            title,
            text: String::new(),
            fields: Vec::new(),
            submit,
            danger: false,
            reason: true,
            is_open: false,
            challenge: None,
        }
    }

    /// Sets what the act does.
    #[must_use]
    pub(crate) fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Adds a field.
    #[must_use]
    pub(crate) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Adds fields.
    #[must_use]
    pub(crate) fn fields(mut self, fields: impl IntoIterator<Item = Field>) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Marks an act that takes something away.
    #[must_use]
    pub(crate) fn danger(mut self) -> Self {
        self.danger = true;
        self
    }

    /// A form that needs no reason.
    #[must_use]
    pub(crate) fn without_reason(mut self) -> Self {
        self.reason = false;
        self
    }

    /// A refused form once more, with what was written and the error below its field. Passwords are empty.
    #[must_use]
    pub(crate) fn refused(mut self, written: &Pairs, wrong: &str, error: &str) -> Self {
        self.is_open = true;
        for field in &mut self.fields {
            if field.kind == FieldKind::Password {
                field.hint = SECRET_AGAIN_HINT;
            } else {
                field.value = written.get(field.name).unwrap_or_default().to_owned();
            }
            if field.name == wrong {
                error.clone_into(&mut field.error);
            }
        }
        self
    }

    /// A form that is sent with the answer of a new passkey to the challenge of this path.
    #[must_use]
    pub(crate) fn with_new_passkey(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Whether a field is a password: password managers need a field for the name, too.
    pub(crate) fn asks_password(&self) -> bool {
        self.fields.iter().any(|field| field.kind == FieldKind::Password)
    }

    /// Whether there is nothing to read or to fill in, so that a button is enough.
    pub(crate) fn is_button(&self) -> bool {
        !self.reason && self.fields.is_empty() && self.text.is_empty()
    }

    /// Name of the act: the end of its path.
    pub(crate) fn name(&self) -> &str {
        self.action.rsplit('/').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_form_keeps_what_was_written_but_no_password() {
        let form = Form::act("/x/register", "Завести", "Завести")
            .field(Field::text("code", "Код").hint("a–z"))
            .field(Field::text("name", "Название"))
            .field(Field::password("secret", "Ключ"));
        let written = Pairs::default().with("code", "Ч").with("name", "Ромашка").with("secret", "s3cret");
        let form = form.refused(&written, "code", "Код: a–z.");
        let told: Vec<(&str, &str)> =
            form.fields.iter().map(|field| (field.value.as_str(), field.error.as_str())).collect();
        assert_eq!(told, [("Ч", "Код: a–z."), ("Ромашка", ""), ("", "")]);
        assert!(form.is_open && form.fields.iter().all(|field| field.name == "name" || field.has_words()));
    }

    #[test]
    fn a_filter_is_told_in_words() {
        let told = |field: Field, value: &str| field.value(value).set_text();
        let state = || Field::filter("state", "Состояние", [("dead", "остановлено")]);
        assert_eq!(told(state(), "dead").as_deref(), Some("Состояние: остановлено"));
        assert_eq!(told(state(), ""), None);
        let FieldKind::Choice(choices) = state().kind else { panic!("a filter is a choice") };
        assert_eq!(choices[0], (String::new(), "все".to_owned()));
        assert_eq!(told(Field::check("review", "Ждут решения"), "yes").as_deref(), Some("Ждут решения: да"));
        assert_eq!(told(Field::text("account", "Аккаунт"), "7").as_deref(), Some("Аккаунт: 7"));
        assert_eq!(told(Field::password("password", "Пароль"), "secret"), None);
    }
}
