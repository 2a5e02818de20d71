//! The portal on the panel's socket, with a mail server and a vendor's backend, and users who accept invitations.

use flysk_config::Env;
use flysk_domain::Clock as _;
use flysk_domain::id::{InvitationId, VendorId, WidgetId};
use flysk_domain::platform::subscriptions::ReceiptMode;
use flysk_services::vendor_users;
use flysk_services::vendors::{self as services, VendorData};
use flysk_simulators::smtp::{self, Smtp};
use flysk_simulators::vendor::{self, Vendor};
use flysk_simulators::{Control, Running};
use flysk_store::platform::vendors;
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::{Response, StatusCode};
use sqlx::MySqlPool;

use super::super::harness::{Panel, serve, value_of};
use crate::harness::{TestApp, trace};

/// Password of every user.
pub(super) const PASSWORD: &str = "верный конь с аккумулятором";

/// Panel and portal of a running product.
pub(super) struct Portal {
    pub(super) panel: Panel,
    pub(super) mail: Running<Smtp>,
    pub(super) backend: Running<Vendor>,
}

/// A signed-in user of a vendor.
pub(super) struct Member<'a> {
    pub(super) portal: &'a Portal,
    pub(super) cookie: String,
    pub(super) email: String,
    pub(super) secret: String,
    pub(super) recovery_codes: Vec<String>,
}

impl Portal {
    /// A product with one install of a widget of the default vendor.
    pub(super) async fn open(pool: MySqlPool) -> Self {
        let mail = smtp::start(smtp::Options::default(), Control::default()).await.unwrap();
        let backend = vendor::start(None, None, Control::default()).await.unwrap();
        let variables = [
            ("FLYSK_SMTP_URL", format!("{}?tls=none", mail.url)),
            ("FLYSK_SMTP_FROM", "Flysk <notices@flysk.example>".to_owned()),
            ("FLYSK_OUTBOUND_ALLOW", backend.url.trim_start_matches("http://").to_owned()),
        ];
        let with = |env: Env| variables.iter().fold(env, |env, (name, value)| env.with(name, value));
        let mut app = Box::pin(TestApp::open_with(pool, with)).await;
        app.variables.extend(variables);
        let url = Box::pin(serve(&app, &[])).await;
        Self { panel: Panel { app, url }, mail, backend }
    }

    pub(super) async fn vendor(&self, code: &str) -> VendorId {
        let app = &self.panel.app;
        let data = VendorData {
            legal_name: format!("ООО «{code}»"),
            inn: None,
            email: None,
            phone: None,
            charge_initiator: "R".to_owned(),
            receipts: ReceiptMode { prepayment: true, closing: true },
        };
        let id = VendorId::generate(&app.clock);
        services::create_vendor(&mut *app.conn().await, id, code, &data, app.clock.now()).await.unwrap();
        id
    }

    /// Gives the installed widget to a vendor.
    pub(super) async fn give_widget(&self, vendor: VendorId) -> WidgetId {
        let app = &self.panel.app;
        let widget = app.widget().await.id;
        vendors::set_vendor_of_widget(&mut *app.conn().await, widget, vendor, app.clock.now()).await.unwrap();
        widget
    }

    /// Invites an address; the letter is not sent yet.
    pub(super) async fn invite(&self, vendor: VendorId, email: &str) -> InvitationId {
        let app = &self.panel.app;
        let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
        let email = email.parse().unwrap();
        let invited = vendor_users::invite(&mut unit, &app.clock, vendor, &email, "test").await.unwrap();
        unit.commit().await.unwrap();
        invited.id
    }

    /// Sends what is due, and returns path and query of the link in the newest letter.
    pub(super) async fn link(&self) -> String {
        self.panel.app.run_due_jobs().await;
        let letter = self.mail.state.letters().pop().expect("a letter");
        let text = letter.text();
        let link = text.lines().find(|line| line.contains("/portal/invitation")).expect("a link");
        link[link.find("/portal").unwrap()..].to_owned()
    }

