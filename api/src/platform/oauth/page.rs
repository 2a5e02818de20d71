//! The final page of the OAuth flow. It loads no external resources.

use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::host::AccountHost;

use crate::html_page;

/// Result of the OAuth flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The code is accepted; a job exchanges it.
    Connected,
    /// The user refused access.
    Refused,
    /// The request was rejected, or an error occurred.
    Failed,
    /// Too many authorization codes of the widget are waiting.
    Busy,
}

impl Ending {
    /// `ending` of the message that the opener receives. Flysk defines these values.
    const fn code(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Failed | Self::Busy => "failed",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Connected => "Готово",
            Self::Refused => "Доступ не выдан",
            Self::Failed | Self::Busy => "Не получилось подключить виджет",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Connected => "Доступ получен, виджет подключается. Это окно закроется само.",
            Self::Refused => "Вы не разрешили доступ к аккаунту. Виджет останется выключенным.",
            Self::Failed => "Закройте это окно и попробуйте подключить виджет ещё раз.",
            Self::Busy => "Сейчас слишком много подключений. Подождите минуту и попробуйте ещё раз.",
        }
    }
}

/// Posts the result to the opener and closes the window. Without an opener, the user has the link.
const SCRIPT: &str = "const end=document.documentElement.dataset;\
    if(window.opener){if(end.origin){window.opener.postMessage({flysk:'oauth',ending:end.ending},end.origin)}\
    setTimeout(()=>window.close(),1500)}";

const STYLE: &str =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;color:#222}";

/// Target of the page's link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReturnLink {
    /// The account. Its host is validated; only pages of this origin receive the message.
    Account(AccountHost),
    /// The website of the CRM, if the account is unknown.
    Service(Crm),
}

/// Renders the page.
pub(super) fn page(ending: Ending, back: &ReturnLink) -> String {
    let (origin, back) = match back {
        ReturnLink::Account(host) => (format!("https://{host}"), format!("https://{host}")),
        ReturnLink::Service(crm) => (String::new(), crm.site().to_owned()),
    };
    let (title, text, code) = (ending.title(), ending.text(), ending.code());
    // The host is the only part that comes from the request, and it is a validated DNS name.
    format!(
        "<!doctype html><html lang=\"ru\" data-ending=\"{code}\" data-origin=\"{origin}\"><meta charset=\"utf-8\">\
         <title>{title}</title><meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>{title}</h1><p>{text}</p><p><a href=\"{back}/\">Вернуться в CRM</a></p><script>{SCRIPT}</script>"
    )
}

/// Content security policy: only the page's inline script and style.
pub(super) fn content_security_policy() -> String {
    html_page::content_security_policy(&[SCRIPT], &[STYLE], &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ending_says_so_and_leads_back_to_the_account() {
        let host = ReturnLink::Account(AccountHost::parse("demo.amocrm.ru", &["amocrm.ru"]).unwrap());
        for ending in [Ending::Connected, Ending::Refused, Ending::Failed, Ending::Busy] {
            let page = page(ending, &host);
            assert!(page.contains(ending.title()) && page.contains("href=\"https://demo.amocrm.ru/\""));
            assert!(page.contains("data-origin=\"https://demo.amocrm.ru\""));
        }
        for (crm, link) in [(Crm::Amocrm, "https://www.amocrm.ru/"), (Crm::Kommo, "https://www.kommo.com/")] {
            let page = page(Ending::Failed, &ReturnLink::Service(crm));
            assert!(
                page.contains("data-origin=\"\"") && page.contains(&format!("href=\"{link}\"")),
                "{page}"
            );
        }
    }
}
