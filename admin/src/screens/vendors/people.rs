//! People of a vendor: invitations to the portal, and its users. Operators see no page of the portal.

use chrono::{DateTime, Utc};
use flysk_domain::admin::Invited;
use flysk_domain::id::{InvitationId, VendorId, VendorUserId};
use flysk_domain::platform::purchases::Email;
use flysk_services::vendor_users::{self, InvitationError};
use flysk_store::platform::vendors;
use flysk_store::portal::invitations::{self, Invitation};
use flysk_store::portal::users::{self, VendorUser};
use flysk_store::{Conn, StoreResult, repeat_contended};
use poem::Response;
use serde_json::{Value, json};

use crate::http::{Fault, Operator, Record, Visit};
use crate::view::{Cell, Field, Form, Labeled as _, Row, Section, Table, Tone};

/// Invitations shown on a vendor's page.
const INVITATIONS_SHOWN: u32 = 20;

/// People of a vendor, as its page shows them.
pub(super) struct People {
    users: Vec<VendorUser>,
    invitations: Vec<Invitation>,
    now: DateTime<Utc>,
}

impl People {
    /// Reads them.
    pub(super) async fn read(conn: &mut Conn, vendor: VendorId, now: DateTime<Utc>) -> StoreResult<Self> {
        let users = users::list_of_vendor(conn, vendor).await?;
        let invitations = invitations::list_of_vendor(conn, vendor, INVITATIONS_SHOWN).await?;
        Ok(Self { users, invitations, now })
    }

    /// Tables of users and invitations.
    pub(super) fn sections(&self) -> [Section; 2] {
        let user = |user: &VendorUser| {
            Row::plain(vec![
                Cell::text(user.email.clone()),
                Cell::text(user.name.clone()),
                user_state(user),
                Cell::time(user.created_at),
                Cell::code(user.id),
            ])
        };
        let invitation = |invitation: &Invitation| {
            Row::plain(vec![
                Cell::text(invitation.email.clone()),
                invited_cell(invitation.state(self.now)),
                invitation.mail_state.cell(),
                Cell::text(invitation.invited_by.clone()),
                Cell::time(invitation.created_at),
                Cell::time(invitation.expires_at),
            ])
        };
        let head = ["E-mail", "Имя", "Состояние", "Создан", "Id"];
        let users = Table::new(&head, self.users.iter().map(user).collect());
        let head = ["E-mail", "Приглашение", "Письмо", "Кто пригласил", "Когда", "Действует до"];
        let invited = Table::new(&head, self.invitations.iter().map(invitation).collect());
        [
            Section::new("Пользователи портала", users, "Портал этому продавцу ещё не открыт.")
                .text("Они видят виджеты этого продавца, и больше ничьи. Пароль и второй фактор меняет новое приглашение."),
            Section::new("Приглашения в портал", invited, "Никого ещё не приглашали."),
        ]
    }

    /// Forms for an operator.
    pub(super) fn forms(&self, vendor: VendorId) -> Vec<Form> {
        let invite = Form::act(format!("/vendors/{vendor}/invite"), "Пригласить в портал", "Пригласить")
            .text(
                "На адрес уйдёт ссылка, которая работает один раз, 7 дней. Прежние приглашения этого адреса отзываются. Пользователь, \
                 которого приглашают снова, выберет новый пароль и подключит новый второй фактор.",
            )
            .field(Field::text("email", "E-mail").required());
        let open: Vec<(InvitationId, String)> = self
            .invitations
            .iter()
            .filter(|invitation| invitation.state(self.now) == Invited::Open)
            .map(|invitation| (invitation.id, invitation.email.clone()))
            .collect();
        let revoke = (!open.is_empty()).then(|| {
            Form::act(format!("/vendors/{vendor}/revoke-invitation"), "Отозвать приглашение", "Отозвать")
                .field(Field::choice("revoked", "Приглашение", open).required())
                .danger()
        });
        let access = (!self.users.is_empty()).then(|| {
            let all = self.users.iter().map(|user| (user.id, user.email.clone()));
            Form::act(format!("/vendors/{vendor}/user-access"), "Доступ пользователя портала", "Сохранить")
                .text("Отключённый пользователь не может войти, его сеансы завершаются.")
                .field(Field::choice("user", "Пользователь", all).required())
                .field(Field::check("disabled", "Отключён"))
                .danger()
        });
        std::iter::once(invite).chain(revoke).chain(access).collect()
    }
}

