//! Accepting an invitation: name and password are chosen here, the second factor is set up next, as by operators at their first
//! sign-in.

use askama::Template;
use flysk_domain::admin::Invited;
use flysk_domain::id::VendorUserId;
use flysk_services::vendor_users::{self, Accepting, InvitationError, TICKET_PARAMETER};
use flysk_store::platform::vendors;
use flysk_store::portal::invitations::Invitation;
use flysk_store::repeat_contended;
use poem::Response;
use poem::http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

use super::sign_in::{begin_session, to_second_factor};
use crate::area::Area;
use crate::assets;
use crate::deps::Deps;
use crate::http::respond::page;
use crate::http::{Fault, Guest, Pairs};
use crate::operators_rules::check_name;
use crate::sign_in::own_access::record_of_vendor_user;
use crate::sign_in::password::{self, MAX_PASSWORD_BYTES, MIN_PASSWORD_LEN};
use crate::sign_in::session::fresh_token;

#[derive(Template)]
#[template(path = "portal_invitation.html")]
struct InvitationPage<'a> {
    assets: &'static str,
    ticket: &'a str,
    vendor: &'a str,
    email: &'a str,
    name: &'a str,
    error: Option<String>,
}

/// The ticket in an address or a form, and its invitation, if that can be accepted now.
async fn find(deps: &Deps, pairs: &Pairs) -> Result<(String, Invitation), Fault> {
    let ticket = pairs.get(TICKET_PARAMETER).unwrap_or_default();
    let id = vendor_users::open_ticket(&deps.keyring, ticket).ok_or(Fault::NotFound)?;
    let now = deps.clock().now();
    let invitation = vendor_users::find_open(&mut *deps.write().await?, id, now).await.map_err(to_fault)?;
    Ok((ticket.to_owned(), invitation))
}

async fn show_form(
    deps: &Deps,
    (ticket, invitation): &(String, Invitation),
    name: &str,
    error: Option<String>,
) -> Result<Response, Fault> {
    let vendor = vendors::find_vendor(&mut *deps.write().await?, invitation.vendor_id).await?;
    let vendor = vendor.ok_or(Fault::NotFound)?;
    let vendor = if vendor.legal_name.is_empty() { vendor.code } else { vendor.legal_name };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let form = InvitationPage {
        assets: assets::version(),
        ticket,
        vendor: &vendor,
        email: &invitation.email,
        name,
        error,
    };
    page(status, &form)
}

/// `GET /portal/invitation`: shows the form. Programs that look at links in letters use nothing up.
pub(super) async fn show(guest: Guest) -> Result<Response, Fault> {
    let found = find(&guest.deps, &guest.request.query).await?;
    show_form(&guest.deps, &found, "", None).await
}

/// Error of the chosen name and password, in Russian.
fn check(name: &str, password: &SecretString, again: &SecretString) -> Option<String> {
    if let Err(rule) = check_name(name) {
        return Some(rule.text());
    }
    let text = password.expose_secret();
    if text.chars().count() < MIN_PASSWORD_LEN || text.len() > MAX_PASSWORD_BYTES {
        return Some("Пароль должен быть от 12 знаков до 512 байт.".to_owned());
    }
    (text != again.expose_secret()).then(|| "Пароли не совпадают.".to_owned())
}

/// `POST /portal/invitation`: uses the invitation up, and begins a session that waits for the second factor.
pub(super) async fn accept(guest: Guest) -> Result<Response, Fault> {
    let Guest { deps, request } = guest;
    if deps.config.admin.read_only {
        return Err(Fault::ReadOnly);
    }
    let found = find(&deps, &request.form).await?;
    let name = request.form.get("name").unwrap_or_default();
    let password = SecretString::from(request.form.raw("password").unwrap_or_default());
    let again = SecretString::from(request.form.raw("password_again").unwrap_or_default());
    if let Some(error) = check(name, &password, &again) {
        return show_form(&deps, &found, name, Some(error)).await;
    }
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    let password_hash = hashed.map_err(Fault::internal)?.map_err(Fault::internal)?;
    let (token, token_hash) = fresh_token(&deps);
    let accepting =
        Accepting { id: VendorUserId::generate(deps.clock()), name, password_hash: &password_hash };
    let invitation = &found.1;
    let run = || async {
        let mut tx = deps.outbox.pool().begin().await?;
        let now = deps.clock().now();
        let user = vendor_users::accept(&mut tx, invitation, &accepting, now).await.map_err(to_fault)?;
        begin_session(&mut tx, &deps, &request, &user, &token_hash).await?;
        record_of_vendor_user(&mut tx, &deps, &request, &user, "vendor_user.accept").await?;
        Ok::<_, Fault>(tx.commit().await?)
    };
    repeat_contended(run).await?;
    Ok(to_second_factor(&deps, &token, Area::Portal.home()))
}

/// Why an invitation is not accepted, in Russian.
fn to_fault(error: InvitationError) -> Fault {
    match error {
        InvitationError::NotOpen(Invited::Accepted) => {
            Fault::conflict("Это приглашение уже приняли. Войдите с адресом и паролем или попросите новое.")
        }
        InvitationError::NotOpen(_) => {
            Fault::conflict("Приглашение больше не действует. Попросите оператора Flysk прислать новое.")
        }
        InvitationError::OtherVendor => Fault::conflict(
            "С этим адресом уже входит пользователь другого продавца. Попросите пригласить другой адрес.",
        ),
        InvitationError::Store(error) => error.into(),
    }
}