    /// Sends the form of an invitation.
    pub(super) async fn accept(&self, link: &str, password: &str) -> Response {
        let ticket = link.split("invitation=").nth(1).unwrap();
        let fields = [
            ("invitation", ticket),
            ("name", "Вера Ромашкина"),
            ("password", password),
            ("password_again", password),
        ];
        self.panel.post_as(None, "/portal/invitation", &fields).await
    }

    /// A user of a vendor who has accepted an invitation and set up the second factor.
    pub(super) async fn member(&self, vendor: VendorId, email: &str) -> Member<'_> {
        self.invite(vendor, email).await;
        let answer = self.accept(&self.link().await, PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", answer.text().await.unwrap());
        self.enrol(&cookie_of(&answer), email).await
    }

    /// Sets up the second factor in a session that waits for it.
    pub(super) async fn enrol(&self, cookie: &str, email: &str) -> Member<'_> {
        let form = self.panel.get_as(cookie, "/portal/sign-in/code").await.text().await.unwrap();
        let secret = form.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let fields = [("csrf", value_of(&form, "csrf")), ("code", self.panel.code(&secret))];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = self.panel.post_as(Some(cookie), "/portal/sign-in/code", &fields).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = cookie_of(&answer);
        let page = answer.text().await.unwrap();
        let codes = page.split("id=\"codes\"").nth(1).unwrap().split("</ul>").next().unwrap();
        let recovery_codes =
            codes.split("<code>").skip(1).map(|code| code.split('<').next().unwrap().to_owned()).collect();
        self.panel.next_step();
        Member { portal: self, cookie, email: email.to_owned(), secret, recovery_codes }
    }

    /// Gives the password; returns the answer.
    pub(super) async fn give_password(&self, email: &str, password: &str) -> Response {
        self.panel.post_as(None, "/portal/sign-in", &[("email", email), ("password", password)]).await
    }
}

impl Member<'_> {
    /// A page, which must be there.
    pub(super) async fn page(&self, path: &str) -> String {
        let answer = self.portal.panel.get_as(&self.cookie, path).await;
        let status = answer.status();
        let page = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        page
    }

    /// The status of a page.
    pub(super) async fn status(&self, path: &str) -> u16 {
        self.portal.panel.get_as(&self.cookie, path).await.status().as_u16()
    }

    /// Sends a form with the session's token.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = value_of(&self.page("/portal/me").await, "csrf");
        let fields: Vec<(&str, &str)> =
            [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        self.portal.panel.post_as(Some(&self.cookie), path, &fields).await
    }

    /// Performs an act; returns the page that it leads to.
    pub(super) async fn act(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        let status = answer.status();
        let location = answer.headers().get(LOCATION).map(|path| path.to_str().unwrap().to_owned());
        let page = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::SEE_OTHER, "{path}: {page}");
        location.unwrap()
    }

    /// Performs an act that shows something once; returns the page.
    pub(super) async fn shown(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        let status = answer.status();
        let page = answer.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        page
    }

    /// Performs an act that is refused with this status; returns the page.
    pub(super) async fn refused(&self, path: &str, fields: &[(&str, &str)], status: u16) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status().as_u16(), status, "{path}");
        answer.text().await.unwrap()
    }
}

/// The session's cookie in a response.
pub(super) fn cookie_of(answer: &Response) -> String {
    let mut set = answer.headers().get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let session = set.find(|cookie| cookie.starts_with("flysk_portal=")).expect("a session cookie");
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"), "{session}");
    session.split(';').next().unwrap().to_owned()
}

/// The value in a code that is shown once, by its prefix.
pub(super) fn code_in<'a>(page: &'a str, prefix: &str) -> &'a str {
    let from = page.find(&format!("<code>{prefix}")).unwrap_or_else(|| panic!("no {prefix} in {page}"));
    page[from + "<code>".len()..].split('<').next().unwrap()
}
