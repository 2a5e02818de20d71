//! Pages: HTML with a content security policy, and the security headers of every response.
//!
//! A page allows exactly its own inline scripts and styles, by their hashes. It loads nothing from elsewhere, sends forms only to
//! this server and cannot be framed. Sources: CSP Level 3; OWASP HTTP Headers Cheat Sheet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Response, Result};
use sha2::Digest as _;

use crate::problem;

/// Policy of HTML that brings none of its own, such as a page of amoCRM that the gateway forwards: it can neither load nor
/// execute anything.
const POLICY_OF_FOREIGN_HTML: &str =
    "default-src 'none'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; sandbox";

/// Content security policy of a page with these inline scripts and styles, and with further directives.
pub(crate) fn content_security_policy(scripts: &[&str], styles: &[&str], further: &[&str]) -> String {
    let mut directives = vec!["default-src 'none'".to_owned()];
    for (directive, texts) in [("script-src", scripts), ("style-src", styles)] {
        if !texts.is_empty() {
            let hashes: Vec<String> = texts.iter().map(|text| hash_source(text)).collect();
            directives.push(format!("{directive} {}", hashes.join(" ")));
        }
    }
    directives.extend(further.iter().map(|&directive| directive.to_owned()));
    directives.extend(["form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"].map(str::to_owned));
    directives.join("; ")
}

fn hash_source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha2::Sha256::digest(text.as_bytes())))
}

/// Contents of the inline scripts and of the inline styles of a page, as a browser reads them.
pub(crate) fn inline_contents(page: &str) -> (Vec<&str>, Vec<&str>) {
    const ELEMENTS: [(&str, &str); 2] = [("<script", "</script"), ("<style", "</style")];
    let (mut scripts, mut styles) = (Vec::new(), Vec::new());
    let mut rest = page;
    loop {
        let opening =
            ELEMENTS.iter().filter_map(|(open, close)| Some((rest.find(open)?, *open, *close))).min();
        let Some((at, open, close)) = opening else { break };
        let Some((_, content)) = rest[at..].split_once('>') else { break };
        let Some(end) = content.find(close) else { break };
        let found = if open == "<script" { &mut scripts } else { &mut styles };
        found.push(&content[..end]);
        rest = &content[end..];
    }
    (scripts, styles)
}

/// A page with its policy. [`add_security_headers`] adds the other headers.
pub(crate) fn response(status: StatusCode, body: String, policy: &str) -> Response {
    let mut response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(body);
    match HeaderValue::from_str(policy) {
        Ok(policy) => {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        Err(error) => tracing::error!(%error, "a content security policy is not a header's value"),
    }
    response
}

/// Adds the security headers to a response, except those that it has.
pub(crate) async fn add_security_headers(answered: Result<Response>) -> Result<Response> {
    let mut response = answered.unwrap_or_else(problem::from_poem_error);
    let is_html = response.content_type().is_some_and(is_html);
    let headers = response.headers_mut();
    let mut add = |name: header::HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    // Addresses of pages contain ids and, before a redirect, tickets.
    add(header::REFERRER_POLICY, "no-referrer");
    if is_html {
        add(header::CONTENT_SECURITY_POLICY, POLICY_OF_FOREIGN_HTML);
        add(header::X_FRAME_OPTIONS, "DENY");
    }
    Ok(response)
}

fn is_html(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| media_type.eq_ignore_ascii_case(html))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_allows_the_inline_parts_by_hash_and_nothing_else() {
        // The hashes are of `alert('Hello, world.');`, as in CSP Level 3, 8.2, and of the empty text.
        let policy = content_security_policy(&["alert('Hello, world.');"], &[""], &["connect-src 'self'"]);
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; \
             style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; connect-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert!(!content_security_policy(&[], &[], &[]).contains("-src 's"));
    }

    #[test]
    fn inline_contents_are_found_in_the_order_of_the_page() {
        let page =
            "<style charset=\"UTF-8\">a{}</style><script>let a = '<style>';</script><p><script>b</script>";
        assert_eq!(inline_contents(page), (vec!["let a = '<style>';", "b"], vec!["a{}"]));
        assert_eq!(inline_contents("<p>nothing"), (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn foreign_html_can_do_nothing_and_headers_of_a_page_are_kept() {
        let foreign = Response::builder().content_type("Text/HTML;charset=x").body("<script>1</script>");
        let answer = add_security_headers(Ok(foreign)).await.unwrap();
        assert_eq!(answer.header("content-security-policy"), Some(POLICY_OF_FOREIGN_HTML));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        let own = response(StatusCode::OK, "<p>".to_owned(), "default-src 'self'");
        let answer = add_security_headers(Ok(own)).await.unwrap();
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'self'"));
        let json = Response::builder().content_type("application/json").body("{}");
        let answer = add_security_headers(Ok(json)).await.unwrap();
        assert_eq!(answer.header("content-security-policy"), None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    }
}
