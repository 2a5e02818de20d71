//! Styles and scripts, embedded in the program. Their URLs carry a hash, so that browsers may keep them.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// Name, content type and contents of each file. htmx is the npm package `htmx.org` 2.0.11, unchanged.
const FILES: [(&str, &str, &str); 4] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
    ("panel.js", "text/javascript; charset=utf-8", include_str!("../assets/panel.js")),
    ("passkeys.js", "text/javascript; charset=utf-8", include_str!("../assets/passkeys.js")),
    ("htmx.js", "text/javascript; charset=utf-8", include_str!("../assets/htmx-2.0.11.min.js")),
];

/// Number of characters of the hash in URLs.
const VERSION_LEN: usize = 12;

/// Hash over all files.
pub(crate) fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut hash = Sha256::new();
        for (_, _, contents) in FILES {
            hash.update(contents.as_bytes());
        }
        hex::encode(hash.finalize()).chars().take(VERSION_LEN).collect()
    });
    &VERSION
}

/// Content type and contents of a file.
pub(crate) fn find(name: &str) -> Option<(&'static str, &'static str)> {
    let file = FILES.iter().find(|(known, _, _)| *known == name);
    file.map(|(_, content_type, contents)| (*content_type, *contents))
}

#[cfg(test)]
mod tests {
    /// What the content security policy forbids, and what htmx would evaluate.
    const FORBIDDEN: [&str; 9] =
        ["hx-on", "hx-vars", "hx-vals", "hx-headers", "hx-ext", "js:", "javascript:", " style=", "<style"];

    /// A template breaks these rules without an error: the browser and htmx ignore what they may not run.
    #[test]
    fn templates_need_no_inline_script_no_inline_style_and_no_evaluation() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let mut checked = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for forbidden in FORBIDDEN {
                assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
            }
            let mut scripts = text.split("<script").skip(1);
            assert!(scripts.all(|rest| rest.starts_with(" src=\"")), "{}", path.display());
            // An event filter: `keyup[event.key == 'x']`.
            let mut triggers = text.split("hx-trigger=\"").skip(1);
            let is_plain = |rest: &str| rest.split('"').next().is_some_and(|trigger| !trigger.contains('['));
            assert!(triggers.all(is_plain), "{}", path.display());
            // A handler: `onclick="…"`.
            let is_handler = |rest: &str| {
                rest.split_once('=')
                    .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase()))
            };
            assert!(!text.split(" on").skip(1).any(is_handler), "{}", path.display());
            checked += 1;
        }
        assert!(checked > 15, "only {checked} templates were found");
    }
}
