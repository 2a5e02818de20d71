//! poem-openapi's reasons in plain words, without names of types.

/// The reason why a parameter cannot be read.
pub(crate) fn plain_reason(reason: &str) -> String {
    let told = match reason.strip_prefix("failed to parse \"").and_then(|rest| rest.split_once("\": ")) {
        Some((_type, told)) => told,
        None => reason,
    };
    let told = told.split_once(" (occurred while parsing \"").map_or(told, |(told, _type)| told);
    match told.split_once("verification failed. ") {
        Some((_, rule)) => words_of_rule(rule),
        None => words_of_std(told).to_owned(),
    }
}

/// The reason why a body that matches its schema cannot be read, with a JSON pointer to a field of the body itself.
pub(crate) fn plain_body_reason(reason: &str) -> String {
    let is_nested = reason.contains(" (occurred while parsing \"");
    let field = reason.split_once("field `").and_then(|(_, rest)| rest.split_once("` verification failed. "));
    match field {
        Some((field, _)) if !is_nested => format!("`/{field}` {}", plain_reason(reason)),
        Some((field, _)) => format!("the field `{field}` {}", plain_reason(reason)),
        None => plain_reason(reason),
    }
}

/// A rule of a validator, such as `minimum(1, exclusive: false)`.
fn words_of_rule(rule: &str) -> String {
    let Some((name, arguments)) = rule.strip_suffix(')').and_then(|rule| rule.split_once('(')) else {
        return rule.to_owned();
    };
    let limit = arguments.split_once(", exclusive: ").map_or(arguments, |(limit, _)| limit);
    match name {
        "minimum" => format!("must be at least {limit}"),
        "maximum" => format!("must be at most {limit}"),
        "minLength" => format!("must have at least {limit} characters"),
        "maxLength" => format!("must have at most {limit} characters"),
        "pattern" => format!("must match `{}`", limit.trim_matches('"')),
        _ => rule.to_owned(),
    }
}

/// Errors of the standard library speak of strings and target types.
fn words_of_std(told: &str) -> &str {
    match told {
        "invalid digit found in string" => "must be a whole number, in digits",
        "number too large to fit in target type" => "is too large",
        "number too small to fit in target type" => "is too small",
        "provided string was not `true` or `false`" => "must be `true` or `false`",
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_name_no_types() {
        for (reason, wanted) in [
            (
                "failed to parse \"InstallStatus\": must be one of `active`, `left` (occurred while parsing \
                 \"optional_InstallStatus\")",
                "must be one of `active`, `left`",
            ),
            ("verification failed. minimum(1, exclusive: false)", "must be at least 1"),
            ("verification failed. maximum(100, exclusive: false)", "must be at most 100"),
            ("verification failed. maxLength(60)", "must have at most 60 characters"),
            (
                "failed to parse \"integer_uint32\": invalid digit found in string",
                "must be a whole number, in digits",
            ),
            ("anything else", "anything else"),
        ] {
            assert_eq!(plain_reason(reason), wanted);
        }
    }

    #[test]
    fn a_field_of_the_body_is_named_by_its_pointer() {
        let told = "failed to parse \"SettingsInput\": field `widget_version` verification failed. \
                    pattern(\"^[0-9A-Za-z._-]+$\")";
        assert_eq!(plain_body_reason(told), "`/widget_version` must match `^[0-9A-Za-z._-]+$`");
        let nested = format!("{told} (occurred while parsing \"Outer\")");
        assert_eq!(plain_body_reason(&nested), "the field `widget_version` must match `^[0-9A-Za-z._-]+$`");
    }
}
