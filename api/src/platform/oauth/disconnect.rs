//! `GET /oauth/amocrm/disconnect`: webhook of amoCRM when an account disables the integration.
//!
//! The signature covers only ids, so the webhook can be replayed at any time. So a job first asks amoCRM whether the
//! integration is really disabled. Source: amoCRM docs, oauth/step-by-step.

use flysk_crypto::same_secret;
use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::oauth::ConfirmDisconnect;
use flysk_store::platform::handshake::{self, HandshakeRow};
use flysk_store::platform::tokens;
use flysk_store::repeat_contended;
use hmac::{Hmac, Mac};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use secrecy::ExposeSecret;
use sha2::Sha256;

use crate::deps::Deps;
use crate::platform::tag::Tag;
use crate::problem::{Problem, ProblemCode, answers};

answers! {
    /// Responses of `receiveDisconnect`.
    DisconnectAnswer {
        /// Accepted, or the widget is not installed in the account.
        204 => NoContent,
    }
    problems {
        /// A parameter is missing or malformed.
        400 => BadRequest,
        /// Unknown integration or invalid signature.
        401 => Unauthorized,
        /// Internal error.
        500 => Internal,
        /// Service temporarily unavailable.
        503 => Unavailable,
    }
}

/// Operation that receives disconnections.
pub(crate) struct DisconnectApi;

#[OpenApi(tag = "Tag::OAuth")]
impl DisconnectApi {
    /// Receive a notification that an account disabled the integration. Called by amoCRM.
    #[oai(path = "/oauth/amocrm/disconnect", method = "get", operation_id = "receiveDisconnect")]
    async fn disconnect(
        &self,
        deps: Data<&Deps>,
        trace: Data<&Trace>,
        /// Account id in amoCRM.
        account_id: Query<u64>,
        /// Client id of the integration.
        client_uuid: Query<Option<String>>,
        /// Older name of `client_uuid`.
        client_id: Query<Option<String>>,
        /// HMAC-SHA256 over `<client id>|<account id>` with the integration's secret key, as lower-case hex.
        signature: Query<String>,
    ) -> DisconnectAnswer {
        let client = client_uuid.0.or(client_id.0);
        match receive_disconnect(&deps, &trace, account_id.0, client.as_deref(), &signature.0).await {
            Ok(()) => DisconnectAnswer::NoContent,
            Err(problem) => problem.into(),
        }
    }
}

async fn receive_disconnect(
    deps: &Deps,
    trace: &Trace,
    account_id: u64,
    client: Option<&str>,
    signature: &str,
) -> Result<(), Problem> {
    let client = client.ok_or_else(|| Problem::new(ProblemCode::BadRequest, "no `client_uuid`"))?;
    let refused = || Problem::new(ProblemCode::Unauthorized, "invalid signature");
    let mut conn = deps.conn().await?;
    let found = handshake::find(&mut conn, &client.to_ascii_lowercase(), AccountId(account_id)).await?;
    drop(conn);
    let HandshakeRow { widget, install, .. } = found.ok_or_else(refused)?;
    let secret = deps.vault.client_secret(&widget).map_err(super::super::pauth::vault_problem)?;
    if !is_signed(secret.expose_secret(), client, account_id, signature) {
        return Err(refused());
    }
    let Some(install) = install else { return Ok(()) };
    let received_at = deps.clock().now();
    let enqueue = || async {
        let mut unit = deps.begin(trace).await?;
        let generation = tokens::find(&mut unit, install.id).await?.map_or(0, |pair| pair.generation);
        unit.enqueue(&ConfirmDisconnect { install_id: install.id, received_at, generation }).await?;
        Ok(unit.commit().await?)
    };
    repeat_contended(enqueue).await
}

fn is_signed(secret: &str, client: &str, account_id: u64, signature: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
    mac.update(format!("{client}|{account_id}").as_bytes());
    let ours = hex::encode(mac.finalize().into_bytes());
    same_secret(ours.as_bytes(), signature.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::is_signed;

    const CLIENT: &str = "11111111-2222-4333-8444-555555555555";
    const SIGNATURE: &str = "9e6053f2bd3709730b206b2bf1d8ac4892cd16a9813d12cff19dab5f1c397452";

    #[test]
    fn the_signature_covers_integration_and_account() {
        let signed = |client, account, signature| is_signed("not-a-real-secret", client, account, signature);
        assert!(signed(CLIENT, 12_345_678, SIGNATURE));
        assert!(!signed(CLIENT, 12_345_679, SIGNATURE));
        assert!(!signed("21111111-2222-4333-8444-555555555555", 12_345_678, SIGNATURE));
        assert!(!signed(CLIENT, 12_345_678, &SIGNATURE[..63]) && !signed(CLIENT, 12_345_678, ""));
        assert!(!is_signed("another-secret", CLIENT, 12_345_678, SIGNATURE));
    }
}
