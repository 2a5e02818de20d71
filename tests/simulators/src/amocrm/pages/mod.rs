//! Pages of an account in a browser: cards with their feed, the list of integrations, a widget's settings window and own
//! page.
//!
//! They are held to what is known about amoCRM's pages from the side of a widget (amoCRM docs, `web_sdk/mechanics`,
//! `web_sdk/settings`, `web_sdk/dark_theme`, `notifications/adding_notifications`; markup of the feed as public widgets
//! observe it). Where sources are silent, [`PageOptions`] has a switch. Of the AMD modules that amoCRM offers, `jquery` and
//! `lib/components/base/modal` exist.
//!
//! A browser reaches the account's host at `http://demo.amocrm.ru.localhost:<port>`, see [`super::localhost`].

mod assets;
mod card;
mod edit;
mod history;
mod shell;
mod sim_routes;
mod socket;
mod user;
mod widget_files;
mod widget_list;

use std::collections::HashMap;
use std::path::PathBuf;

use poem::{Route, get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Amocrm;
use super::scenario::ScenarioError;
use crate::lock::locked;

pub use history::History;
pub use socket::PageMessage;

pub(crate) use sim_routes::routes as sim_routes;

/// Switches of an account's pages.
#[expect(clippy::struct_excessive_bools, reason = "independent switches, not states of one thing")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageOptions {
    /// Number of events that a card loads at once.
    pub page_size: usize,
    /// Consecutive calls are folded into a capsule.
    pub group_calls: bool,
    /// Records of the feed carry note ids instead of event ids.
    pub numeric_ids: bool,
    /// Moving from card to card does not call `destroy`.
    pub skip_destroy: bool,
    /// The settings window has amoCRM's own tabs.
    pub native_tabs: bool,
    /// `light` or `dark`: the scheme that a page starts with.
    pub scheme: Scheme,
}

impl Default for PageOptions {
    fn default() -> Self {
        Self {
            page_size: 50,
            group_calls: false,
            numeric_ids: false,
            skip_destroy: false,
            native_tabs: false,
            scheme: Scheme::Light,
        }
    }
}

/// A colour scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Dark text on a light ground.
    Light,
    /// Light text on a dark ground.
    Dark,
}

/// What the pages need besides the account's contents.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Directory or `widget.zip` of an integration's widget, by its code.
    widgets: HashMap<String, PathBuf>,
    /// Saved settings of a widget, by account and code.
    settings: HashMap<(u64, String), Map<String, Value>>,
    options: HashMap<u64, PageOptions>,
    socket: tokio::sync::broadcast::Sender<PageMessage>,
}

/// Messages that a page may be behind before it misses some.
const SOCKET_BUFFER: usize = 256;

impl Default for Pages {
    fn default() -> Self {
        let (socket, _) = tokio::sync::broadcast::channel(SOCKET_BUFFER);
        Self { widgets: HashMap::new(), settings: HashMap::new(), options: HashMap::new(), socket }
    }
}

impl Pages {
    fn options(&self, account_id: u64) -> PageOptions {
        self.options.get(&account_id).cloned().unwrap_or_default()
    }
}

impl Amocrm {
    /// Serves the widget of the integration with this code from a directory, or from a `widget.zip`. Files are read at every
    /// request, so that a new build is visible at once.
    pub fn serve_widget(&self, code: &str, source: PathBuf) {
        locked(&self.inner.pages).widgets.insert(code.to_owned(), source);
    }

    /// Sets the switches of an account's pages. Open pages take them over when they are loaded again; a changed scheme at
    /// once.
    pub fn set_page_options(&self, account_id: u64, options: PageOptions) -> Result<(), ScenarioError> {
        self.account(account_id).ok_or(ScenarioError::UnknownAccount)?;
        let mut pages = locked(&self.inner.pages);
        if pages.options(account_id).scheme != options.scheme {
            let message = serde_json::json!({ "scheme": options.scheme });
            // Without open pages there is nobody to tell.
            let _ = pages.socket.send(PageMessage { account_id, channel: "page".to_owned(), data: message });
        }
        pages.options.insert(account_id, options);
        Ok(())
    }
}

/// Adds the pages to the routes of an account's host.
pub(crate) fn with_pages(account: Route) -> Route {
    account
        .at("/leads/detail/:id", get(shell::page))
        .at("/contacts/detail/:id", get(shell::page))
        .at("/companies/detail/:id", get(shell::page))
        .at("/settings/widgets", get(shell::page))
        .at("/settings/widgets/:code", get(shell::page))
        .at("/frontend/*file", get(assets::serve))
        .at("/widgets/:code/*file", get(widget_files::serve))
        .at("/ajax/card/:entity/:id", get(card::events))
        .at("/ajax/socket", get(socket::stream))
        .at("/ajax/widgets/edit", post(edit::edit))
        .at("/ajax/v2/integrations/:client_uuid/disposable_token", get(edit::disposable_token))
}
