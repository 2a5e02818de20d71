//! `/mail?ticket=…`: switches letters of a kind off, and on again: those to the payer of an install, or FlySense's notices to a
//! bound person, which are switched in the bot as well. A `POST` without the field of the form switches off, as mail
//! programs do with one click (RFC 8058).

use flysk_domain::trace::Trace;
use flysk_services::activation::switch_notices;
use flysk_services::mail::{MailSwitch, PersonSwitch, Switch, open_switch_link, set_mail_wanted};
use flysk_store::flysense::accounts as flysense_accounts;
use flysk_store::flysense::activation::bindings;
use flysk_store::platform::{accounts, installs, mail};
use flysk_store::repeat_contended;
use poem::http::StatusCode;
use poem::web::{Data, Query};
use poem::{Body, Response, handler};
use serde::Deserialize;

use super::answer;
use super::view::Page;
use crate::deps::Deps;
use crate::problem::{Problem, ProblemCode};

/// Longest body of a form, in bytes.
const MAX_BODY_LEN: usize = 1_024;
/// Field that switches on again.
const ON_FIELD: &str = "on";

/// Query of the link.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default)]
    ticket: String,
}

/// `GET /mail`: what the account gets, and a button that changes it.
#[handler]
pub(super) async fn show(deps: Data<&Deps>, Query(link): Query<Link>) -> Response {
    let shown = async {
        match opened(&deps, &link)? {
            Switch::Install(switch) => {
                let muted = mail::find_preferences(&mut *deps.conn().await?, switch.install).await?.muted;
                page(&deps, switch, muted.contains(&switch.kind)).await
            }
            Switch::Person(switch) => persons_page(&deps, switch).await,
        }
    };
    answer(shown.await)
}

/// `POST /mail`: switches.
#[handler]
pub(super) async fn act(
    deps: Data<&Deps>,
    trace: Data<&Trace>,
    Query(link): Query<Link>,
    body: Body,
) -> Response {
    let acted = async {
        let switch = opened(&deps, &link)?;
        let too_large = |_| Problem::new(ProblemCode::TooLarge, "the form is too large");
        let body = body.into_bytes_limit(MAX_BODY_LEN).await.map_err(too_large)?;
        let wanted = body[..] == *format!("{ON_FIELD}=true").as_bytes();
        repeat_contended(|| async {
            let mut unit = deps.begin(&trace).await?;
            match switch {
                Switch::Install(MailSwitch { install, kind }) => {
                    set_mail_wanted(&mut unit, deps.clock(), install, kind, wanted).await?;
                }
                Switch::Person(PersonSwitch { account, binding, kind }) => {
                    // Whoever is not bound any more gets nothing anyway.
                    switch_notices(&mut unit, deps.clock(), account, binding, kind, wanted).await?;
                }
            }
            Ok::<_, Problem>(unit.commit().await?)
        })
        .await?;
        match switch {
            Switch::Install(switch) => page(&deps, switch, !wanted).await,
            Switch::Person(switch) => persons_page(&deps, switch).await,
        }
    };
    answer(acted.await)
}

fn opened(deps: &Deps, link: &Link) -> Result<Switch, Problem> {
    let switch = open_switch_link(&deps.keyring, &link.ticket);
    switch.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the link is not valid"))
}

async fn page(deps: &Deps, switch: MailSwitch, is_off: bool) -> Result<Response, Problem> {
    let mut conn = deps.conn().await?;
    let install = installs::find(&mut conn, switch.install).await?;
    let install = install.ok_or_else(|| Problem::new(ProblemCode::NotFound, "the install is gone"))?;
    let account = accounts::find(&mut conn, install.crm, install.account_id).await?;
    let host = account.map(|account| account.host).unwrap_or_default();
    switched_page(format!("Письма «{}» об аккаунте {host}.", switch.kind.label()), is_off)
}

/// The page of a person who is bound in a messenger.
async fn persons_page(deps: &Deps, switch: PersonSwitch) -> Result<Response, Problem> {
    let mut conn = deps.conn().await?;
    let binding = bindings::find(&mut conn, switch.account, switch.binding).await?;
    let Some(binding) = binding else {
        return Page::new("Письма отключены")
            .say("Уведомления FlySense AI уже отключены командой /stop или удалены вместе с виджетом.")
            .response(StatusCode::OK);
    };
    let account = flysense_accounts::find(&mut conn, switch.account).await?;
    let host = account.map(|account| account.host).unwrap_or_default();
    let about = format!("Уведомления «{}» об аккаунте {host}, в мессенджере и письмом.", switch.kind.label());
    switched_page(about, binding.muted.contains(&switch.kind))
}

fn switched_page(about: String, is_off: bool) -> Result<Response, Problem> {
    let page = if is_off {
        Page::new("Письма отключены")
            .say(about)
            .say("Больше не пришлём. Остальные письма придут как раньше.")
            .button("Присылать снова", ON_FIELD)
    } else {
        Page::new("Письма включены").say(about).button("Не присылать", "off")
    };
    page.response(StatusCode::OK)
}