fn user_state(user: &VendorUser) -> Cell {
    match (user.disabled_at, user.totp_confirmed_at) {
        (Some(_), _) => Cell::state("отключён", Tone::Quiet),
        (None, None) => Cell::state("ждёт второго фактора", Tone::Busy),
        (None, Some(_)) => Cell::state("работает", Tone::Good),
    }
}

fn invited_cell(invited: Invited) -> Cell {
    let tone = match invited {
        Invited::Open => Tone::Busy,
        Invited::Accepted => Tone::Good,
        Invited::Revoked | Invited::Expired => Tone::Quiet,
    };
    Cell::state(invited.label(), tone)
}

/// `POST /vendors/:id/invite`.
pub(crate) async fn invite(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let email: Option<Email> = visit.request.form.parsed("email", "E-mail")?;
    let email = email.ok_or_else(|| Fault::refused("Заполните поле «E-mail»."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        vendors::lock_vendor(&mut act, id).await?.ok_or(Fault::NotFound)?;
        let (clock, login) = (visit.deps.clock(), visit.who.login.as_str());
        let invited = vendor_users::invite(act.unit(), clock, id, &email, login).await.map_err(to_fault)?;
        act.commit(Record {
            action: "vendor_user.invite",
            subject: ("vendor", id.to_string()),
            reason,
            before: Value::Null,
            after: json!({ "invitation": invited.id, "email": invited.email, "until": invited.expires_at }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Приглашение отправляется."))
}

fn to_fault(error: InvitationError) -> Fault {
    match error {
        InvitationError::OtherVendor => {
            Fault::refused("С этим адресом входит пользователь другого продавца.")
        }
        InvitationError::Store(error) => error.into(),
        error @ InvitationError::NotOpen(_) => Fault::internal(error),
    }
}

/// `POST /vendors/:id/revoke-invitation`.
pub(crate) async fn revoke_invitation(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let invitation: Option<InvitationId> = visit.request.form.parsed("revoked", "Приглашение")?;
    let invitation = invitation.ok_or_else(|| Fault::refused("Заполните поле «Приглашение»."))?;
    let run = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        if !invitations::revoke(&mut act, id, invitation, now).await? {
            return Err(Fault::conflict("Это приглашение уже приняли, отозвали, или оно истекло."));
        }
        act.commit(Record {
            action: "vendor_user.revoke_invitation",
            subject: ("vendor", id.to_string()),
            reason,
            before: json!({ "invitation": invitation }),
            after: Value::Null,
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Приглашение отозвано."))
}

/// `POST /vendors/:id/user-access`.
pub(crate) async fn change_access(visit: Visit<Operator>) -> Result<Response, Fault> {
    let (id, reason): (VendorId, _) = (visit.request.id()?, visit.reason()?);
    let form = &visit.request.form;
    let user: Option<VendorUserId> = form.parsed("user", "Пользователь")?;
    let user = user.ok_or_else(|| Fault::refused("Заполните поле «Пользователь»."))?;
    let is_disabled = form.is_set("disabled");
    let run = || async {
        let mut act = visit.begin().await?;
        let now = act.now();
        let before = vendor_users::set_disabled(&mut act, id, user, is_disabled, now).await?;
        act.commit(Record {
            action: "vendor_user.change_access",
            subject: ("vendor_user", user.to_string()),
            reason,
            before: json!({ "disabled": before.disabled_at.is_some() }),
            after: json!({ "disabled": is_disabled }),
        })
        .await
    };
    repeat_contended(run).await?;
    Ok(visit.done(&format!("/vendors/{id}"), "Доступ изменён."))
}
