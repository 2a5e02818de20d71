//! Layout of letters, as plain text and as simple HTML.

use std::fmt::Write as _;

/// A letter as people read it, in Russian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Header `Subject`, without line breaks.
    pub subject: String,
    /// Paragraphs of plain text.
    pub(crate) paragraphs: Vec<String>,
    /// Label and address of the button.
    pub(crate) action: (&'static str, String),
    /// Why the reader gets it.
    pub(crate) footer: &'static str,
    /// Page where letters of this kind are switched off; `None` for a letter that is sent once, on request.
    pub(crate) switch_off: Option<String>,
}

/// A letter with sample facts, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLetter {
    /// Code, unique among the letters of a sender.
    pub code: String,
    /// Name of the letter, in Russian.
    pub title: String,
    /// When it is sent, in Russian.
    pub cause: &'static str,
    /// Composed as a real one, from sample facts.
    pub letter: Letter,
}

impl Letter {
    /// The letter as plain text.
    pub fn text(&self) -> String {
        let ((label, url), footer) = (&self.action, self.footer);
        let mut text = String::from("Здравствуйте!\n\n");
        for paragraph in &self.paragraphs {
            // Writing to a String cannot fail.
            let _ = write!(text, "{paragraph}\n\n");
        }
        let _ = write!(text, "{label}:\n{url}\n\n-- \n{footer}\n");
        if let Some(switch_off) = &self.switch_off {
            let _ = write!(text, "Не присылать такие письма:\n{switch_off}\n");
        }
        text
    }

    /// The letter as HTML without images, scripts and outside resources.
    pub fn html(&self) -> String {
        let ((label, url), footer) = (&self.action, self.footer);
        let mut html = String::from(
            "<!DOCTYPE html>\n<html lang=\"ru\"><head><meta charset=\"utf-8\"></head>\n\
             <body style=\"font:16px/1.5 sans-serif;color:#1d1d1f;max-width:36em;margin:0 auto;padding:1em\">\n\
             <p>Здравствуйте!</p>\n",
        );
        for paragraph in &self.paragraphs {
            let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
        }
        let _ = write!(
            html,
            "<p><a href=\"{}\" style=\"display:inline-block;padding:.6em 1.2em;background:#0a58ca;color:#fff;\
             text-decoration:none;border-radius:.4em\">{label}</a></p>\n\
             <p style=\"color:#595959;font-size:14px\">{footer}",
            escape(url),
        );
        if let Some(switch_off) = &self.switch_off {
            let _ = write!(html, "<br><a href=\"{}\">Не присылать такие письма</a>", escape(switch_off));
        }
        html.push_str("</p>\n</body></html>\n");
        html
    }
}

/// Text in an element or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
